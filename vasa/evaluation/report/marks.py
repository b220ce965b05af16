"""Generated tables stand between marks in a README: `<!-- name -->` and `<!-- /name -->`."""

import sys
from pathlib import Path


def put_between(readme: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of a name; ends the script where there are none."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    whole = readme.read_text()
    if begin not in whole or end not in whole:
        sys.exit(f"expected the lines {begin.strip()!r} and {end!r} in {readme}, found none")
    before, rest = whole.split(begin, 1)
    readme.write_text(before + begin + text + end + rest.split(end, 1)[1])
