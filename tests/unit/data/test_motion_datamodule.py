import numpy as np
import pytest
import torch
from small_motion import HASH, NUM_MOTION, small_encoder, write_small_motion

from vasa.data.controls import GAZE_BIN_RAD, head_distance, main_gaze, mean_emotion
from vasa.data.motion_datamodule import MotionDataModule
from vasa.data.motion_shards import read_motion_clip, read_statistics
from vasa.data.shards import read_index
from vasa.types import InputError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_small_motion(tmp_path_factory.mktemp("motion"))


def make_data(root, **changes):
    settings = {
        "split": "train",
        "val_split": "val",
        "batch_size": 16,
        "window": 30,
        "num_previous": 4,
        "min_frames": 10,
        "num_val_windows": 8,
        "short_share": 0.0,
        "shortest": 5,
        "seed": 0,
        "num_steps": 10,
        "num_workers": 0,
        "cache_gb": 0.1,
    }
    return MotionDataModule(root=str(root), **{**settings, **changes})


def test_a_batch_is_a_function_of_seed_and_step(root):
    first, second = make_data(root).batch_at(3), make_data(root, cache_gb=0.0).batch_at(3)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["motion"], make_data(root).batch_at(4)["motion"])
    assert not torch.equal(first["motion"], make_data(root, seed=1).batch_at(3)["motion"])


def test_shapes_and_padding(root):
    batch = make_data(root).batch_at(0)
    features = small_encoder().dim
    assert batch["motion"].shape == (16, 30, NUM_MOTION)
    assert batch["audio"].shape == (16, 30, features)
    assert batch["motion_pre"].shape == (16, 4, NUM_MOTION)
    assert batch["audio_pre"].shape == (16, 4, features)
    assert (batch["motion"][~batch["frame_mask"]] == 0).all()
    assert not batch["loss_mask"][~batch["frame_mask"]].any()


def test_a_window_and_what_is_before_it_are_the_clip(root):
    data = make_data(root)
    clip = read_motion_clip(root, next(read_index(root, split="train").itertuples()))
    window = data.window_of(clip, start=7)
    np.testing.assert_array_equal(window["motion"], clip.motion[7:37])
    np.testing.assert_array_equal(window["motion_pre"], clip.motion[3:7])
    np.testing.assert_array_equal(window["audio_pre"], clip.audio[3:7])
    assert window["pre_mask"].all() and window["frame_mask"].all()
    assert data.window_of(clip, start=2)["pre_mask"].tolist() == [False, False, True, True]
    assert not data.window_of(clip, start=0)["pre_mask"].any()


def test_previous_frames_without_trusted_labels_are_not_told(root):
    """As the loss leaves them out: what the tracker got wrong is no motion to go on from."""
    clip = read_motion_clip(root, next(read_index(root, split="train").itertuples()))
    clip.labels.valid[[1, 4, 8]] = False
    data = make_data(root)
    assert data.window_of(clip, start=7)["pre_mask"].tolist() == [True, False, True, True]
    assert data.window_of(clip, start=2)["pre_mask"].tolist() == [False, False, True, False]
    assert not data.window_of(clip, start=7)["loss_mask"][1]


def test_clips_shorter_than_a_window_are_padded_and_can_have_previous_frames(root):
    data = make_data(root, window=50)
    clip = read_motion_clip(root, list(read_index(root, split="train").itertuples())[2])
    assert data.window_of(clip, start=4)["frame_mask"].sum() == 16
    starts = {data._draw_start(np.random.default_rng(i), 20, 50) for i in range(60)}
    assert starts == {0, 1, 2, 3, 4}


def test_some_windows_are_as_short_as_a_live_streams(root):
    data = make_data(root, short_share=0.5, batch_size=400)
    batch = data.batch_at(0)
    lengths = batch["frame_mask"].sum(dim=1)
    short = lengths < 20  # no clip is shorter
    assert lengths.min() == 5 and lengths.max() == 30
    expected = 0.5 * 15 / 25  # of 5 to 29 frames
    assert (
        abs(float(short.double().mean()) - expected) < 4 * (expected * (1 - expected) / 400) ** 0.5
    )
    assert (batch["frame_mask"].long().diff(dim=1) <= 0).all(), "only ends are cut"
    assert batch["pre_mask"][short].all(dim=1).double().mean() > 0.5
    plain = make_data(root, batch_size=400).batch_at(0)
    assert plain["frame_mask"].sum(dim=1).min() >= 10


@pytest.mark.parametrize("changes", [{"short_share": 1.5}, {"shortest": 0}, {"shortest": 30}])
def test_lengths_that_make_no_sense_are_refused(root, changes):
    with pytest.raises(InputError, match="short_share from 0 to 1 and data.shortest from 1"):
        make_data(root, **changes)


def test_validation_windows_are_held_out_and_fixed(root):
    data = make_data(root)
    first, second = data.validation_batch(), data.validation_batch()
    assert torch.equal(first["motion"], second["motion"])
    assert first["pre_mask"].any() and (~first["pre_mask"]).any()
    assert make_data(root, val_split="test").validation_batch() is None


def test_motion_of_another_stage_1_is_refused(root):
    data = make_data(root)
    fitting = {"audio_encoder": small_encoder().describe(), "num_motion": NUM_MOTION}
    data.expect(stage1_hash=HASH, **fitting)
    data.expect(stage1_hash=None, **fitting)
    with pytest.raises(InputError, match="vasa encode"):
        data.expect(stage1_hash="00" * 32, **fitting)
    with pytest.raises(InputError, match="audio_encoder@module.model.audio"):
        data.expect(stage1_hash=HASH, **{**fitting, "audio_encoder": "whisper"})
    with pytest.raises(InputError, match="num_motion"):
        data.expect(stage1_hash=HASH, **{**fitting, "num_motion": 5})


def test_statistics_are_those_of_the_train_split(root):
    clips = [read_motion_clip(root, row) for row in read_index(root, split="train").itertuples()]
    motion = np.concatenate([clip.motion for clip in clips]).astype(np.float64)
    found = read_statistics(root)
    np.testing.assert_allclose(found["motion_mean"], motion.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found["motion_std"], motion.std(axis=0), rtol=1e-3)
    assert set(found) == {
        f"{name}_{kind}"
        for name in ("motion", "audio", "gaze", "distance")
        for kind in ("mean", "std")
    }


def test_no_set_and_too_short_clips_are_the_users_mistake(root, tmp_path):
    with pytest.raises(InputError, match="vasa encode"):
        make_data(tmp_path)
    with pytest.raises(InputError, match="the longest has 60"):
        make_data(root, min_frames=100)


def test_main_gaze_is_the_dominant_direction():
    gaze = np.concatenate((np.full((30, 2), 0.3), np.full((10, 2), -0.5))).astype(np.float32)
    gaze += np.random.default_rng(0).normal(0, 0.01, gaze.shape).astype(np.float32)
    np.testing.assert_allclose(main_gaze(gaze), 0.3, atol=0.01)
    assert np.abs(main_gaze(gaze) - gaze.mean(axis=0)).max() > GAZE_BIN_RAD


def test_distance_and_emotion_are_means():
    pose = np.zeros((3, 6), np.float32)
    pose[:, 5] = np.log([0.5, 1.0, 2.0])
    np.testing.assert_allclose(head_distance(pose), [(2 + 1 + 0.5) / 3], rtol=1e-6)
    np.testing.assert_allclose(mean_emotion(np.eye(8, dtype=np.float32)[:4]), [0.25] * 4 + [0] * 4)
