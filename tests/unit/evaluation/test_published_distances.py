"""FVD_25 and FID: which clips meet which, against closed forms and scipy's matrix root."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from published_files import PictureProbe, VideoProbe, install
from scipy import linalg

from vasa.evaluation.clip_features import FVD_FRAMES, ClipFeatures, i3d_features
from vasa.evaluation.frame_features import FrameFeatures, inception_features
from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.protocols.distance_rows import distance_rows, fid_kind, fvd_kind
from vasa.evaluation.protocols.generated_distance import generated_distance
from vasa.evaluation.protocols.method_distances import frechet_clips
from vasa.evaluation.report.paper_tables import paper_grids
from vasa.evaluation.video_readings import VideoReadings

CPU = torch.device("cpu")


def describing(**changes) -> ClipFeatures:
    """Clips by their first frame's level."""
    plain = ClipFeatures(
        name="I3D",
        judge="i3d:0a1b2c3d",
        of=lambda video: video[:, 0].mean(dim=(1, 2, 3))[:, None],
        per_half=8,
        seed=0,
    )
    return replace(plain, **changes)


def read(*, clips: torch.Tensor, inception: torch.Tensor) -> VideoReadings:
    none, series = torch.zeros(0), torch.zeros(40)
    return VideoReadings(
        pose=torch.zeros(40, 6),
        mouth=torch.zeros(40, 2),
        lips=torch.zeros(0, 20, 2),
        gaze=torch.zeros(40, 2),
        blink=series,
        presence=series,
        likeness=series,
        features=torch.zeros(0, 1),
        inception=inception,
        clips=clips,
        shift_distances=none,
        capp=torch.tensor(torch.nan),
        truth=series,
        valid=series.bool(),
    )


