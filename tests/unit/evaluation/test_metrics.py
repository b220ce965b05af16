"""Metrics against closed forms, and halves that merge to the whole."""

import json
import math

import pytest
import torch

from vasa.evaluation.metrics.clip_metric import MeanOverClips, bootstrap_interval
from vasa.evaluation.metrics.control import DistanceError, EmotionError, GazeError, ObeyedShare
from vasa.evaluation.metrics.correlation import (
    ClipCorrelation,
    PooledCorrelation,
    VectorCorrelation,
    pearson,
)
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.image import PSNR_CEILING_DB, Psnr, Ssim, mouth_mask
from vasa.evaluation.metrics.landmarks import LandmarkNme, frame_nme
from vasa.evaluation.metrics.perceptual import PerceptualDistance, frame_distance
from vasa.evaluation.metrics.pose import AngleError, PoseError
from vasa.evaluation.metrics.ratio import RatioOfSums
from vasa.evaluation.results import Bootstrap
from vasa.pretrained.perceptual import SqueezeNetFeatures


def pictures(seed: int = 0, num_frames: int = 3) -> torch.Tensor:
    return torch.rand(num_frames, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_psnr_of_a_known_error() -> None:
    metric = Psnr()
    metric.update(torch.full((4, 3, 8, 8), 0.6), torch.full((4, 3, 8, 8), 0.5))
    assert float(metric.compute()) == pytest.approx(20.0, abs=1e-4)  # -10 log10(0.1^2)


def test_psnr_of_equal_pictures_is_the_ceiling() -> None:
    metric = Psnr()
    metric.update(pictures(), pictures())
    assert float(metric.compute()) == pytest.approx(PSNR_CEILING_DB)


def test_masked_psnr_sees_the_mask_alone() -> None:
    target = torch.full((2, 3, 8, 8), 0.5)
    result = target.clone()
    mask = torch.zeros(2, 8, 8, dtype=torch.bool)
    mask[:, 2:4, 2:4] = True
    result[..., 2:4, 2:4] += 0.01
    result[..., 6, 6] = 1.0
    metric = Psnr()
    metric.update(result, target, mask)
    assert float(metric.compute()) == pytest.approx(40.0, abs=1e-3)


def test_a_clip_whose_masks_are_all_empty_is_left_out_and_told() -> None:
    target = torch.full((4, 3, 8, 8), 0.5)
    empty = torch.zeros(4, 8, 8, dtype=torch.bool)
    some = empty.clone()
    some[1] = True
    psnr, beside = Psnr(), Psnr()
    for metric, error in ((psnr, 0.1), (beside, 0.01)):
        metric.update(target + error, target, some)  # the three empty frames do not count
        metric.update(target, target, empty)
        metric.update(target + error, target)
    assert psnr.per_clip()[[0, 2]].tolist() == pytest.approx([20.0, 20.0], abs=1e-3)
    assert psnr.per_clip()[1].isnan() and float(psnr.compute()) == pytest.approx(20.0, abs=1e-3)
    row = Bootstrap(num_resamples=50, seed=0).row(
        metric="self_reenactment/psnr_mouth",
        measured=psnr,
        control=beside,
        control_name="",
        split="test",
        unit="dB",
        note="box",
        keep_clips=True,
    )
    assert row.n == 2 and row.note == "box; 1 of 3 clips left out: nothing to score in them"
    assert row.control == pytest.approx(40.0, abs=1e-3) and row.ci_low == pytest.approx(row.ci_high)
    assert json.loads(row.to_json())["clip_values"][1] is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_a_fault(value: float) -> None:
    with pytest.raises(ValueError, match="MeanOverClips expected finite numbers"):
        MeanOverClips().update(torch.tensor(value))
    with pytest.raises(ValueError, match="Psnr expected finite"):
        Psnr().update(torch.full((1, 3, 8, 8), value), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="RatioOfSums expected finite"):
        RatioOfSums().update(value, 1.0)


def test_a_clip_without_frames_is_left_out() -> None:
    for metric, given in (
        (PoseError(), torch.zeros(0, 6)),
        (IdentitySimilarity(), torch.zeros(0, 8)),
        (ClipCorrelation(), torch.zeros(0)),
    ):
        metric.update(given, given)
        found = metric.estimate(num_resamples=10, seed=0)
        assert (found.num_clips, found.num_empty) == (0, 1) and math.isnan(found.value)


def test_mouth_mask_is_the_box_of_the_lips_with_its_margin() -> None:
    landmarks = torch.zeros(1, 68, 2)
    landmarks[:, 48:, :] = torch.tensor([8.0, 10.0])
    landmarks[:, 48] = torch.tensor([6.0, 9.0])
    landmarks[:, 54] = torch.tensor([10.0, 11.0])
    tight = mouth_mask(landmarks, height=16, width=16, margin=0.0)
    assert tight.sum() == 4 * 2 and tight[0, 9:11, 6:10].all()
    wide = mouth_mask(landmarks, height=16, width=16, margin=0.25)
    assert wide.sum() == 6 * 4 and wide[0, 8:12, 5:11].all()


def test_ssim_of_equal_pictures_is_one_and_noise_lowers_it() -> None:
    same, noisy = Ssim(), Ssim()
    same.update(pictures(), pictures())
    noisy.update(pictures(), pictures(1))
    assert float(same.compute()) == pytest.approx(1.0, abs=1e-5)
    assert float(noisy.compute()) < 0.2


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pose_error_of_a_turn_about_one_axis(axis: int) -> None:
    target = torch.zeros(5, 6)
    result = target.clone()
    result[:, axis] = math.radians(12)
    metric = PoseError()
    metric.update(result, target)
    assert float(metric.compute()) == pytest.approx(12.0, abs=1e-4)
    for index, angle in enumerate(("yaw", "pitch", "roll")):
        single = AngleError(angle=angle)
        single.update(result, target)
        assert float(single.compute()) == pytest.approx(12.0 if index == axis else 0.0, abs=1e-4)


def test_pose_error_of_composed_turns_is_the_angle_of_the_composition() -> None:
    # cos(theta) = (trace(Ry Rx) - 1) / 2 with trace = cos y + cos p + cos y cos p
    yaw, pitch = math.radians(30), math.radians(20)
    trace = math.cos(yaw) + math.cos(pitch) + math.cos(yaw) * math.cos(pitch)
    metric = PoseError()
    metric.update(torch.tensor([[yaw, pitch, 0.0]]), torch.zeros(1, 3))
    expected = math.degrees(math.acos((trace - 1) / 2))
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-5)


