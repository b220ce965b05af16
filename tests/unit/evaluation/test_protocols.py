"""Protocols on networks whose scores are known beforehand."""

from dataclasses import replace

import pytest
import torch

from vasa.evaluation.measuring import LpipsScale, PerceptualScale
from vasa.evaluation.metrics.image import PSNR_CEILING_DB
from vasa.evaluation.protocols.cross_reenactment import cross_reenactment
from vasa.evaluation.protocols.generated import generated
from vasa.evaluation.protocols.instrument import instrument_calibration
from vasa.evaluation.protocols.pairing import other_person, unrelated
from vasa.evaluation.protocols.probes import probes, random_twin
from vasa.evaluation.protocols.self_reenactment import self_reenactment
from vasa.evaluation.protocols.swaps import swaps
from vasa.evaluation.protocols.sync import sync
from vasa.evaluation.settings import EventSettings
from vasa.types import InputError


def by_name(rows):
    assert len({row.metric for row in rows}) == len(rows)
    return {row.metric: row for row in rows}


COLOURS = PerceptualScale(
    name="colours",
    network=lambda images: [images],  # type: ignore[arg-type]
    device=torch.device("cpu"),
    is_in_loss=False,
)


def run_self(world, net, clips=None, perceptual=COLOURS, instrument=None):
    return by_name(
        self_reenactment(
            autoencoder=net,
            instrument=instrument or world.instrument,
            clips=clips or world.clips,
            frame_stride=2,
            mouth_margin=0.2,
            perceptual=perceptual,
            batch_size=7,
            **world.arguments,
        )
    )


def test_oracle_reenacts_perfectly(world) -> None:
    rows = run_self(world, world.oracle)
    assert rows["self_reenactment/psnr"].value == pytest.approx(PSNR_CEILING_DB)
    assert rows["self_reenactment/ssim"].value == pytest.approx(1.0, abs=1e-3)
    assert rows["self_reenactment/pose_error"].value == pytest.approx(0.0, abs=0.05)
    assert rows["self_reenactment/mouth_correlation"].value == pytest.approx(1.0, abs=1e-4)
    assert rows["self_reenactment/psnr"].control < 40
    assert abs(rows["self_reenactment/mouth_correlation"].control) < 0.6
    assert rows["self_reenactment/landmark_nme"].value == pytest.approx(0.0, abs=1e-2)
    assert rows["self_reenactment/landmark_nme"].control > 10
    assert rows["self_reenactment/perceptual"].value == pytest.approx(0.0, abs=1e-6)
    assert rows["self_reenactment/perceptual"].control > 1e-4
    assert rows["self_reenactment/identity_similarity"].value == pytest.approx(1.0, abs=1e-5)
    others = rows["self_reenactment/identity_to_others"]
    assert others.value == pytest.approx(others.control, abs=1e-5)
    assert others.value < 0.95 and others.higher_is_better is False


def test_a_face_of_nobody_is_exposed_by_both_identity_rows(world) -> None:
    rows = run_self(world, world.mean_face)
    same = rows["self_reenactment/identity_similarity"]
    others = rows["self_reenactment/identity_to_others"]
    assert same.value < same.control - 0.3
    assert same.value - others.value < 0.5 * (same.control - others.control)
    assert rows["self_reenactment/landmark_nme"].value == pytest.approx(0.0, abs=1e-2)


def test_landmark_error_of_a_result_that_stands_aside(world) -> None:
    rows = run_self(world, world.aside)
    expected = 100 * world.aside.shift * world.size / world.eyes_px
    assert rows["self_reenactment/landmark_nme"].value == pytest.approx(expected, abs=0.1)


def test_rows_that_nothing_can_be_measured_for_are_left_out(world) -> None:
    def blind(image):
        return replace(world.instrument(image), landmarks=None)

    alone = [world.make_clip(person=0, seed=seed) for seed in (1, 2)]
    rows = run_self(world, world.oracle, alone, perceptual=None, instrument=blind)
    assert {name.split("/")[1] for name in rows} == {
        *("psnr", "psnr_mouth", "ssim", "pose_error", "mouth_correlation", "identity_similarity")
    }


