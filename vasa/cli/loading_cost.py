"""Speed of loading: short windows of pictures from shards, beside two limits and other ways.

Every way gives the same windows, drawn once by the seed, as uint8 arrays. All files were read
before, so that they come from the page cache. Each decoder has one thread. Speeds are per second of
processor time, loader workers' included: what a core gives, whatever else the machine does.
"""

import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from vasa.cli.loading_limits import BytesAlone, DecodeLimit, ffmpeg_frames
from vasa.cli.loading_readers import FileReader, LitDataReader, ShardReader, StoreReader
from vasa.cli.measurement import Measurement
from vasa.data.schema import FPS
from vasa.data.shard_members import read_members
from vasa.data.shards import read_index

Reader = Callable[[int, int, int], np.ndarray]
"""(clip, first frame, number of frames) to pictures."""
ALTERNATIVES = {
    "files_decord": ("decord",),
    "files_torchcodec": ("torchcodec",),
    "litdata": ("litdata", "torchcodec"),
}
"""Packages that each needs."""
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
"""Steps in which the system tells another process's time."""


@dataclass(frozen=True, kw_only=True)
class LoadingWork:
    """What is measured of each set.

    Attributes:
        window_frames: consecutive frames of a window.
        seconds: processor time of each measurement, about.
        workers: numbers of loader processes beside none.
        cache_gb: memory for clips where they are kept.
        seed: of the windows.
    """

    window_frames: int
    seconds: float
    workers: Sequence[int]
    cache_gb: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Windows a second of processor time and of the clock, and how many were read."""

    cpu: float
    wall: float
    windows: int


class Windows(Dataset[np.ndarray]):
    """The windows of a reader, over and over.

    Args:
        read: the reader.
        places: clip and first frame of each.
        num_frames: of each.
    """

    def __init__(self, read: Reader, *, places: np.ndarray, num_frames: int) -> None:
        self.read = read
        self.places = places
        self.num_frames = num_frames

    def __getitem__(self, index: int) -> np.ndarray:
        clip, start = self.places[index % len(self.places)]
        return self.read(int(clip), int(start), self.num_frames)


def draw_windows(lengths: np.ndarray, *, num_frames: int, seed: int, num: int = 96) -> np.ndarray:
    """Clip and first frame of each window, `num 2`; every clip is drawn about as often."""
    rng = np.random.default_rng(seed)
    clips = rng.permutation(np.arange(num) % len(lengths))
    return np.stack([clips, rng.integers(lengths[clips] - num_frames + 1)], axis=1)


def loading_costs(root: Path, *, name: str, work: LoadingWork) -> Iterator[Measurement]:
    """Speeds of one face-shard set, limits and alternatives; ratios at the end.

    Args:
        root: of the set; its train split is read.
        name: what the metrics are called by.
        work: how much is measured.
    """
    rows = list(read_index(root, split="train").itertuples())
    lengths = np.array([row.frames for row in rows])
    places = draw_windows(lengths, num_frames=work.window_frames, seed=work.seed)
    size = np.mean([rows[clip].size for clip, _ in places]) / 1e6
    dataset = partial(Windows, places=places, num_frames=work.window_frames)
    row = partial(_row, name=name, work=work)

    ours = speed(dataset(StoreReader(root, cache_gb=0)), seconds=work.seconds)
    yield from row("shards", ours)
    yield _ratio_row(f"{name}/shards_mb", "MB/s", ours.cpu * size, ours.windows, "of shards read")
    for workers in work.workers:
        store = dataset(StoreReader(root, cache_gb=0))
        num = max(2 * workers, round(ours.cpu * work.seconds))
        yield from row(f"shards_{workers}_workers", speed_of_workers(store, workers, num))
    kept = dataset(StoreReader(root, cache_gb=work.cache_gb))
    yield from row("shards_from_memory", speed(kept, seconds=work.seconds))
    for decoder in ("pyav", "decord"):
        other = dataset(ShardReader(root, rows, decoder=decoder))
        yield from row(f"shards_by_{decoder}", speed(other, seconds=work.seconds))

    files = {clip: read_members(root, rows[clip])["mp4"] for clip in range(len(rows))}
    read = speed(dataset(BytesAlone(root, rows)), seconds=work.seconds)
    yield from row("limit_read", read)
    yield _ratio_row(f"{name}/limit_read_mb", "MB/s", read.cpu * size, read.windows, "bytes alone")
    limit = DecodeLimit(files, height=rows[0].height)
    raw = speed(dataset(limit), seconds=work.seconds)
    yield from row("limit_decode", raw)
    decoded = sum(limit.frames_for(clip, start, work.window_frames) for clip, start in places)
    per_window = decoded / len(places)
    program = ffmpeg_frames(files[0], seconds=work.seconds)
    note = f"ffmpeg -threads 1 -f null, {per_window:.1f} frames decoded a window"
    yield _ratio_row(f"{name}/limit_ffmpeg", "windows/s", program / per_window, 1, note)

    yield _ratio(name, "raw_decode", ours.cpu / raw.cpu)
    yield _ratio(name, "ffmpeg_program", ours.cpu * per_window / program)
    yield from _alternatives(files, ours, dataset=dataset, row=row, name=name, work=work)


def _alternatives(
    files: dict[int, bytes],
    ours: Speed,
    *,
    dataset: Callable[[Any], Windows],
    row: Callable[[str, Speed], Iterator[Measurement]],
    name: str,
    work: LoadingWork,
) -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory(prefix="vasa-bench-files-") as folder:
        paths = []
        for clip, data in files.items():
            paths.append(Path(folder) / f"{clip:06d}.mp4")
            paths[-1].write_bytes(data)
        for alternative, packages in ALTERNATIVES.items():
            if missing := [package for package in packages if find_spec(package) is None]:
                note = f"left out: {', '.join(missing)} not installed"
                metric = f"data/{name}/{alternative}"
                yield Measurement(
                    metric=metric, unit="windows/s", value=math.nan, calls=0, note=note
                )
                continue
            if alternative == "litdata":
                reader = LitDataReader(paths, folder=Path(folder) / "litdata")
            else:
                reader = FileReader(paths, decoder=alternative.removeprefix("files_"))
            found = speed(dataset(reader), seconds=work.seconds)
            yield from row(alternative, found)
            yield _ratio(name, alternative, ours.cpu / found.cpu)


def lowest_ratios(found: Sequence[Measurement]) -> Iterator[Measurement]:
    """Of each ratio, the lowest over the sets: `data/ratio_to_raw_decode`, ..."""
    ratios: dict[str, list[Measurement]] = {}
    for row in found:
        parts = row.metric.split("/")
        if len(parts) == 3 and parts[2].startswith("ratio_to_") and not math.isnan(row.value):
            ratios.setdefault(parts[2], []).append(row)
    for name, rows in ratios.items():
        least = min(rows, key=lambda row: row.value)
        note = f"the lowest of {len(rows)} sets: {least.metric.split('/')[1]}"
        yield Measurement(
            metric=f"data/{name}", unit="ratio", value=least.value, calls=len(rows), note=note
        )


def speed(windows: Windows, *, seconds: float) -> Speed:
    """Windows of a reader in this process; a first round over all of them warms up."""
    loader = DataLoader(windows, batch_size=None, sampler=range(len(windows.places)))
    num = sum(1 for _ in loader)
    done, cpu, wall = 0, time.process_time(), time.perf_counter()
    while not done or time.process_time() - cpu < seconds:
        done += num
        for _ in loader:
            pass
    spent = time.process_time() - cpu
    return Speed(cpu=done / spent, wall=done / (time.perf_counter() - wall), windows=done)


def speed_of_workers(windows: Windows, workers: int, num: int) -> Speed:
    """Windows of a reader through loader processes; a first round over all of them warms up.

    When the clocks begin, each process has read up to two windows ahead.
    """
    others = set(multiprocessing.active_children())
    warm = len(windows.places)
    loader = DataLoader(
        windows,
        batch_size=None,
        sampler=range(warm + num),
        num_workers=workers,
        multiprocessing_context="fork",  # LitData changes the default for the whole process
    )
    found = iter(loader)
    for _ in islice(found, warm):
        pass
    processes = [str(one.pid) for one in set(multiprocessing.active_children()) - others]
    cpu, wall = _cpu_with(processes), time.perf_counter()
    done = sum(1 for _ in islice(found, num))
    wall = time.perf_counter() - wall
    spent = max(_cpu_with(processes) - cpu, TICK_S)
    assert next(found, None) is None, "there was one window more"  # and the processes have ended
    return Speed(cpu=done / spent, wall=done / wall, windows=done)


def _cpu_with(processes: Sequence[str]) -> float:
    """Seconds of processor time of this process and of others that live."""
    ticks = 0
    for process in processes:
        words = (Path("/proc") / process / "stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(words[11]) + int(words[12])  # in user and in system mode, proc(5)
    return time.process_time() + ticks * TICK_S


def _row(metric: str, found: Speed, *, name: str, work: LoadingWork) -> Iterator[Measurement]:
    whole = f"data/{name}/{metric}"
    note = f"{work.window_frames} frames a window ({work.window_frames / FPS:g} s); a CPU second"
    done = {"unit": "windows/s", "calls": found.windows}
    yield Measurement(metric=whole, value=found.cpu, note=note, **done)
    yield Measurement(metric=f"{whole}_wall", value=found.wall, note="by the clock", **done)


def _ratio_row(metric: str, unit: str, value: float, calls: int, note: str) -> Measurement:
    return Measurement(metric=f"data/{metric}", unit=unit, value=value, calls=calls, note=note)


def _ratio(name: str, what: str, value: float) -> Measurement:
    note = "windows a CPU second from shards, none kept, over the other's"
    return _ratio_row(f"{name}/ratio_to_{what}", "ratio", value, 1, note)