def test_correlation_of_known_series() -> None:
    time = torch.linspace(0, 6.28318530718, 101)[:-1]
    assert float(pearson(time.sin(), 3 * time.sin() + 7)) == pytest.approx(1.0, abs=1e-6)
    assert float(pearson(time.sin(), -time.sin())) == pytest.approx(-1.0, abs=1e-6)
    assert float(pearson(time.sin(), time.cos())) == pytest.approx(0.0, abs=1e-5)
    mixed = float(pearson(time.sin(), time.sin() + time.cos()))
    assert mixed == pytest.approx(math.sqrt(0.5), abs=1e-5)


def test_constant_result_counts_as_zero_and_constant_target_is_left_out() -> None:
    series = torch.linspace(0, 1, 10)
    metric = ClipCorrelation()
    metric.update(torch.ones(10), series)
    metric.update(series, series)
    metric.update(series, torch.ones(10))
    assert metric.per_clip().tolist() == pytest.approx([0.0, 1.0, math.nan], nan_ok=True)
    assert float(metric.compute()) == pytest.approx(0.5)


def test_pooled_correlation_is_that_of_all_frames_together() -> None:
    generator = torch.Generator().manual_seed(0)
    clips = [torch.randn(2, 20, generator=generator) + index for index in range(4)]
    metric = PooledCorrelation()
    for first, second in clips:
        metric.update(first, second)
    whole = torch.cat(clips, dim=1)
    assert float(metric.compute()) == pytest.approx(float(torch.corrcoef(whole)[0, 1]), abs=1e-5)


def test_identity_similarity_is_the_cosine() -> None:
    metric = IdentitySimilarity()
    metric.update(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([1.0, 0.0]))
    assert float(metric.compute()) == pytest.approx(0.5)


def test_identity_similarity_of_frames_against_frames() -> None:
    metric = IdentitySimilarity()
    result, driver = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    metric.update(result, driver)
    metric.update(result, driver.flip(0))
    assert metric.per_clip().tolist() == pytest.approx([1.0, 0.0])


