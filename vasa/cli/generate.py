"""Make one image say one sound file: a talking video with sound; many of them from a table."""

import traceback
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir

if TYPE_CHECKING:
    from vasa.cli.videos import Request, Studio, Video
    from vasa.inference.batch import BatchRow, RowOutcome

COLUMNS = (
    *("image", "audio", "output", "seed", "num_samples", "gaze", "distance", "emotion", "pose"),
    *("paste", "steps", "sampler", "eta", "start_blend_s", "guidance.audio", "guidance.previous"),
    *("guidance.gaze", "guidance.distance", "guidance.emotion"),
)
"""Settings that a row of a table may have of its own."""


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="generate")
def main(cfg: DictConfig) -> None:
    """Check the inputs, generate, write the videos and what they were made from."""
    import torch

    from vasa.cli.videos import Request, Studio

    if cfg.num_threads:
        torch.set_num_threads(cfg.num_threads)
    studio = Studio(cfg)
    if cfg.batch is not None:
        _run_batch(cfg, studio)
        return
    for video in Request.of(cfg).videos(studio):
        if video.is_done():
            print(f"already complete: {video.output}")
        else:
            video.make(studio)
            print(f"wrote {video.output}: {video.num_frames()} frames at 25 fps with sound")


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A row and its videos.

    Attributes:
        row: of the table.
        videos: what it asks for.
        todo: those that are not there yet.
        reason: why there are none; empty otherwise.
    """

    row: "BatchRow"
    videos: "list[Video]" = field(default_factory=list)
    todo: "list[Video]" = field(default_factory=list)
    reason: str = ""


def _run_batch(cfg: DictConfig, studio: "Studio") -> None:
    """Make every row's videos; a bad row is counted and told of, and the next one follows.

    Raises:
        InputError: the table or the models are no good; or, at the end, some rows were not.
    """
    from vasa.inference.batch import read_batch, write_outcomes
    from vasa.types import InputError

    table = Path(cfg.batch)
    results = table.with_suffix(".results.csv")
    rows = read_batch(table, columns=COLUMNS)
    _ = studio.hashes  # models that are missing or do not fit are no row's fault
    taken: dict[Path, int] = {}
    jobs = deque(_job(row, cfg=cfg, studio=studio, taken=taken) for row in rows)
    if any(job.todo for job in jobs):
        _ = studio.face, studio.locator
    outcomes: list[RowOutcome] = []
    while jobs:
        outcome = _outcome(jobs.popleft(), studio=studio)  # with the job go its photo and speech
        outcomes.append(outcome)
        write_outcomes(results, outcomes)
        what = outcome.reason or outcome.output
        print(f"{len(outcomes)}/{len(rows)} (line {outcome.line}) {outcome.status}: {what}")
    counts = {
        status: sum(outcome.status == status for outcome in outcomes)
        for status in ("made", "kept", "failed")
    }
    print(", ".join(f"{num} {status}" for status, num in counts.items()) + f"; see {results}")
    if failed := counts["failed"]:
        raise InputError(f"{failed} of {len(rows)} rows failed; their reasons are in {results}")


def _job(row: "BatchRow", *, cfg: DictConfig, studio: "Studio", taken: dict[Path, int]) -> _Job:
    """A row made ready; `taken` says which line has an output already, and is added to."""
    from vasa.types import InputError

    try:
        request = _row_request(row, cfg=cfg)
        outputs = [path.resolve() for path in request.outputs()]
        for path in outputs:
            if line := taken.get(path):
                raise InputError(f"expected an output of its own, line {line} has {path} already")
        videos = request.videos(studio)
        todo = [video for video in videos if not video.is_done()]
    except Exception as error:  # also a bug must cost no more than its row
        return _Job(row=row, reason=_reason(error))
    taken.update(dict.fromkeys(outputs, row.line))
    return _Job(row=row, videos=videos, todo=todo)


def _row_request(row: "BatchRow", *, cfg: DictConfig) -> "Request":
    """The run's configuration with the row's own settings."""
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from vasa.cli.videos import Request
    from vasa.types import InputError

    if row.problem:
        raise InputError(row.problem)
    own = cfg.copy()
    for name, cell in row.cells.items():
        try:
            value = cell if name in ("image", "audio", "output") else yaml.safe_load(cell)
            OmegaConf.update(own, name, value, merge=False, force_add=True)
        except (yaml.YAMLError, OmegaConfBaseException) as error:
            raise InputError(f"expected a value for {name}, could not read {cell!r}") from error
    for name in ("image", "audio", "output"):
        if OmegaConf.is_missing(own, name):
            raise InputError(f"expected {name} in the row or for all rows, got none")
    return Request.of(own)


def _outcome(job: _Job, *, studio: "Studio") -> "RowOutcome":
    """What becomes of a row: its missing videos are made."""
    from vasa.inference.batch import RowOutcome

    output, reason = job.row.cells.get("output", ""), job.reason
    try:
        for video in job.todo:
            video.make(studio)
    except Exception as error:
        reason = _reason(error)
    if reason:
        return RowOutcome(line=job.row.line, output=output, status="failed", reason=reason)
    return RowOutcome(
        line=job.row.line,
        output=output,
        status="made" if job.todo else "kept",
        videos=len(job.videos),
        frames=sum(video.num_frames() for video in job.videos),
    )


def _reason(error: Exception) -> str:
    """One line; of a bug also where it happened, on stderr."""
    from vasa.types import InputError

    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return text
    traceback.print_exception(error)
    return f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    main()