def test_a_network_that_the_loss_used_is_named_so(world) -> None:
    plain = run_self(world, world.oracle)["self_reenactment/perceptual"]
    used = run_self(world, world.oracle, perceptual=replace(COLOURS, is_in_loss=True))
    assert "perceptual(colours), which is not LPIPS" in plain.note and "loss" not in plain.note
    assert "training loss" in used["self_reenactment/perceptual"].note


def test_lpips_has_a_row_of_its_own(world) -> None:
    scale = LpipsScale(
        name="lpips_alex",
        network=lambda one, other: (one - other).abs().mean(dim=(1, 2, 3)),  # type: ignore[arg-type]
        device=torch.device("cpu"),
    )
    rows = run_self(world, world.copy, perceptual=scale)
    row = rows["self_reenactment/lpips"]
    assert row.value == pytest.approx(row.control) and row.value > 0
    assert row.note.startswith("LPIPS v0.1") and "by alex" in row.note
    assert row.higher_is_better is False and "self_reenactment/perceptual" not in rows
    perfect = run_self(world, world.oracle, perceptual=scale)["self_reenactment/lpips"]
    assert perfect.value < 1e-6 < perfect.control


def test_copying_the_source_scores_its_own_control(world) -> None:
    rows = run_self(world, world.copy)
    names = ("psnr", "psnr_mouth", "ssim", "perceptual", "pose_error", "landmark_nme")
    for name in (*names, "identity_similarity"):
        row = rows[f"self_reenactment/{name}"]
        assert row.value == pytest.approx(row.control)
        assert row.n == len(world.clips)
    assert rows["self_reenactment/mouth_correlation"].value == 0


def test_only_valid_frames_are_scored(world) -> None:
    clip = world.make_clip(person=0, seed=50)
    clip.valid[1:30] = False
    clip.frames[1:30] = 255
    rows = run_self(world, world.oracle, [clip, world.clips[1]])
    assert rows["self_reenactment/psnr"].value == pytest.approx(PSNR_CEILING_DB)


def test_cross_reenactment_of_the_oracle_and_of_the_copy(world) -> None:
    def run(net):
        return by_name(
            cross_reenactment(
                autoencoder=net,
                instrument=world.instrument,
                clips=world.clips,
                frame_stride=2,
                batch_size=16,
                **world.arguments,
            )
        )

    oracle, copy = run(world.oracle), run(world.copy)
    assert oracle["cross_reenactment/pose_error"].value == pytest.approx(0.0, abs=0.05)
    assert oracle["cross_reenactment/pose_error"].control > 5
    assert oracle["cross_reenactment/mouth_correlation"].value == pytest.approx(1.0, abs=1e-4)
    assert oracle["cross_reenactment/identity_similarity"].value == pytest.approx(1.0, abs=1e-4)
    assert oracle["cross_reenactment/identity_similarity"].control < 0.95
    assert copy["cross_reenactment/pose_error"].value > 5
    assert copy["cross_reenactment/mouth_correlation"].value == 0


def test_swaps_of_the_oracle_are_clean(world) -> None:
    rows = by_name(
        swaps(
            autoencoder=world.oracle,
            instrument=world.instrument,
            clips=world.clips,
            frame_stride=2,
            batch_size=16,
            **world.arguments,
        )
    )
    assert rows["swap/pose_only_pose_error"].value == pytest.approx(0.0, abs=0.05)
    assert rows["swap/dynamics_only_mouth_correlation"].value == pytest.approx(1.0, abs=1e-4)
    assert rows["swap/dynamics_only_mouth_correlation"].control == 0
    assert rows["swap/pose_only_mouth_std"].value == pytest.approx(0.0, abs=1e-6)
    assert rows["swap/dynamics_only_pose_std"].value == pytest.approx(0.0, abs=1e-4)
    assert rows["swap/dynamics_only_pose_std"].control > 1


