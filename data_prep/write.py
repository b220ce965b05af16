"""A list of raw clips to a set of face shards: many processes, restartable, nothing lost unsaid."""

import errno
import os
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from data_prep.card import CardFacts, write_card
from data_prep.clip import DropRow, prepare_clip
from data_prep.drops import Reason
from data_prep.experts import PrepExperts
from data_prep.layouts import ClipSource
from data_prep.settings import ClipRecipe
from data_prep.step_clock import StepClock
from data_prep.work import load_work, save_work, work_file
from data_prep.workers import each_in_workers
from vasa.data.schema import FPS, SPLITS
from vasa.data.shards import FaceShardWriter
from vasa.types import InputError

PREP_VERSION = "prep-2"
WORK_FOLDER = ".work"
BEGUN = "begun.json"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, kw_only=True)
class SetSummary:
    """What a preparation made.

    Attributes:
        files: raw clips looked at.
        clips: face clips, by split.
        speakers: people, by split.
        frames: pictures, by split.
        dropped: files and spans left out, by reason.
        seconds: wall time of this run.
        prepared_now: files that this run prepared (the rest was kept from before).
        step_seconds: CPU seconds of all files, by step.
    """

    files: int
    clips: dict[str, int]
    speakers: dict[str, int]
    frames: dict[str, int]
    dropped: dict[str, int]
    seconds: float
    prepared_now: int
    step_seconds: dict[str, float]

    def lines(self) -> Iterator[str]:
        """The summary as lines of text."""
        yield f"{self.files} files, {self.prepared_now} of them in this run, {self.seconds:.0f} s"
        for split in SPLITS:
            hours = self.frames.get(split, 0) / FPS / 3600
            yield (
                f"  {split:<6}{self.clips.get(split, 0):>6} clips  "
                f"{self.speakers.get(split, 0):>4} speakers  {hours:.3f} h"
            )
        for reason, count in sorted(self.dropped.items(), key=lambda item: -item[1]):
            yield f"  dropped {reason:<16}{count:>6}"
        total = max(sum(self.step_seconds.values()), 1e-9)
        steps = sorted(self.step_seconds.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{name} {value / total:.0%}" for name, value in steps)
        yield f"  {total:.1f} CPU seconds: {shares}"


def prepare_share(
    sources: list[ClipSource],
    *,
    output: Path,
    recipe: ClipRecipe,
    workers: int,
    time_limit_s: float,
) -> int:
    """Prepare what is missing of a list of clips, without writing shards.

    Every clip's result is kept in `<output>/.work`, so that a killed run, run again, goes on where
    it was, and several machines may each prepare a share into one folder. A clip that cannot be
    prepared is left out with a reason and never ends the run.

    Args:
        sources: the clips.
        output: folder of the set.
        recipe: what a clip becomes.
        workers: processes of one thread each; 0 works in this process, without a time limit.
        time_limit_s: a clip that takes longer is left out as timed_out.

    Returns:
        How many were prepared now; the rest was there before.

    Raises:
        InputError: no room left to write.
    """
    work = output / WORK_FOLDER
    with _room_in(output):
        work.mkdir(parents=True, exist_ok=True)
        missing = [source for source in sources if not work_file(work, source).is_file()]
        with tqdm(
            total=len(sources), initial=len(sources) - len(missing), desc="prep", unit="clip"
        ) as bar:
            for _ in _prepare_all(missing, work, recipe, workers, time_limit_s):
                bar.update()
    return len(missing)


def prepare_set(
    sources: list[ClipSource],
    *,
    output: Path,
    recipe: ClipRecipe,
    clips_per_shard: int,
    max_bytes: float,
    workers: int,
    time_limit_s: float,
    made_by: dict[str, str | None],
) -> SetSummary:
    """Prepare what is missing of all clips and write the set, in the order of the list.

    Args:
        sources: the clips.
        output: folder of the set.
        recipe: what a clip becomes.
        clips_per_shard: most clips a tar.
        max_bytes: a tar of this size is full too.
        workers: processes of one thread each; 0 works in this process, without a time limit.
        time_limit_s: a clip that takes longer is left out as timed_out.
        made_by: what each label and measure was made by, for the card.

    Raises:
        InputError: no room left to write.
    """
    begin = time.monotonic()
    prepared_now = prepare_share(
        sources, output=output, recipe=recipe, workers=workers, time_limit_s=time_limit_s
    )
    work = output / WORK_FOLDER
    clips, frames, dropped = Counter[str](), Counter[str](), Counter[str]()
    step_seconds = Counter[str]()
    speakers: dict[str, set[str]] = {split: set() for split in SPLITS}
    with (
        _room_in(output),
        FaceShardWriter(
            output, clips_per_shard=clips_per_shard, prep_version=PREP_VERSION, max_bytes=max_bytes
        ) as writer,
    ):
        for source in tqdm(sources, desc="write", unit="clip"):
            done = load_work(work_file(work, source))
            step_seconds.update(done.seconds)
            for clip in done.clips:
                writer.append(clip)
                split = clip.row["split"]
                clips[split] += 1
                frames[split] += clip.row["frames"]
                speakers[split].add(clip.row["speaker"])
            for row in done.dropped:
                writer.drop(key=row.key, reason=row.reason, detail=row.detail)
                dropped[row.reason] += 1
    summary = SetSummary(
        files=len(sources),
        clips=dict(clips),
        speakers={split: len(people) for split, people in speakers.items()},
        frames=dict(frames),
        dropped=dict(dropped),
        seconds=time.monotonic() - begin,
        prepared_now=prepared_now,
        step_seconds={name: round(value, 3) for name, value in step_seconds.items()},
    )
    with _room_in(output):
        write_card(output, card=_card_facts(summary, made_by))
    return summary


def tidy(output: Path) -> None:
    """Remove what only an unfinished preparation needs; called when the set is marked as done."""
    shutil.rmtree(output / WORK_FOLDER, ignore_errors=True)
    for left in output.glob("*.part"):  # marks that a killed run was writing
        left.unlink(missing_ok=True)
    (output / BEGUN).unlink(missing_ok=True)


def _is_no_room(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _NO_ROOM


@contextmanager
def _room_in(output: Path) -> Iterator[None]:
    """A full disk, also a worker's, as one line that says what to do."""
    try:
        yield
    except OSError as error:
        if not _is_no_room(error):
            raise
        raise InputError(
            f"expected room to write in {output}, got {os.strerror(error.errno or 0)}; free some "
            "and run the same command again: it goes on from here"
        ) from error


def _prepare_all(
    sources: list[ClipSource], work: Path, recipe: ClipRecipe, workers: int, time_limit_s: float
) -> Iterator[None]:
    if workers == 0:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            experts = PrepExperts(recipe)
            for source in sources:
                yield _prepare_one(source, work, recipe, experts)
        finally:
            torch.set_num_threads(threads)
        return
    done = each_in_workers(
        partial(_prepare_in_worker, work=work, recipe=recipe),
        sources,
        workers=workers,
        time_limit_s=time_limit_s,
        start=_start_worker,
        start_args=(recipe,),
    )
    for source, lost in done:
        if lost is not None:
            _save_drop(source, work, lost.reason, lost.detail)
        yield


_experts: PrepExperts | None = None
"""The networks of a worker process."""


def _start_worker(recipe: ClipRecipe) -> None:
    global _experts
    torch.set_num_threads(1)
    _experts = PrepExperts(recipe)


def _prepare_in_worker(source: ClipSource, work: Path, recipe: ClipRecipe) -> None:
    assert _experts is not None, "a worker loads its networks when it starts"
    _prepare_one(source, work, recipe, _experts)


def _prepare_one(source: ClipSource, work: Path, recipe: ClipRecipe, experts: PrepExperts) -> None:
    clock = StepClock()
    path = work_file(work, source)
    try:
        results = prepare_clip(source, recipe, experts, clock)
        save_work(path, results, prep_version=PREP_VERSION, clock=clock)
    except Exception as error:  # one bad file never ends the run; the reason is kept
        if _is_no_room(error):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        _save_drop(source, work, Reason.FAILED, detail)


def _save_drop(source: ClipSource, work: Path, reason: Reason, detail: str) -> None:
    row = DropRow(key=source.key, reason=str(reason), detail=detail)
    save_work(work_file(work, source), [row], prep_version=PREP_VERSION)


def _card_facts(summary: SetSummary, made_by: dict[str, str | None]) -> CardFacts:
    return CardFacts(
        title="Face shards of recorded people",
        about=(
            "25 pictures a second, 16 kHz mono. Labels are made by frozen networks, not by people: "
            "estimates. Real people are shown: use it within the footage's licence, and make no "
            "one speak without consent.",
            f"Prepared from {summary.files} files.",
        ),
        networks=tuple(f"{name}: {net}" for name, net in made_by.items() if net),
        prep_version=PREP_VERSION,
    )
