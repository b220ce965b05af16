"""One clip that cannot be used is one row of the drop table, whatever is wrong with it."""

import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import data_prep.clip
from data_prep.clip import prepare_clip
from data_prep.drops import Dropped, Reason, time_limit
from data_prep.layouts import LAYOUTS, ClipSource
from data_prep.settings import ClipRecipe, PrepSettings

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
    prepared = prepare_clip(source(tmp_path / "gone.mp4"), recipe, experts=None)
    assert prepared.clips == ()
    assert [(row.key, row.reason) for row in prepared.dropped] == [("anna/take", "missing")]


def test_a_clip_that_hangs_is_cut_off(tmp_path, recipe, monkeypatch):
    def hangs(*args: object) -> None:
        time.sleep(60)

    monkeypatch.setattr(data_prep.clip, "_prepare", hangs)
    begin = time.monotonic()
    prepared = prepare_clip(source(tmp_path / "a.mp4"), replace(recipe, time_limit_s=0.2), None)
    assert time.monotonic() - begin < 30
    assert [(row.reason, row.detail) for row in prepared.dropped] == [
        ("timed_out", "not done after 0.2 s")
    ]


def test_the_limit_ends_with_what_it_limits():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(0.05):
        pass
    time.sleep(0.1)  # nothing comes
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    with pytest.raises(Dropped) as error, time_limit(0.05):
        time.sleep(30)
    assert error.value.reason == Reason.TIMED_OUT


def test_the_guide_names_every_reason_and_layout():
    guide = (Path(__file__).parents[3] / "docs" / "preparation.md").read_text()
    assert [reason for reason in Reason if str(reason) not in guide] == []
    assert [name for name in LAYOUTS if f"| `{name}` |" not in guide] == []
