"""What writing and reading a video does to its scores: little, and less than another face does."""

from functools import cache

import pytest
import torch
from einops import rearrange

from data_prep.synth.clip import ClipSpec, make_clip
from vasa.data.video import decode_mp4, write_video
from vasa.evaluation.clips import EvaluationClip, to_evaluation_clip
from vasa.evaluation.frame_features import FrameFeatures
from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.protocols.distance_rows import frames_kind, motion_kind
from vasa.evaluation.protocols.methods import methods
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.evaluation.video_readings import VideoReader
from vasa.models.face_expert import FaceExpert
from vasa.models.syncnet import SyncNet

NUM_CLIPS = 4
PLAIN_CRF, COARSE_CRF = 16, 40


@cache
def people() -> list[EvaluationClip]:
    """Synthetic people who talk."""
    return [
        to_evaluation_clip(
            make_clip(ClipSpec(split="test", person=p, clip=0, size=64, seconds=0.8, seed=0)),
            max_frames=20,
        )
        for p in range(NUM_CLIPS)
    ]


@cache
def reader() -> VideoReader:
    """Untrained scorers: they see every pixel, and nothing has taught them to overlook a codec."""
    torch.manual_seed(0)
    syncnet = SyncNet(
        size=32, top=0.5, visual_widths=(8, 16), audio_widths=(8, 16), num_mels=20, hidden=32,
        embedding_dim=16, groups=4,
    )  # fmt: skip
    expert = FaceExpert(
        size=32, widths=(8, 16, 16), hidden=24, identity_dim=12, groups=4, landmark_channels=8,
        glimpse_widths=(8, 8), glimpse_px=8,
    )  # fmt: skip
    return VideoReader(
        instrument=expert.eval(),
        features=MEANS,
        syncnet=syncnet.eval(),
        capp=None,
        frame_stride=3,
        batch_size=20,
    )


MEANS = FrameFeatures(name="means", of=lambda images: images.mean(dim=(2, 3)), unit="FD(means)")


def through(path, frames: torch.Tensor, *, crf: int) -> torch.Tensor:
    write_video(path, rearrange(frames, "t c h w -> t h w c").numpy(), crf=crf)
    read = torch.from_numpy(decode_mp4(path.read_bytes()))
    return rearrange(read, "t h w c -> t c h w").contiguous()


@torch.inference_mode()
def changes(real: list[torch.Tensor]) -> dict[str, ResultRow]:
    """Rows of frames that stand for the coded ones against the clips' own."""
    read = {"real": MethodReadings(name="real"), "uncoded": MethodReadings(name="uncoded")}
    for clip, frames in zip(people(), real, strict=True):
        heard = reader().hear(clip)
        read["real"].videos[clip.key] = [reader().read(frames, heard)]
        read["uncoded"].videos[clip.key] = [reader().read(clip.frames, heard)]
    rows = methods(
        readings=list(read.values()),
        speakers={clip.key: clip.speaker for clip in people()},
        split="test",
        weights={"syncnet": "own:untrained"},
        distances=[frames_kind(MEANS), motion_kind(10)],
        bootstrap=Bootstrap(num_resamples=200, seed=0),
    )
    return {row.metric: row for row in rows}


def share(rows: dict[str, ResultRow], name: str) -> float:
    """The change as a share of the score."""
    change = abs(rows[f"reencoding/{name}_change"].value)
    return change / abs(rows[f"methods/real/{name}"].value)


@pytest.fixture(scope="module")
def coded(tmp_path_factory) -> dict[str, ResultRow]:
    path = tmp_path_factory.mktemp("coded") / "clip.mp4"
    return changes([through(path, clip.frames, crf=PLAIN_CRF) for clip in people()])


def test_without_a_codec_nothing_changes() -> None:
    rows = changes([clip.frames for clip in people()])
    found = {name: row for name, row in rows.items() if name.startswith("reencoding/")}
    assert found and all(row.value == row.ci_low == row.ci_high == 0 for row in found.values())


def test_the_codec_alone_changes_scores_a_little(coded) -> None:
    assert coded["reencoding/sync_distance_change"].n == NUM_CLIPS
    assert 0 < share(coded, "sync_distance") < 0.02
    assert 0 < share(coded, "identity_similarity") < 0.02
    assert 0 < abs(coded["reencoding/mouth_correlation_change"].value) < 0.2
    change = coded["reencoding/sync_distance_change"]
    assert change.ci_low <= change.value <= change.ci_high
    assert change.stamp["syncnet"] == "own:untrained" and "methods/uncoded/capp" not in coded


def test_a_coarser_file_and_another_person_change_more(coded, tmp_path) -> None:
    coarse = changes([through(tmp_path / "c.mp4", c.frames, crf=COARSE_CRF) for c in people()])
    frames = [clip.frames for clip in people()]
    swapped = changes([*frames[1:], frames[0]])
    name = "identity_similarity"
    assert share(coded, name) < share(coarse, name) < share(swapped, name)
