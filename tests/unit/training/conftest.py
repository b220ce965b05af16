"""Whatever a run of these tests records has its row in `vasa.training.logged`."""

import pytest

from vasa.training.logged import row_of
from vasa.training.logging import MetricsRecord

TOYS = {"data/first_x"}
"""Logged by the module of toy.py alone."""


@pytest.fixture(autouse=True)
def _names_are_defined(monkeypatch: pytest.MonkeyPatch) -> None:
    write = MetricsRecord.write

    def checked(self: MetricsRecord, values: dict[str, float], *, step: int, time_s: float) -> None:
        unknown = {name for name in values if row_of(name) is None} - TOYS
        assert not unknown, f"logged, but not defined in vasa/training/logged.py: {sorted(unknown)}"
        write(self, values, step=step, time_s=time_s)

    monkeypatch.setattr(MetricsRecord, "write", checked)