def test_probes_find_what_the_code_holds_and_nothing_else(world) -> None:
    def clips(first: int, split: str):
        return [
            world.make_clip(person=index, seed=index, split=split, num_frames=60)
            for index in range(first, first + 24)
        ]

    rows = by_name(
        probes(
            autoencoder=world.oracle,
            random_autoencoder=world.noise,
            train_clips=clips(100, "train"),
            val_clips=clips(200, "val"),
            test_clips=clips(300, "test"),
            frame_stride=1,
            codes=["z_dyn", "z_pose", "z_id"],
            mlp_steps=0,
            seed=0,
            batch_size=64,
            **world.arguments,
        )
    )
    for factor in ("mouth_opening", "mouth_width", "blink", "gaze"):
        row = rows[f"probe/z_dyn/{factor}_r2"]
        assert row.value == pytest.approx(1.0, abs=1e-3) and row.higher_is_better
        assert row.control < 0.1
    for factor in ("yaw", "pitch", "roll"):
        row = rows[f"probe/z_dyn/{factor}_r2"]
        assert row.value < 0.2 and row.higher_is_better is False
    assert "probe/z_dyn/identity_r2" in rows
    row = rows["probe/z_dyn/identity_accuracy"]
    assert row.control == pytest.approx(1 / 24) and "24 people" in row.control_name
    assert "random weights" in row.note
    assert rows["probe/z_id/identity_accuracy"].higher_is_better
    for factor in ("yaw", "pitch", "roll"):
        assert rows[f"probe/z_pose/{factor}_r2"].value == pytest.approx(1.0, abs=1e-3)
        assert rows[f"probe/z_pose/{factor}_r2"].higher_is_better
    assert not any("mlp" in name or "from" in name for name in rows)


def test_mlp_probes_and_the_way_back_stand_beside_the_linear_ones(world) -> None:
    clips = [world.make_clip(person=index, seed=index, num_frames=24) for index in range(8)]

    def run(codes: list[str]):
        return by_name(
            probes(
                autoencoder=world.oracle,
                random_autoencoder=world.noise,
                train_clips=clips,
                val_clips=clips[:2],
                test_clips=clips,
                frame_stride=1,
                codes=codes,
                mlp_steps=20,
                seed=0,
                batch_size=64,
                **world.arguments,
            )
        )

    rows = run(["z_dyn", "z_pose"])
    for code in ("z_dyn", "z_pose"):
        for name in ("yaw", "gaze", "identity", "from_pose", "from_expression"):
            assert {f"probe/{code}/{name}_r2", f"probe/{code}/{name}_mlp_r2"} <= set(rows)
    assert rows["probe/z_pose/yaw_mlp_r2"].value > 0.5
    assert rows["probe/z_dyn/from_expression_r2"].value > 0.99
    assert rows["probe/z_dyn/from_expression_mlp_r2"].higher_is_better
    assert rows["probe/z_dyn/from_pose_r2"].higher_is_better is False
    assert rows["probe/z_dyn/yaw_mlp_r2"] == run(["z_dyn"])["probe/z_dyn/yaw_mlp_r2"]
    with pytest.raises(InputError, match="probe_codes"):
        run(["z_dyn", "z_dny"])