def sets(num: int, rows: int, width: int, *, seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {f"c{i}": torch.randn(2, rows, width, generator=draw) for i in range(num)}


def by_scipy(first: torch.Tensor, second: torch.Tensor) -> float:
    x, y = first.double().numpy(), second.double().numpy()
    one, two = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(0) - y.mean(0)
    root = linalg.sqrtm(one @ two)
    return float(gap @ gap + np.trace(one + two) - 2 * np.trace(root).real)


@pytest.mark.parametrize("num_frames", [50, 75, 101, 1500])
def test_drawn_clips_lie_in_their_half(num_frames) -> None:
    first, second = describing().starts("a", num_frames)
    assert len(first) == len(second) == min(8, num_frames // 2 - FVD_FRAMES + 1)
    assert len(set(first.tolist())) == len(first) and len(set(second.tolist())) == len(second)
    assert 0 <= first.min() and first.max() + FVD_FRAMES <= num_frames / 2
    assert num_frames / 2 <= second.min() and second.max() + FVD_FRAMES <= num_frames


def test_the_draw_is_of_seed_and_key_alone_and_longer_draws_begin_with_shorter_ones() -> None:
    few, many = describing(per_half=3), describing(per_half=64)
    assert torch.equal(few.starts("a", 300), many.starts("a", 300)[:, :3])
    assert not torch.equal(few.starts("a", 300), few.starts("b", 300))
    assert not torch.equal(few.starts("a", 300), describing(per_half=3, seed=1).starts("a", 300))
    assert describing().starts("a", 49).shape == (2, 0)


def test_features_are_of_the_clips_that_were_drawn() -> None:
    images = torch.arange(120).float()[:, None, None, None].expand(-1, 3, 4, 4)
    for batch_size in (1, 80):
        found = describing().halves(images, key="a", batch_size=batch_size)
        assert torch.equal(found[..., 0], describing().starts("a", 120).float())
    assert describing().halves(images[:49], key="a", batch_size=8).shape == (2, 0, 1)


def test_enough_clips_for_the_rows_and_a_number_that_rarely_changes(monkeypatch, tmp_path) -> None:
    install(monkeypatch, tmp_path, i3d=VideoProbe())
    given = {"max_rows": 2048, "seed": 0, "device": CPU}
    found = {num: i3d_features(num_clips=num, **given).per_half for num in (12, 32, 460, 4000)}
    assert found == {12: 256, 32: 64, 460: 8, 4000: 1}
    assert (
        i3d_features(num_clips=13, **given).facts() == i3d_features(num_clips=14, **given).facts()
    )


def alone(clips: dict[str, torch.Tensor]) -> dict[str, str]:
    """Every clip is of another person."""
    return {key: key for key in clips}


def test_distance_is_that_of_scipy_over_both_crossings() -> None:
    made, real = sets(9, 6, 5, seed=0), sets(9, 6, 5, seed=1)
    found = frechet_clips(made, real, max_rows=1000, speakers=alone(real))
    one, two = (torch.stack(list(side.values())) for side in (made, real))
    crossed = [
        by_scipy(one[:, mine].flatten(0, 1), two[:, theirs].flatten(0, 1))
        for mine, theirs in ((0, 1), (1, 0))
    ]
    assert found is not None and found.value == pytest.approx(sum(crossed) / 2, rel=1e-6)
    assert found.rows == ((54, 54), (54, 54)) and found.num_clips == 9
    assert 0 <= found.ci_low < found.value < found.ci_high


def test_a_shift_of_the_features_is_its_square() -> None:
    halves = {
        f"c{i}": x[:1].expand(2, -1, -1) for i, x in enumerate(sets(4, 9, 3, seed=0).values())
    }
    moved = {key: x + torch.tensor([1.0, 2.0, 0.0]) for key, x in halves.items()}
    found = frechet_clips(moved, halves, max_rows=1000, speakers=alone(halves))
    assert found is not None and found.value == pytest.approx(5.0, abs=1e-5)


def test_no_more_rows_than_asked_for_and_as_many_of_each_clip() -> None:
    real = {"long": torch.zeros(2, 9, 1), "short": torch.zeros(2, 0, 1)} | {
        f"c{i}": torch.zeros(2, 3, 1) for i in range(2)
    }
    for key in ("long", "c0", "c1"):  # a clip's rows are numbered in drawn order
        real[key] = torch.arange(real[key].shape[1]).float()[None, :, None].repeat(2, 1, 1)
    found = frechet_clips(real, real, max_rows=8, speakers=alone(real))
    assert found is not None and found.rows == ((8, 8), (8, 8))
    assert found.num_clips == 3 and found.num_short == 1
    # 0, 1, 2 of each but the last of one: the same on both sides, so nothing is between them
    assert found.value == pytest.approx(0, abs=1e-9)
    everything = frechet_clips(real, real, max_rows=100, speakers=alone(real))
    assert everything is not None and everything.rows == ((15, 15), (15, 15))
    single = {"a": torch.zeros(2, 1, 1)}
    assert frechet_clips(single, single, max_rows=9, speakers=alone(single)) is None


def test_rows_say_by_whom_and_of_how_many() -> None:
    inception = FrameFeatures(
        name="InceptionV3", of=torch.flatten, unit="FID", judge="inception:99887766"
    )
    readings = {}
    for seed, name in enumerate(("real", "ours")):
        draw = torch.Generator().manual_seed(seed)
        readings[name] = MethodReadings(
            name=name,
            videos={
                f"c{i}": [
                    read(
                        clips=torch.randn(2, 3 * (i > 0), 4, generator=draw) + seed,
                        inception=torch.randn(8, 4, generator=draw) + seed,
                    )
                ]
                for i in range(8)
            },
        )
    people = {f"c{i}": f"p{i}" for i in range(8)}
    kinds = [fid_kind(inception), fvd_kind(describing(), max_rows=12)]
    rows = {
        row.metric: row for row in distance_rows(readings, kinds, speakers=people, split="test")
    }
    assert set(rows) == {f"methods/{m}/{n}" for m in ("real", "ours") for n in ("fid", "fvd_25")}
    fvd = rows["methods/ours/fvd_25"]
    assert fvd.unit == "FVD" and fvd.n == 7 and fvd.stamp["features"] == "i3d:0a1b2c3d"
    assert fvd.control == rows["methods/real/fvd_25"].value < fvd.value
    for words in ("12 rows against 12", "fewer rows than the 2,048", "1 clips are too short"):
        assert words in fvd.note
    assert "drawn by seed 0" in fvd.note and "25-frame clips by I3D (i3d:0a1b2c3d)" in fvd.note
    fid = rows["methods/ours/fid"]
    assert fid.unit == "FID" and "32 rows against 32" in fid.note and "10,000" in fid.note
    assert distance_rows({"ours": readings["ours"]}, kinds, speakers=people, split="test") == []

    grid, more, *_ = paper_grids(list(rows.values()), tables=[2])
    assert "FVD_25 i3d:0a1b2c3d ↓" in grid.header and "FID inception:99887766 ↓" in more.header
    assert any("12 rows against 12" in note for note in grid.notes)


def test_talking_videos_have_an_fvd_in_table_5(world) -> None:
    clips = [world.make_clip(person=i, seed=i, num_frames=60) for i in range(4)]
    i3d = describing(
        of=lambda video: torch.stack((video.mean(dim=(1, 2, 3, 4)), video[:, 0, 0, 0, 0]), dim=1)
    )
    real = [clip.frames for clip in clips]
    arguments = {"i3d": i3d, "clips": clips, "max_rows": 2048, "batch_size": 60}
    arguments |= {"track": lambda items: items, "real_videos": real}
    (same,) = generated_distance(videos=real, **arguments)
    assert same.value == same.control and same.n == 4 and "drawn by seed 0" in same.note
    dark = [(clip.frames.float() * 0.5).to(torch.uint8) for clip in clips]
    (row,) = generated_distance(videos=dark, **arguments)
    assert row.metric == "generated/fvd_25" and row.value > same.value
    short = arguments | {"real_videos": [frames[:40] for frames in real]}
    assert generated_distance(videos=dark, **short) == []
    told = {"lambda_audio": 0.5, "lambda_gaze": 1.0, "steps": 50}
    (grid, *_) = paper_grids([replace(row, stamp=row.stamp | told)], tables=[5])
    assert "FVD_25 i3d:0a1b2c3d ↓" in grid.header
    line = dict(
        zip(grid.header, next(x for x in grid.rows if x[:2] == ("0.5", "1.0")), strict=True)
    )
    assert line["FVD_25 i3d:0a1b2c3d ↓"].startswith(f"{row.value:.3f}")


def test_inceptions_name_and_hash(monkeypatch, tmp_path) -> None:
    install(monkeypatch, tmp_path, inception=PictureProbe())
    found = inception_features(device=CPU)
    assert found.unit == "FID" and found.judge is not None
    assert found.judge.startswith("inception:") and len(found.judge) == len("inception:") + 8
    assert found.of(torch.ones(2, 3, 8, 8))[:, 2].tolist() == [255.0, 255.0]
