"""Clips in sync: which are left out by what preparation measured, and that it is told."""

from dataclasses import replace

import numpy as np
import pytest
from five_people import small_clip

from vasa.data.shards import FaceShardWriter
from vasa.data.sync_datamodule import SyncDataModule
from vasa.types import InputError

# offset in frames and S_C of each clip; None: too short to measure
MEASURED = [(0, 5.0), (1, 4.0), (-1, 2.0), (2, 6.0), (-3, 1.0), (0, 3.0), None, (0, 2.9)]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    root = tmp_path_factory.mktemp("synced")
    with FaceShardWriter(root, clips_per_shard=4, prep_version="1") as writer:
        for number, found in enumerate(MEASURED):
            for split in ("train", "val"):
                clip = small_clip(f"{split}{number % 3}/v/{number}", split=split)
                measures = {} if found is None else {
                    "sync_offset_frames": float(found[0]), "sync_confidence": found[1]
                }  # fmt: skip
                writer.write(replace(clip, extra={"measures": measures}))
    return root


def data(root, **more) -> SyncDataModule:
    settings = {
        "root": root, "split": "train", "batch_size": 2, "span_frames": 8, "seed": 0,
        "num_steps": 2, "num_workers": 0, "cache_gb": 0.1, "held_out_split": "val",
        "held_out_clips": 20,
    }  # fmt: skip
    return SyncDataModule(**(settings | more))


def kept(module: SyncDataModule) -> list[int]:
    return sorted(int(key.rsplit("/", 1)[-1]) for key in module.store.table["key"])


@pytest.mark.parametrize(
    ("limits", "wanted", "told"),
    [
        ({}, list(range(8)), None),
        ({"max_abs_offset": 1}, [0, 1, 2, 5, 7], "3 of 8 clips"),
        ({"max_abs_offset": 0}, [0, 5, 7], "4 beyond ±0 frames"),
        ({"min_confidence": 3.0}, [0, 1, 3, 5], "3 under S_C 3.0"),
        (
            {"max_abs_offset": 1, "min_confidence": 3.0},
            [0, 1, 5],
            "2 beyond ±1 frames, 2 under S_C 3.0, 1 not measured",
        ),
    ],
)
def test_clips_beyond_the_limits_are_left_out_and_counted(faces, capsys, limits, wanted, told):
    module = data(faces, **limits)
    assert kept(module) == wanted
    assert module.batch_at(0)["frames"].shape == (2, 8, 3, 32, 32)
    assert len(list(module.held_out())) == len(wanted)
    words = capsys.readouterr().err
    assert words == "" if told is None else told in words
    assert told is None or ("split 'train'" in words and "split 'val'" in words)


def test_a_set_that_was_not_measured_is_refused(tmp_path):
    with FaceShardWriter(tmp_path, clips_per_shard=4, prep_version="1") as writer:
        writer.write(small_clip("p/v/0", split="train"))
    with pytest.raises(InputError, match="sync.model=official"):
        _ = data(tmp_path, max_abs_offset=1).store
    assert len(data(tmp_path).store) == 1


def test_limits_of_another_scale_say_what_the_scale_is(faces):
    with pytest.raises(InputError, match="median S_C is 3, .*data.min_confidence"):
        _ = data(faces, min_confidence=50.0).store
    assert np.median([found[1] for found in MEASURED if found]) == 3