def test_nme_of_a_shift_is_the_shift_over_the_eyes_distance() -> None:
    driver = 40 * torch.rand(4, 68, 2, generator=torch.Generator().manual_seed(2))
    driver[:, 36], driver[:, 45] = torch.tensor([10.0, 20.0]), torch.tensor([40.0, 60.0])  # 50 px
    metric = LandmarkNme()
    metric.update(driver + torch.tensor([3.0, -4.0]), driver)
    assert float(metric.compute()) == pytest.approx(10.0, abs=1e-4)  # 5 px of 50
    assert not metric.higher_is_better
    # the driver's eyes are the unit, not the result's, and pictures twice as large give the same
    assert frame_nme(2 * driver, 2 * driver).tolist() == [0.0] * 4
    wide = frame_nme(3 * driver, driver)
    torch.testing.assert_close(frame_nme(6 * driver, 2 * driver), wide)
    expected = 100 * (2 * driver.double()).norm(dim=-1).mean(dim=-1) / 50
    torch.testing.assert_close(wide, expected)
    # one point of 68 that is off by 68 px counts as much as all off by 1 px
    one_off = driver.clone()
    one_off[:, 0, 0] += 68
    assert frame_nme(one_off, driver).tolist() == pytest.approx([2.0] * 4, abs=1e-4)


def test_nme_stays_finite_where_the_eyes_fall_together() -> None:
    assert frame_nme(torch.ones(1, 68, 2), torch.zeros(1, 68, 2)).isfinite().all()


def test_perceptual_distance_of_known_directions() -> None:
    def features(images: torch.Tensor) -> list[torch.Tensor]:
        return [images, images[..., ::2, ::2].flip(1)]

    red, yellow = torch.zeros(5, 3, 8, 8), torch.zeros(5, 3, 8, 8)
    red[:, 0], yellow[:, :2] = 0.3, 0.9
    metric = PerceptualDistance(features=features, batch_size=2)
    metric.update(red, yellow)
    # 45 degrees apart whatever the length: |x - y|^2 = 2 - 2 cos 45
    assert float(metric.compute()) == pytest.approx(2 - math.sqrt(2), abs=1e-6)
    metric.update(red, red)
    assert metric.per_clip().tolist() == pytest.approx([2 - math.sqrt(2), 0.0], abs=1e-6)
    assert not metric.higher_is_better
    half = yellow.clone()
    half[..., 4:] = red[..., 4:]
    whole, part = (frame_distance([red], [other]) for other in (yellow, half))
    torch.testing.assert_close(part, whole / 2)


def test_perceptual_distance_is_that_of_the_training_network(weights_dir, monkeypatch) -> None:
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    network = SqueezeNetFeatures()
    first = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    second = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    metric = PerceptualDistance(features=network, batch_size=1)
    metric.update(first, second)
    expected = float(network.distance(first, second).mean())
    assert float(metric.compute()) == pytest.approx(expected, rel=1e-5)


def test_gaze_error_is_the_angle_of_two_directions() -> None:
    metric = GazeError()
    metric.update(torch.tensor([[0.2, 0.0], [0.0, -0.1]]), torch.tensor([[-0.1, 0.0], [0.0, 0.1]]))
    metric.update(torch.tensor([[math.pi / 2, 0.0]]), torch.tensor([[0.0, math.pi / 2]]))
    # cos(angle) = cos t cos p between (t, p) and straight ahead
    metric.update(torch.tensor([[0.5, 0.3]]), torch.zeros(1, 2))
    expected = math.acos(math.cos(0.5) * math.cos(0.3))
    found = metric.per_clip().deg2rad().tolist()
    assert found == pytest.approx([0.25, math.pi / 2, expected], abs=1e-6)


def test_emotion_error_counts_a_feeling_in_the_place_of_another_once() -> None:
    happy, sad = torch.eye(8)[:1], torch.eye(8)[1:2]
    metric = EmotionError()
    metric.update(torch.cat((happy, 0.25 * happy + 0.75 * sad)), torch.cat((happy, happy)))
    assert float(metric.compute()) == pytest.approx(0.75 / 2)
    other = EmotionError()
    other.update(sad, happy)
    assert float(other.compute()) == 1.0


def test_distance_error_is_the_mean_difference() -> None:
    metric = DistanceError()
    metric.update(torch.tensor([1.0, 1.1]), torch.tensor([0.9, 1.2]))
    metric.update(torch.tensor([1.0]), torch.tensor([1.3]))
    assert metric.per_clip().tolist() == pytest.approx([0.1, 0.3], abs=1e-6)


def test_ssim_of_even_pictures_is_its_luminance_term() -> None:
    metric = Ssim()
    even = torch.ones(2, 3, 16, 16, dtype=torch.float64)
    metric.update(0.6 * even, 0.3 * even)
    c1 = 0.01**2
    expected = (2 * 0.6 * 0.3 + c1) / (0.6**2 + 0.3**2 + c1)
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-6)


