"""Speed of loading: every way gives the same windows, and each measurement is a row."""

import json
import math
import multiprocessing
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from five_people import write_five_people

from vasa.cli import loading_cost, main
from vasa.cli.loading_cost import (
    ALTERNATIVES,
    LoadingWork,
    draw_windows,
    loading_costs,
    lowest_ratios,
)
from vasa.cli.loading_limits import DecodeLimit
from vasa.cli.loading_readers import FileReader, ShardReader, StoreReader
from vasa.cli.measurement import Measurement
from vasa.data.shard_members import read_members
from vasa.data.shards import read_index

WORK = LoadingWork(window_frames=4, seconds=0.0, workers=[1], cache_gb=0.1, seed=0)


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    return write_five_people(tmp_path_factory.mktemp("faces"))


def test_windows_lie_in_their_clips_and_are_the_seed_s():
    lengths = np.array([4, 9, 30])
    places = draw_windows(lengths, num_frames=4, seed=1)
    assert np.array_equal(places, draw_windows(lengths, num_frames=4, seed=1))
    assert not np.array_equal(places, draw_windows(lengths, num_frames=4, seed=2))
    assert (places[:, 1] >= 0).all() and (places[:, 1] + 4 <= lengths[places[:, 0]]).all()
    assert set(np.bincount(places[:, 0])) == {32}
    assert places[places[:, 0] == 1, 1].max() == 5


def test_every_way_gives_the_same_pictures(faces, tmp_path):
    rows = list(read_index(faces, split="train").itertuples())
    path = tmp_path / "clip.mp4"
    path.write_bytes(read_members(faces, rows[3])["mp4"])
    ours = StoreReader(faces, cache_gb=0)(3, 5, 4)
    others = [ShardReader(faces, rows, decoder=name)(3, 5, 4) for name in ("pyav", "decord")]
    others += [
        StoreReader(faces, cache_gb=1)(3, 5, 4),
        FileReader([path], decoder="decord")(0, 5, 4),
    ]
    assert all(np.array_equal(ours, other) for other in others)


def test_the_limit_counts_the_frames_since_the_keyframe(faces):
    rows = list(read_index(faces, split="train").itertuples())
    limit = DecodeLimit({0: read_members(faces, rows[0])["mp4"]}, height=32)
    assert limit.frames_for(0, 0, 1) == 1
    assert 4 <= limit.frames_for(0, 0, 4) <= 12, "keyframes are at 0 and 12 of 13"
    assert limit.frames_for(0, 0, 13) == 13
    assert len(limit(0, 2, 4))


def test_rows_of_a_set(faces, monkeypatch):
    monkeypatch.setitem(loading_cost.ALTERNATIVES, "files_torchcodec", ("no_such_package",))
    monkeypatch.setitem(loading_cost.ALTERNATIVES, "litdata", ("no_such_package",))
    monkeypatch.setattr(loading_cost, "ffmpeg_frames", lambda *_, **__: 1000.0)
    rows = {row.metric: row for row in loading_costs(faces, name="32", work=WORK)}
    for way in ("shards", "shards_1_workers", "shards_from_memory", "shards_by_pyav", "limit_read"):
        assert rows[f"data/32/{way}"].value > 0 and rows[f"data/32/{way}_wall"].value > 0
        assert rows[f"data/32/{way}"].unit == "windows/s"
    ours, limit = rows["data/32/shards"].value, rows["data/32/limit_decode"].value
    assert rows["data/32/ratio_to_raw_decode"].value == pytest.approx(ours / limit)
    other = rows["data/32/files_decord"].value
    assert rows["data/32/ratio_to_files_decord"].value == pytest.approx(ours / other)
    left_out = rows["data/32/litdata"]
    assert math.isnan(left_out.value) and "no_such_package not installed" in left_out.note
    assert "data/32/ratio_to_litdata" not in rows


def test_what_is_named_last_is_the_lowest():
    def found(name: str, value: float) -> Measurement:
        return Measurement(metric=f"data/{name}", unit="ratio", value=value, calls=1)

    rows = [found("64/ratio_to_x", 0.9), found("128/ratio_to_x", 0.7), found("64/shards", 0.1)]
    (row,) = lowest_ratios(rows)
    assert (row.metric, row.value) == ("data/ratio_to_x", 0.7)
    assert row.note.endswith("128")


def test_the_part_of_the_command(tmp_path, faces):
    output = tmp_path / "bench.jsonl"
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "32").symlink_to(faces)
    words = ["parts=[data]", "data_sizes=[32]", "data_workers=[]", "data_seconds=0"]
    words += ["train_steps=1", "num_threads=1", f"data_folder={tmp_path / 'sets'}"]
    assert main(["bench", *words, f"output={output}"]) == 0
    values = {line["metric"]: line for line in map(json.loads, output.read_text().splitlines())}
    names = {"data/ratio_to_raw_decode", "data/stage2_ratio_to_training", "data/32/limit_ffmpeg"}
    assert names <= set(values)
    for name, packages in ALTERNATIVES.items():
        is_here = all(find_spec(package) for package in packages)
        assert (f"data/ratio_to_{name}" in values) == is_here


class Slow:
    """Takes processor time when a process first uses it, then a little a window."""

    def __init__(self, *, start_s: float, window_s: float) -> None:
        self.start_s, self.window_s = start_s, window_s
        self.is_warm = False

    def __call__(self, clip: int, start: int, num: int) -> np.ndarray:
        end = time.process_time() + (self.window_s if self.is_warm else self.start_s)
        self.is_warm = True
        while time.process_time() < end:
            pass
        return np.zeros(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_speed_of_workers_counts_their_own_time_and_not_their_start(workers):
    """By processor time, so that a busy machine changes nothing."""
    windows = loading_cost.Windows(
        Slow(start_s=0.5, window_s=0.01), places=np.zeros((8, 2), int), num_frames=1
    )
    found = loading_cost.speed_of_workers(windows, workers, 60)
    assert found.windows == 60
    assert 60 < found.cpu < 115, "100 windows a second, less what passing them on takes"
    assert not multiprocessing.active_children()
