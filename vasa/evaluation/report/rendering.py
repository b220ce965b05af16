"""A template's facts to a page that needs nothing else."""

import time
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def now() -> str:
    """When a page was made."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def write_page(path: Path, *, template: str, facts: dict[str, Any]) -> None:
    """Writes a page.

    Args:
        path: the .html.
        template: name of a file of templates/.
        facts: all that it names.
    """
    environment = Environment(
        loader=PackageLoader("vasa.evaluation.report", "templates"),
        autoescape=select_autoescape(["html", "j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    replace_text(path, environment.get_template(f"{template}.html.j2").render(**facts))


def replace_text(path: Path, text: str) -> None:
    """The whole text or the file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
