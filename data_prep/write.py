"""A list of raw clips to a set of face shards: many processes, restartable, nothing lost unsaid."""

import json
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm

from data_prep.clip import DropRow, Prepared, PrepExperts, prepare_clip
from data_prep.drops import Reason
from data_prep.layouts import ClipSource
from data_prep.settings import ClipRecipe
from data_prep.work import load_work, save_work, work_file
from vasa.data.schema import FPS, SPLITS
from vasa.data.shards import FaceShardWriter

PREP_VERSION = "prep-1"
WORK_FOLDER = ".work"


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
    """

    files: int
    clips: dict[str, int]
    speakers: dict[str, int]
    frames: dict[str, int]
    dropped: dict[str, int]
    seconds: float
    prepared_now: int

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


def prepare_share(
    sources: list[ClipSource], *, output: Path, recipe: ClipRecipe, workers: int
) -> int:
    """Prepare what is missing of a list of clips, without writing shards.

    Every clip's result is kept in `<output>/.work`, so that a killed run, run again, goes on where
    it was, and several machines may each prepare a share into one folder. A clip that cannot be
    prepared is left out with a reason and never ends the run.

    Args:
        sources: the clips.
        output: folder of the set.
        recipe: what a clip becomes.
        workers: processes of one thread each; 1 works in this process.

    Returns:
        How many were prepared now; the rest was there before.
    """
    work = output / WORK_FOLDER
    work.mkdir(parents=True, exist_ok=True)
    missing = [source for source in sources if not work_file(work, source).is_file()]
    with tqdm(
        total=len(sources), initial=len(sources) - len(missing), desc="prep", unit="clip"
    ) as bar:
        for _ in _prepare_all(missing, work, recipe, workers):
            bar.update()
    return len(missing)


def prepare_set(
    sources: list[ClipSource],
    *,
    output: Path,
    recipe: ClipRecipe,
    clips_per_shard: int,
    workers: int,
) -> SetSummary:
    """Prepare what is missing of all clips and write the set, in the order of the list.

    Args:
        sources: the clips.
        output: folder of the set.
        recipe: what a clip becomes.
        clips_per_shard: clips a tar.
        workers: processes of one thread each; 1 works in this process.
    """
    begin = time.monotonic()
    prepared_now = prepare_share(sources, output=output, recipe=recipe, workers=workers)
    work = output / WORK_FOLDER
    clips, frames, dropped = Counter[str](), Counter[str](), Counter[str]()
    speakers: dict[str, set[str]] = {split: set() for split in SPLITS}
    with FaceShardWriter(
        output, clips_per_shard=clips_per_shard, prep_version=PREP_VERSION
    ) as writer:
        for source in tqdm(sources, desc="write", unit="clip"):
            done = load_work(work_file(work, source))
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
    )
    _write_card(output, sources, summary)
    shutil.rmtree(work)
    return summary


def _prepare_all(
    sources: list[ClipSource], work: Path, recipe: ClipRecipe, workers: int
) -> Iterator[None]:
    if workers <= 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            experts = PrepExperts()
            for source in sources:
                yield _prepare_one(source, work, recipe, experts)
        finally:
            torch.set_num_threads(threads)
        return
    with ProcessPoolExecutor(
        max_workers=workers, mp_context=get_context("spawn"), initializer=_start_worker
    ) as pool:
        jobs = [pool.submit(_prepare_in_worker, source, work, recipe) for source in sources]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_experts: PrepExperts | None = None
"""The networks of a worker process."""


def _start_worker() -> None:
    global _experts
    torch.set_num_threads(1)
    _experts = PrepExperts()


def _prepare_in_worker(source: ClipSource, work: Path, recipe: ClipRecipe) -> None:
    assert _experts is not None, "a worker loads its networks when it starts"
    _prepare_one(source, work, recipe, _experts)


def _prepare_one(source: ClipSource, work: Path, recipe: ClipRecipe, experts: PrepExperts) -> None:
    try:
        prepared = prepare_clip(source, recipe, experts)
    except Exception as error:  # one bad file never ends the run; the reason is kept
        where = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        row = DropRow(key=source.key, reason=str(Reason.FAILED), detail=detail)
        prepared = Prepared(clips=(), dropped=(row,))
    save_work(work_file(work, source), prepared, prep_version=PREP_VERSION)


def _write_card(output: Path, sources: list[ClipSource], summary: SetSummary) -> None:
    licences = sorted({(source.source, source.licence) for source in sources})
    text = [
        "# Face shards of recorded people",
        "",
        f"Made by `vasa prep` ({PREP_VERSION}). 25 pictures a second, 16 kHz mono; labels by",
        "frozen networks, not by people: estimates. Real people are shown: use it within the",
        "footage's licence, and make no one speak without consent.",
        "",
        "| source | licence of the footage |",
        "| --- | --- |",
        *(f"| {source} | {licence} |" for source, licence in licences),
        "",
        "```",
        *summary.lines(),
        "```",
        "",
        "Networks: " + json.dumps([expert["name"] for expert in PrepExperts.describe()]),
    ]
    (output / "card.md").write_text("\n".join(text) + "\n")