def test_random_twin_differs_and_leaves_the_global_generator_alone() -> None:
    net = torch.nn.Linear(3, 3)
    before = torch.get_rng_state()
    twin = random_twin(build=lambda: torch.nn.Linear(3, 3), seed=5)
    again = random_twin(build=lambda: torch.nn.Linear(3, 3), seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(twin.weight, again.weight) and not torch.equal(twin.weight, net.weight)


def test_instrument_calibration_of_the_oracle_is_perfect(world) -> None:
    rows = by_name(
        instrument_calibration(
            instrument=world.instrument,
            clips=world.clips,
            frame_stride=1,
            batch_size=64,
            **world.arguments,
        )
    )
    for factor in ("yaw", "pitch", "roll", "mouth_opening", "gaze_theta", "blink"):
        assert rows[f"expert/{factor}_r"].value == pytest.approx(1.0, abs=1e-6)
        assert abs(rows[f"expert/{factor}_r"].control) < 0.6
    assert rows["expert/pose_error"].value == pytest.approx(0.0, abs=0.01)
    assert rows["expert/identity_similarity"].value == pytest.approx(1.0, abs=1e-4)


def test_generated_mouth_follows_its_own_audio_only(world) -> None:
    def run(videos):
        return by_name(
            generated(
                read=lambda video: world.instrument(video.float() / 255),
                clips=world.clips,
                videos=videos,
                real_videos=[clip.frames for clip in world.clips],
                events=EVENTS,
                start_frames=12,
                asked_distance=None,
                motion_window_frames=10,
                **world.arguments,
            )
        )

    real = run([clip.frames for clip in world.clips])
    assert real["generated/mouth_correlation"].value == pytest.approx(1.0, abs=1e-6)
    assert abs(real["generated/mouth_correlation"].control) < 0.6
    assert real["generated/mouth_opening_std"].value == pytest.approx(
        real["generated/mouth_opening_std"].control
    )
    still = run([clip.frames[:1].expand(30, -1, -1, -1) for clip in world.clips])
    assert still["generated/mouth_correlation"].value == 0
    assert still["generated/pose_change"].value == pytest.approx(0.0, abs=0.01)


EVENTS = EventSettings(
    closure_share=0.2, closure_tolerance_frames=2, blink_shut=0.5, blink_open=0.3
)


class FakeSyncNet:
    """Embeds a window by its place in the clip and its clip: knows every offset."""

    def __init__(self, clips, read_values) -> None:
        self.clips = clips
        self.read_values = read_values

    def _embed(self, mouth: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(mouth.unfold(0, 5, 1), dim=-1)[None]

    def embed_video(self, clip: torch.Tensor) -> torch.Tensor:
        return self._embed(self.read_values(clip[0])[:, 6])

    def embed_audio(self, audio: torch.Tensor) -> torch.Tensor:
        own = next(
            clip for clip in self.clips if torch.equal(clip.audio[: audio.shape[1]], audio[0])
        )
        return self._embed(own.mouth[:, 0])


def test_sync_of_a_net_that_knows(world) -> None:
    rows = by_name(
        sync(
            syncnet=FakeSyncNet(world.clips, world.read_values),
            clips=world.clips,
            videos=[clip.frames[:1].expand(40, -1, -1, -1) for clip in world.clips],
            shift_frames=4,
            **world.arguments,
        )
    )
    assert rows["sync/real_offset_accuracy"].value == 1.0
    assert rows["sync/real_offset_accuracy"].control == pytest.approx(1 / 31)
    assert rows["sync/real_shifted_offset_accuracy"].value == 1.0
    assert rows["sync/real_aligned_distance"].value == pytest.approx(0.0, abs=1e-6)
    assert rows["sync/real_confidence"].value > rows["sync/real_confidence"].control
    assert rows["sync/real_distance"].value < rows["sync/real_distance"].control
    assert rows["sync/generated_distance"].value > rows["sync/real_distance"].value
    ratio = rows["generated/sync_ratio"]
    expected = rows["sync/generated_confidence"].value / rows["sync/real_confidence"].value
    assert ratio.value == pytest.approx(expected)
    shuffled = rows["sync/generated_confidence"].control / rows["sync/real_confidence"].value
    assert ratio.control == pytest.approx(shuffled) and "shuffled" in ratio.control_name
    kept = rows["sync/generated_confidence"].clip_values
    assert sum(kept) / len(world.clips) == pytest.approx(rows["sync/generated_confidence"].value)
    assert {"sync/generated_confidence", "sync/generated_offset_accuracy"} <= set(rows)


def test_pairing_avoids_the_same_person_and_the_same_sentence(world) -> None:
    clips = [
        world.make_clip(person=0, seed=1),
        world.make_clip(person=0, seed=2),
        world.make_clip(person=1, seed=1),
    ]
    assert other_person(clips, 0) == 2 and other_person(clips, 2) == 0
    assert unrelated(clips, 0) == [1]
    with pytest.raises(InputError, match="at least two people"):
        other_person(clips[:2], 0)
