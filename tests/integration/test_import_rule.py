"""The rooms of the house import in one direction: read from the source, nothing is run."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = ("lightning", "pytorch_lightning", "hydra", "omegaconf", "webdataset", "wandb")
PURE = ("vasa.types", "vasa.geometry", "vasa.models", "vasa.losses", "vasa.diffusion")
OUTER = ("vasa.data", "vasa.training", "vasa.inference", "vasa.evaluation", "vasa.pretrained")
# room -> what it may not import
RULES = {
    **{room: (*FRAMEWORKS, *OUTER, "vasa.cli", "data_prep") for room in PURE},
    "vasa.pretrained": ("vasa.training", "vasa.inference", "vasa.evaluation", "vasa.cli"),
    "vasa.data": ("vasa.models", "vasa.training", "vasa.inference", "vasa.evaluation", "vasa.cli"),
    "vasa.training": ("vasa.inference", "vasa.cli"),
    "vasa.inference": ("vasa.training", "vasa.cli"),
    "vasa.evaluation": ("vasa.training", "vasa.cli"),
    "data_prep": ("vasa.training", "vasa.evaluation", "vasa.cli"),
}


def sources() -> list[Path]:
    return sorted([*(ROOT / "vasa").rglob("*.py"), *(ROOT / "data_prep").rglob("*.py")])


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_in(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def imports_of(text: str) -> set[str]:
    """Full names of what a source imports, at any depth; `from a import b` gives a.b."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_room_imports_only_what_it_may(path):
    name = module_name(path)
    forbidden = {item for room, items in RULES.items() if is_in(name, room) for item in items}
    if is_in(name, "vasa") and not is_in(name, "vasa.cli"):
        forbidden.add("data_prep")
    bad = {
        imported
        for imported in imports_of(path.read_text())
        if any(is_in(imported, item) for item in forbidden)
    }
    assert not bad, f"{name} may not import {sorted(bad)}"


def test_rule_sees_a_violation():
    text = "def late():\n    from vasa.models import checkpoint\n    import hydra.utils\n"
    assert imports_of(text) == {"vasa.models.checkpoint", "hydra.utils"}


def test_instantiate_is_called_in_one_place():
    callers = [
        module_name(p) for p in sources() if "hydra.utils.instantiate" in imports_of(p.read_text())
    ]
    assert callers == ["vasa.training.config"]