def test_obeyed_share_is_the_slope() -> None:
    asked = torch.tensor([[-0.2, 0.1], [0.0, 0.0], [0.4, 0.2]])
    metric = ObeyedShare()
    metric.update(0.3 * asked + 5, asked)
    metric.update(-0.3 * asked, asked)
    metric.update(asked.flip(1) * torch.tensor([1.0, -1.0]), asked)
    assert metric.per_clip()[:2].tolist() == pytest.approx([0.3, -0.3], abs=1e-5)
    assert float(metric.per_clip()[2]) == pytest.approx(0, abs=0.05), "a change at a right angle"


@pytest.mark.parametrize("angle", [0.0, 0.7, math.pi / 2, math.pi])
def test_vector_correlation_of_turned_vectors_is_the_cosine(angle: float) -> None:
    target = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).double()
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    ).double()
    metric = VectorCorrelation()
    metric.update(4 * target @ turn.T + 3, target)
    assert float(metric.compute()) == pytest.approx(math.cos(angle), abs=1e-6)
    metric.update(torch.ones(50, 2), target)
    metric.update(target, torch.ones(50, 2))
    expected = [math.cos(angle), 0.0, math.nan]
    assert metric.per_clip().tolist() == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_angle_error_is_of_its_own_angle() -> None:
    target = torch.zeros(2, 6)
    result = torch.tensor([[0.1, -0.2, 0.3, 9, 9, 9], [0.1, 0.2, -0.3, 9, 9, 9]])
    for angle, expected in (("yaw", 0.1), ("pitch", 0.2), ("roll", 0.3)):
        metric = AngleError(angle=angle)
        metric.update(result, target)
        assert math.radians(float(metric.compute())) == pytest.approx(expected, abs=1e-6)


def test_one_unit_makes_one_draw_of_many() -> None:
    metric = MeanOverClips()
    metric.update(torch.tensor(1.0))
    with metric.one_unit():
        metric.update(torch.tensor(2.0))
        metric.update(torch.tensor(4.0))
    assert metric.per_clip().tolist() == pytest.approx([1.0, 3.0])
    with metric.one_unit():
        pass
    assert metric.stacked().tolist() == [[1.0, 1.0], [6.0, 2.0], [0.0, 0.0]]
    assert metric.num_scored == 2


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    hits = 0
    for trial in range(200):
        metric = MeanOverClips()
        for value in torch.randn(30, generator=generator):
            metric.update(value + 5)
        estimate = metric.estimate(num_resamples=300, seed=trial)
        hits += estimate.ci_low <= 5 <= estimate.ci_high
        assert estimate.ci_low <= estimate.value <= estimate.ci_high
    assert 0.88 <= hits / 200 <= 0.99


def test_bootstrap_width_is_the_standard_error() -> None:
    values = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    statistics = torch.stack((values, torch.ones_like(values)), dim=1)
    low, high = bootstrap_interval(
        statistics, reduce=MeanOverClips.reduce, num_resamples=2000, seed=0
    )
    expected = 2 * 1.96 * float(values.std()) / math.sqrt(200)
    assert high - low == pytest.approx(expected, rel=0.1)


def test_copies_within_a_person_do_not_narrow_the_interval() -> None:
    values = torch.randn(10, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    people = [f"p{index}" for index in range(10)]
    given = {"num_resamples": 500, "seed": 0}

    def of(copies: int) -> MeanOverClips:
        metric = MeanOverClips()
        for value in values.repeat(copies):
            metric.update(value)
        return metric

    plain = of(1).estimate(**given)
    alone = of(1).estimate(**given, people=people)
    copied = of(9).estimate(**given, people=people * 9)
    assert alone == plain and alone.num_people is None
    assert (copied.num_clips, copied.num_people) == (90, 10)
    assert (copied.ci_low, copied.ci_high) == pytest.approx((plain.ci_low, plain.ci_high))
    blind = of(9).estimate(**given)
    assert blind.ci_high - blind.ci_low < 0.5 * (plain.ci_high - plain.ci_low)
    with pytest.raises(AssertionError, match="90 clips of MeanOverClips and 10 people"):
        of(9).estimate(**given, people=people)


def test_people_count_by_their_clips() -> None:
    metric = MeanOverClips()
    for value in (1.0, 2.0, 9.0):
        metric.update(torch.tensor(value))
    metric.add_empty()
    found = metric.estimate(num_resamples=2000, seed=0, people=["a", "a", "b", "c"])
    assert (found.value, found.num_clips, found.num_empty, found.num_people) == (4.0, 3, 1, 2)
    assert (found.ci_low, found.ci_high) == (1.5, 9.0), "all a, or all b"


def test_a_metric_without_clips_says_so() -> None:
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="no clip"):
        MeanOverClips().compute()
