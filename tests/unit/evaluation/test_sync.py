"""S_C, S_D and offsets from constructed embeddings."""

import numpy as np
import pytest
import torch

from vasa.evaluation.metrics.sync import (
    SyncConfidence,
    SyncDistance,
    SyncOffsetAccuracy,
)
from vasa.models.sync_score import largest_shift, published_result, score_clip, sync_result
from vasa.models.syncnet import SyncNet


def unit_rows(num_windows: int, seed: int = 0, size: int = 32) -> torch.Tensor:
    rows = torch.randn(num_windows, size, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows.double(), dim=-1)


@pytest.mark.parametrize("shift", [-12, -1, 0, 3, 15])
def test_known_shift_is_found(shift):
    track = unit_rows(120)
    # the sound is late by `shift`: a_(i + shift) = v_i
    result = sync_result(track[20:91], track[20 - shift : 91 - shift])
    assert result.offset_frames == shift
    assert result.distance == pytest.approx(0, abs=1e-12)
    assert result.confidence > 1


def test_closed_form_of_orthogonal_windows():
    # windows are distinct axes: every pair that is not the true one is sqrt(2) apart
    axes = torch.eye(71)
    result = sync_result(axes, axes)
    assert result.num_candidates == 31
    assert result.distance == 0
    assert result.confidence == pytest.approx(2**0.5)
    assert torch.allclose(result.shift_distances[:15], torch.tensor(2**0.5).double())


def test_mean_is_over_windows_that_exist():
    video, audio = unit_rows(10, 1), unit_rows(10, 2)
    result = sync_result(video, audio)
    assert result.max_shift == 4
    wanted = torch.stack([(video[i] - audio[i + 3]).norm() for i in range(7)]).mean()
    assert result.shift_distances[4 + 3] == pytest.approx(float(wanted))
    wanted = torch.stack([(video[i + 2] - audio[i]).norm() for i in range(8)]).mean()
    assert result.shift_distances[4 - 2] == pytest.approx(float(wanted))


def naive_published(video: np.ndarray, audio: np.ndarray) -> tuple[float, float, int, np.ndarray]:
    """The reference's procedure, a pair at a time: S_D, S_C, its AV offset, all distances."""
    distances = []
    for place in range(31):
        total = 0.0
        for index in range(len(video)):
            other = index + place - 15
            heard = audio[other] if 0 <= other < len(audio) else np.zeros_like(audio[0])
            total += float(np.sqrt(((video[index] - heard + 1e-6) ** 2).sum()))
        distances.append(total / len(video))
    least = int(np.argmin(distances))
    return min(distances), sorted(distances)[15] - min(distances), 15 - least, np.array(distances)


@pytest.mark.parametrize(("num_windows", "shift"), [(4, 1), (20, -3), (45, 0), (45, 12)])
def test_published_procedure_equals_the_naive_loop(num_windows, shift):
    track = torch.randn(num_windows + 40, 16, generator=torch.Generator().manual_seed(shift))
    noise = torch.randn(num_windows, 16, generator=torch.Generator().manual_seed(9)) / 4
    video = track[20 : 20 + num_windows] + noise
    audio = track[20 - shift : 20 - shift + num_windows]
    result = published_result(video, audio)
    distance, confidence, offset, all_distances = naive_published(
        video.double().numpy(), audio.double().numpy()
    )
    np.testing.assert_allclose(result.shift_distances.numpy(), all_distances, rtol=1e-12)
    assert result.distance == pytest.approx(distance)
    assert result.confidence == pytest.approx(confidence)
    assert result.offset_frames == -offset, "the reference's sign is the other one"
    assert result.num_candidates == 31


def test_procedures_differ_in_what_lies_beyond_the_clip():
    video, audio = unit_rows(71, 1), unit_rows(71, 2)
    own, published = sync_result(video, audio), published_result(video, audio)
    assert published.shift_distances[15] == pytest.approx(float(own.shift_distances[15]), abs=1e-5)
    # 15 of 71 windows meet zeros, which are at distance 1 of a unit vector
    wanted = (56 * float(own.shift_distances[0]) + 15) / 71
    assert published.shift_distances[0] == pytest.approx(wanted, abs=1e-5)


def test_shuffled_sound_has_no_confidence():
    track = unit_rows(71, size=256)
    order = torch.randperm(71, generator=torch.Generator().manual_seed(0))
    fitting, shuffled = sync_result(track, track), sync_result(track, track[order])
    assert shuffled.confidence < 0.05 * fitting.confidence
    assert shuffled.distance == pytest.approx(2**0.5, abs=0.1)


@pytest.mark.parametrize(("num_windows", "shift"), [(71, 15), (31, 15), (30, 14), (26, 12), (4, 1)])
def test_largest_shift_leaves_half_of_the_windows(num_windows, shift):
    assert largest_shift(num_windows) == shift
    assert num_windows - shift >= num_windows / 2


def test_merge_of_halves_is_the_whole():
    clips = [(unit_rows(40, seed), unit_rows(40, seed // 2)) for seed in range(6)]
    results = [sync_result(video, audio) for video, audio in clips]
    for make in (SyncConfidence, SyncDistance, lambda: SyncOffsetAccuracy(tolerance_frames=1)):
        whole, first, second = make(), make(), make()
        for index, result in enumerate(results):
            whole.update(result)
            (first if index < 2 else second).update(result)
        first.merge_state(second)
        assert torch.equal(first.compute(), whole.compute())


def test_offset_accuracy_counts_within_tolerance():
    track = unit_rows(120)
    exact, near = SyncOffsetAccuracy(tolerance_frames=0), SyncOffsetAccuracy(tolerance_frames=1)
    for shift in (0, 1, 4):
        result = sync_result(track[20:91], track[20 - shift : 91 - shift])
        exact.update(result)
        near.update(result)
    assert exact.compute() == pytest.approx(1 / 3)
    assert near.compute() == pytest.approx(2 / 3)
    exact.update(result, true_offset_frames=4)
    assert exact.compute() == pytest.approx(1 / 2)
    assert exact.chance(result) == pytest.approx(1 / 31)
    assert near.chance(result) == pytest.approx(3 / 31)


def test_score_clip_reads_pictures_and_sound():
    torch.manual_seed(0)
    net = SyncNet(
        size=32,
        top=0.5,
        visual_widths=(4, 4),
        audio_widths=(4, 4),
        num_mels=16,
        hidden=8,
        embedding_dim=8,
        groups=2,
    ).eval()
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    audio = rng.normal(0, 0.1, 20 * 640 + 100).astype(np.float32)
    result = score_clip(net, frames=frames, audio=audio)
    assert result.num_candidates == 2 * largest_shift(16) + 1
    again = score_clip(net, frames=frames, audio=audio)
    assert torch.equal(result.shift_distances, again.shift_distances)


def test_too_few_windows_are_refused():
    with pytest.raises(ValueError, match="at least 4"):
        sync_result(unit_rows(3), unit_rows(3))
