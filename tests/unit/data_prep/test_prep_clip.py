"""One clip that cannot be used is one row of the drop table, whatever is wrong with it."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from data_prep.clip import prepare_clip
from data_prep.drops import Reason
from data_prep.layouts import LAYOUTS, ClipSource
from data_prep.settings import ClipRecipe, PrepSettings
from data_prep.step_clock import StepClock

CONF = Path(__file__).parents[3] / "conf" / "prep.yaml"


@pytest.fixture
def recipe() -> ClipRecipe:
    config = OmegaConf.merge(
        OmegaConf.structured(PrepSettings), OmegaConf.load(CONF), {"input": "a", "output": "b"}
    )
    settings = OmegaConf.to_object(config)
    assert isinstance(settings, PrepSettings)
    return settings.recipe()


def source(path: Path) -> ClipSource:
    return ClipSource(path=path, speaker="anna", video="take", split="train")


def test_a_listed_file_that_is_not_there(tmp_path, recipe):
    found = list(prepare_clip(source(tmp_path / "gone.mp4"), recipe, None, StepClock()))
    assert [(row.key, row.reason) for row in found] == [("anna/take", "missing")]


def test_the_guide_names_every_reason_and_layout():
    guide = (Path(__file__).parents[3] / "docs" / "preparation.md").read_text()
    assert [reason for reason in Reason if str(reason) not in guide] == []
    assert [name for name in LAYOUTS if f"| `{name}` |" not in guide] == []
