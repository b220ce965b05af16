"""Each equation and section has one home, which exists and cites its source."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (?P<source>[^|]+) \| [^|]+ \| `(?P<path>[^`:]+):(?P<symbol>\w+)` \|$")


def rows() -> list[tuple[str, str, str]]:
    """Source, file and symbol of each row."""
    lines = (ROOT / "docs" / "paper_map.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("| ") and "---" not in line][1:]
    found = [ROW.match(line) for line in table]
    assert all(found), [line for line, match in zip(table, found, strict=True) if not match]
    return [(m["source"], m["path"], m["symbol"]) for m in found if m]


def docstrings(path: Path, symbol: str) -> str:
    """The module's and the symbol's docstring, on one line."""
    tree = ast.parse(path.read_text())
    homes = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == symbol
    ]
    assert len(homes) == 1, f"{path.name} defines {symbol} {len(homes)} times"
    texts = (ast.get_docstring(tree) or "", ast.get_docstring(homes[0]) or "")
    return " ".join(" ".join(texts).split())


def test_no_home_and_no_source_stands_twice():
    sources = [source for source, _, _ in rows()]
    homes = [(path, symbol) for _, path, symbol in rows()]
    assert len(sources) == len(set(sources))
    assert len(homes) == len(set(homes))


@pytest.mark.parametrize(("source", "path", "symbol"), rows())
def test_home_exists_and_cites_its_source(source, path, symbol):
    text = docstrings(ROOT / path, symbol)
    for token in source.split("; "):
        assert token in text, f"{symbol} does not cite {token!r}: {text[:300]}"


@pytest.mark.parametrize("equation", ["VASA-1 eq. 1", "VASA-1 eq. 2"])
def test_equation_is_mapped(equation):
    assert equation.replace(" eq", "; eq") in [source for source, _, _ in rows()]
