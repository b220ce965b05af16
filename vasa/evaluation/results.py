"""Result rows: what a protocol measured, beside its control, and the file that keeps them."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vasa.evaluation.metrics.clip_metric import ClipMean, ClipMetric, Estimate
from vasa.types import InputError

RULES = (
    "above_control_by",
    "at_least",
    "at_most",
    "at_most_times_control",
    "control_within",
    "times_control",
)


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """What a row must reach; the numbers live in conf/evaluation.

    Attributes:
        metric: name of the row.
        rule: `above_control_by` value - control >= bound; `at_least` value >= bound; `at_most`
            value <= bound; `at_most_times_control` value <= bound * control; `control_within`
            |control| <= bound; `times_control` value >= bound * control.
        bound: in the row's unit (or a factor of the control).
    """

    metric: str
    rule: str
    bound: float

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InputError(f"expected a criterion's rule to be one of {RULES}, got {self.rule!r}")

    def is_met(self, value: float, control: float) -> bool:
        """Whether value and control meet it; a NaN never does."""
        return {
            "above_control_by": value - control >= self.bound,
            "at_least": value >= self.bound,
            "at_most": value <= self.bound,
            "at_most_times_control": value <= self.bound * control,
            "control_within": abs(control) <= self.bound,
            "times_control": value >= self.bound * control,
        }[self.rule]

    def describe(self) -> str:
        """The criterion in words."""
        return {
            "above_control_by": f"at least {self.bound:g} above the control",
            "at_least": f"at least {self.bound:g}",
            "at_most": f"at most {self.bound:g}",
            "at_most_times_control": f"at most {self.bound:g} × the control",
            "control_within": f"control within ±{self.bound:g}",
            "times_control": f"at least {self.bound:g} × the control",
        }[self.rule]


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One measured number.

    Attributes:
        metric: `<protocol>/<name>`.
        value: the number.
        control: the same measurement where the system can't have helped; None if there is none.
        control_name: what the control is.
        split: of the clips.
        n: number of clips (the unit of resampling).
        unit: dB, deg, ...
        higher_is_better: None where neither direction is.
        ci_low, ci_high: 95% bootstrap interval over clips.
        control_ci_low, control_ci_high: the same for the control.
        note: how it was measured, in a sentence.
        criteria: what it must reach: `{rule, bound, text, passed}`.
        stamp: experts with hashes, command, commit, seed, machine, date.
        n_people: people in these clips, where clips of one are several and are therefore drawn
            together; None where every clip is another person, or nobody knows.
        clip_values: each clip's own number, for paired comparisons of runs; kept of few rows; NaN
            of a clip in which there was nothing to score.
        clip_people: who is in each of them, where there is `n_people`.
    """

    metric: str
    value: float
    control: float | None
    control_name: str
    split: str
    n: int
    unit: str
    higher_is_better: bool | None
    ci_low: float
    ci_high: float
    control_ci_low: float | None = None
    control_ci_high: float | None = None
    note: str = ""
    criteria: list[dict[str, Any]] = field(default_factory=list)
    stamp: dict[str, Any] = field(default_factory=dict)
    n_people: int | None = None
    clip_values: list[float] = field(default_factory=list)
    clip_people: list[str] = field(default_factory=list)

    def judged(self, criteria: Iterable[Criterion]) -> "ResultRow":
        """The same row with the criteria that name it."""
        control = math.nan if self.control is None else self.control
        found = [
            {
                "rule": criterion.rule,
                "bound": criterion.bound,
                "text": criterion.describe(),
                "passed": criterion.is_met(self.value, control),
            }
            for criterion in criteria
            if criterion.metric == self.metric
        ]
        return replace(self, criteria=found)

    def to_json(self) -> str:
        """One JSON object; the stamp's fields stand beside the others, NaN becomes null."""
        values = asdict(self)
        values.update(values.pop("stamp"))
        for name in ("n_people", "clip_values", "clip_people"):
            if not values[name]:
                del values[name]
        clean = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }
        if self.clip_values:
            clean["clip_values"] = [x if math.isfinite(x) else None for x in self.clip_values]
        return json.dumps(clean)


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        num_resamples: draws.
        seed: of the draws.
        people: who is in each clip, in the order of the clips; None where a clip stands for itself.
    """

    num_resamples: int
    seed: int
    people: tuple[str, ...] | None = None

    def over(self, people: Iterable[str]) -> "Bootstrap":
        """The same for clips of these people, one a clip."""
        return replace(self, people=tuple(people))

    def estimate(self, metric: ClipMetric) -> Estimate:
        """Value and interval of a metric that has seen its clips."""
        return metric.estimate(num_resamples=self.num_resamples, seed=self.seed, people=self.people)

    def row(
        self,
        *,
        metric: str,
        measured: ClipMetric,
        control: ClipMetric | float | None,
        control_name: str,
        split: str,
        unit: str,
        note: str = "",
        higher_is_better: bool | None = None,
        keep_clips: bool = False,
    ) -> ResultRow:
        """A row of a metric and its control (a metric, a known number, or nothing)."""
        value = self.estimate(measured)
        if value.num_empty:
            total = value.num_clips + value.num_empty
            told = f"{value.num_empty} of {total} clips left out: nothing to score in them"
            note = "; ".join(filter(None, (note, told)))
        if isinstance(control, ClipMetric):
            beside = self.estimate(control)
            bounds = (beside.value, beside.ci_low, beside.ci_high)
        else:
            bounds = (control, None, None)
        if higher_is_better is None:
            higher_is_better = measured.higher_is_better
        is_kept = keep_clips and isinstance(measured, ClipMean)
        return ResultRow(
            metric=metric,
            value=value.value,
            control=bounds[0],
            control_name=control_name,
            split=split,
            n=value.num_clips,
            unit=unit,
            higher_is_better=higher_is_better,
            ci_low=value.ci_low,
            ci_high=value.ci_high,
            control_ci_low=bounds[1],
            control_ci_high=bounds[2],
            note=note,
            n_people=value.num_people,
            clip_values=measured.per_clip().tolist() if is_kept else [],
            clip_people=list(self.people or ()) if is_kept and value.num_people else [],
        )


def measured_row(
    *,
    metric: str,
    value: float,
    unit: str,
    n: int,
    stamp: dict[str, Any],
    note: str = "",
    higher_is_better: bool | None = None,
) -> ResultRow:
    """A row of a speed or a cost: no clips, so neither a control nor an interval.

    Args:
        metric: `<part>/<name>`.
        value: the number; NaN where it was left out.
        unit: frames/s, GFLOP, ...
        n: how often it was measured.
        stamp: seed, commit, command, device, ...
        note: how it was measured.
        higher_is_better: None where neither direction is.
    """
    return ResultRow(
        metric=metric,
        value=value,
        control=None,
        control_name="",
        split="",
        n=n,
        unit=unit,
        higher_is_better=higher_is_better,
        ci_low=math.nan,
        ci_high=math.nan,
        note=note,
        stamp=stamp,
    )


def write_rows(path: Path, rows: Iterable[ResultRow]) -> None:
    """Writes a JSON object a line, aside and then in place, so that a file that exists is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text("".join(row.to_json() + "\n" for row in rows))
    part.replace(path)


def read_rows(path: Path) -> list[ResultRow]:
    """The rows of a results file.

    Raises:
        InputError: no such file, or a line that is not a result.
    """
    if not path.is_file():
        raise InputError(f"expected results at {path}, found none; run `vasa evaluate` first")
    known = set(ResultRow.__dataclass_fields__) - {"stamp"}
    required = {"metric", "value", "control", "control_name", "split", "n", "unit"}
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"expected a JSON object in line {number} of {path}: {error}"
            ) from error
        if missing := required - set(values):
            raise InputError(f"expected {sorted(missing)} in line {number} of {path}")
        for name in ("value", "ci_low", "ci_high"):
            values[name] = math.nan if values.get(name) is None else values[name]
        if "clip_values" in values:
            values["clip_values"] = [math.nan if x is None else x for x in values["clip_values"]]
        values.setdefault("higher_is_better", None)
        own = {name: value for name, value in values.items() if name in known}
        stamp = {name: value for name, value in values.items() if name not in known}
        rows.append(ResultRow(**own, stamp=stamp))
    return rows
