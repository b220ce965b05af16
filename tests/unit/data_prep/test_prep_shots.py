"""Cuts are found where they are, and only there, and no chunk of the tracker reaches over one."""

import numpy as np

from data_prep.settings import ShotSettings
from data_prep.shots import ShotFrame, mark_cuts
from data_prep.track import in_shot_chunks

SETTINGS = ShotSettings(ratio=3.0, min_change=15.0, min_frames=15)


def _scene(seed: int, num: int, *, pan_px: float = 1.0) -> np.ndarray:
    """A camera that pans over a picture of coloured patches."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(0, 255, (8, 40, 3), dtype=np.uint8).repeat(16, axis=0).repeat(16, axis=1)
    starts = (np.arange(num) * pan_px).astype(int)
    return np.stack([wide[:, start : start + 160] for start in starts])


def _cuts(frames: np.ndarray) -> list[int]:
    marked = list(mark_cuts(iter(frames), SETTINGS))
    assert all(np.array_equal(a.picture, b) for a, b in zip(marked, frames, strict=True))
    return [index for index, frame in enumerate(marked) if frame.is_cut]


def test_cuts_are_where_the_scene_changes():
    frames = np.concatenate([_scene(1, 40), _scene(2, 25), _scene(3, 30)])
    assert _cuts(frames) == [40, 65]


def test_a_moving_camera_makes_no_cut():
    assert _cuts(_scene(1, 60, pan_px=6.0)) == []
    light = _scene(4, 60).astype(float) * np.linspace(0.2, 1, 60)[:, None, None, None]
    assert _cuts(light.astype(np.uint8)) == []


def test_short_ones_pass_through_whole():
    for num in range(6):
        assert _cuts(_scene(1, num) if num else np.zeros((0, 8, 8, 3), np.uint8)) == []


def test_chunks_end_at_cuts():
    cuts = {7, 8, 20}
    frames = [ShotFrame(picture=np.full((2, 2, 3), i), is_cut=i in cuts) for i in range(26)]
    chunks = list(in_shot_chunks(iter(frames), num=5))
    starts = [int(chunk.picture[0, 0, 0, 0]) for chunk in chunks]
    assert starts == [0, 5, 7, 8, 13, 18, 20, 25]
    assert [start for start, chunk in zip(starts, chunks, strict=True) if chunk.is_cut] == [
        7,
        8,
        20,
    ]
    assert sum(len(chunk.picture) for chunk in chunks) == 26
