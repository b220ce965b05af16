"""The steps of `vasa prep` do what docs/preparation.md says: one run over a folder of movies."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from awkward_files import placed, write_movie
from PIL import Image

from data_prep.synth.clip import ClipSpec, make_clip
from data_prep.synth.render import Renderer
from data_prep.synth.state import FaceState
from vasa.cli import main
from vasa.data.controls import head_distance, main_gaze, mean_emotion
from vasa.data.schema import FPS, SAMPLES_PER_FRAME
from vasa.data.shard_members import read_members
from vasa.data.shards import read_clip, read_index, read_labels

FACE_PX, SMALL_PX, RIVAL_PX, WIDE_PX = 224, 150, 120, 560
ONE, OTHER = 1, 6
"""Two drawn people whose embeddings lie far apart (for drawn ones)."""
CUT_AT, LENGTH = 34, 68
IDENTITY_SPREAD = 0.45
"""Drawn people are more alike than real ones: these two are 0.58 apart, and within a clip of one it
is up to 0.33."""
SHARD_MB = 0.06


def _spoken(person: int, num: int) -> tuple[np.ndarray, np.ndarray]:
    """A drawn person's pictures and sound of `num` frames."""
    spec = ClipSpec(split="train", person=person, clip=0, size=FACE_PX, seconds=num / FPS, seed=3)
    clip = make_clip(spec)
    return clip.frames, clip.audio


def _turned(person: int, num: int, *, yaw_deg: float) -> np.ndarray:
    who = ClipSpec(split="train", person=person, clip=0, size=FACE_PX, seconds=1, seed=3).identity()
    pose = np.array([np.radians(yaw_deg), 0, 0, 0, 0, 0], np.float32)
    return np.repeat(
        Renderer(who=who, size=FACE_PX).render(FaceState(pose=pose)).image[None], num, 0
    )


def _with_rival(heads: np.ndarray, rivals: np.ndarray, *, start: int, num: int) -> np.ndarray:
    """A head, far beside which another one is seen in `num` frames.

    In so wide a picture the other's coming and going is no cut.
    """

    def shrunk(pictures: np.ndarray, size: int) -> list[np.ndarray]:
        return [np.asarray(Image.fromarray(p).resize((size, size))) for p in pictures]

    empty = np.full((len(heads), 2, 2, 3), 110, np.uint8)
    near = np.stack(shrunk(heads, SMALL_PX))
    both = placed([near, np.stack(shrunk(rivals[: len(heads)], RIVAL_PX))], width=WIDE_PX)
    pictures = placed([near, empty], width=WIDE_PX)
    pictures[start : start + num] = both[start : start + num]
    return pictures


def _dissolved(first: np.ndarray, second: np.ndarray, *, at: int, num: int) -> np.ndarray:
    weight = np.clip((np.arange(len(first)) - at) / num, 0, 1)[:, None, None, None]
    return ((1 - weight) * first + weight * second).round().astype(np.uint8)


def _blocks(pictures: np.ndarray) -> np.ndarray:
    """Half of what is seen enlarged from a picture of an eighth of the size."""
    num, height, width, _ = pictures.shape
    coarse = pictures.reshape(num, height // 8, 8, width // 8, 8, 3).mean(axis=(2, 4))
    large = coarse.repeat(8, axis=1).repeat(8, axis=2)
    return (0.5 * pictures + 0.5 * large).round().astype(np.uint8)


def _write_movies(raw: Path) -> None:
    heads, sound = _spoken(ONE, 120)
    others, _ = _spoken(OTHER, LENGTH)
    one, other = placed([heads]), placed([others])
    rng = np.random.default_rng(0)

    def movie(name: str, pictures: np.ndarray, heard: np.ndarray = sound, **how: Any) -> None:
        folder = raw / name
        folder.mkdir(parents=True)
        heard = heard[: len(pictures) * SAMPLES_PER_FRAME]
        write_movie(folder / "take.mkv", pictures, heard, sound_codec="pcm_s16le", **how)

    fine: dict[str, Any] = {"coding": {"crf": "12"}}
    movie("plain", one[:40])
    movie("cut", np.concatenate((one[:CUT_AT], other[CUT_AT:])))
    movie("dissolve", _dissolved(one[:LENGTH], other, at=CUT_AT - 5, num=10))
    movie("same", one[:LENGTH])
    rivals = np.concatenate((others, others))
    movie("rival_0.4_s", _with_rival(heads[:45], rivals, start=14, num=10))
    movie("rival_2_s", _with_rival(heads, rivals, start=30, num=50))
    movie("turned", placed([_turned(ONE, 30, yaw_deg=45)]))
    movie("facing", placed([_turned(ONE, 30, yaw_deg=20)]))
    noise = 0.1 * rng.normal(size=len(sound)).astype(np.float32)
    movie("noise", one[:30], noise)
    movie("clipped", one[:40], np.clip(30 * sound, -1, 1))
    movie("loud", one[:40], sound / np.abs(sound).max() * 0.95)
    movie("blocky", _blocks(one[:30]), **fine)
    movie("fine", one[:30], **fine)


class Prepared:
    """The set made of the movies; a movie's speaker is its name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = read_index(root)
        self.dropped = pd.read_parquet(root / "dropped.parquet")

    def rows(self, name: str) -> list[Any]:
        """Rows of a movie's clips."""
        return list(self.index[self.index["speaker"] == name].itertuples())

    def details(self, name: str) -> list[dict[str, Any]]:
        """The clips' `json`, in order."""
        return [json.loads(read_members(self.root, row)["json"]) for row in self.rows(name)]

    def stretches(self, name: str) -> list[tuple[int, int]]:
        """First frame and the one after the last of each clip."""
        return [(d["first_frame"], d["first_frame"] + d["frames"]) for d in self.details(name)]

    def reasons(self, name: str) -> list[str]:
        """Why parts of a movie, or all of it, were left out."""
        is_its = self.dropped["key"].str.startswith(f"{name}/")
        return list(self.dropped["reason"][is_its])


@pytest.fixture(scope="module")
def words(weights_dir, tmp_path_factory):
    root = tmp_path_factory.mktemp("steps")
    _write_movies(root / "raw")
    patch = pytest.MonkeyPatch()
    patch.setenv("VASA_WEIGHTS", str(weights_dir))
    yield [
        *("prep", f"input={root / 'raw'}", f"output={root / 'set'}", "size=96", "workers=0"),
        *("split.val=0", "split.test=0", f"shard_mb={SHARD_MB}", "clip.max_outside=0.4"),
        *("face.max_yaw_deg=35", f"face.max_identity_spread={IDENTITY_SPREAD}"),
        *("sound.min_speech_share=0.2", "picture.max_blockiness=1.5"),
    ]
    patch.undo()


@pytest.fixture(scope="module")
def prepared(words) -> Prepared:
    assert main(words) == 0
    root = Path(words[2].removeprefix("output="))
    return Prepared(root)


def test_a_cut_ends_a_clip(prepared):
    assert prepared.stretches("cut") == [(0, CUT_AT), (CUT_AT, LENGTH)]
    assert prepared.stretches("same") == [(0, LENGTH)]
    for row, (start, stop) in zip(prepared.rows("cut"), prepared.stretches("cut"), strict=True):
        assert row.frames == stop - start
        assert len(read_clip(prepared.root, row).frames) == stop - start


def test_no_clip_shows_one_person_becoming_another(prepared):
    """A dissolve is no cut: the embeddings tell."""
    assert prepared.reasons("dissolve") == ["identity_changes"]
    assert prepared.stretches("dissolve") == []
    assert prepared.rows("same")[0].identity_spread < IDENTITY_SPREAD


def test_another_head_is_borne_for_a_moment_only(prepared):
    assert prepared.stretches("rival_0.4_s") == [(0, 45)]
    assert prepared.reasons("rival_0.4_s") == []
    clips = prepared.stretches("rival_2_s")
    assert len(clips) == 2
    assert clips[0][0] == 0
    assert clips[0][1] <= 30
    assert clips[1][0] >= 80
    assert clips[1][1] == 120
    assert prepared.reasons("rival_2_s") == ["several_faces"]


def test_a_head_turned_too_far_is_left_out(prepared):
    assert prepared.reasons("turned") == ["extreme_pose"]
    assert prepared.stretches("turned") == []
    (row,) = prepared.rows("facing")
    assert row.yaw_deg == pytest.approx(20, abs=3)


def test_sound_must_be_speech_that_is_not_clipped(prepared):
    assert prepared.reasons("noise") == ["no_speech"]
    assert prepared.reasons("clipped") == ["clipped_sound"]
    (row,) = prepared.rows("loud")
    assert row.clipped_share == 0
    assert row.speech_share > 0.5
    assert row.level_db > -30


def test_pictures_enlarged_from_blocks_are_left_out(prepared):
    assert prepared.reasons("blocky") == ["low_quality"]
    assert "blockiness" in prepared.dropped.set_index("reason")["detail"]["low_quality"]
    (row,) = prepared.rows("fine")
    assert row.blockiness < 1.2


def test_a_clip_says_what_its_labels_say_and_what_made_them(prepared):
    (row,) = prepared.rows("plain")
    (details,) = prepared.details("plain")
    labels = read_labels(read_members(prepared.root, row)["npz"])
    assert labels.valid.all()
    for name, expected in (
        ("main_gaze", main_gaze(labels.gaze)),
        ("head_distance", head_distance(labels.pose)),
        ("mean_emotion", mean_emotion(labels.emotion)),
    ):
        np.testing.assert_allclose(details[name], expected, rtol=1e-5, atol=1e-6)
    assert len(details["mean_emotion"]) == 8
    assert sum(details["mean_emotion"]) == pytest.approx(1, abs=1e-3)
    made_by = details["made_by"]
    assert made_by["sync"] is None
    for name in ("landmarks", "pose", "gaze", "mouth", "blink", "emotion", "identity_spread"):
        assert ":" in made_by[name]
    assert "silero" in made_by["speech_share"]
    assert details["prep_version"].startswith("prep-")
    assert details["first_frame"] == 0
    assert details["sound_shift_frames"] == 0


def test_the_index_holds_the_measures_of_each_clip(prepared):
    wanted = {"brightness", "blockiness", "bits_per_pixel", "sharpness", "level_db", "speech_share"}
    wanted |= {"clipped_share", "identity_spread", "yaw_deg", "pitch_deg", "roll_deg"}
    wanted |= {"gaze_theta_deg", "gaze_phi_deg", "head_distance"}
    for row in prepared.index.itertuples():
        details = json.loads(read_members(prepared.root, row)["json"])
        assert set(details["measures"]) == wanted
        assert {name: getattr(row, name) for name in wanted} == details["measures"]


def test_a_tar_that_reached_its_size_is_full(prepared):
    """The clip that fills a tar still goes into it; none is begun beyond."""
    sizes = prepared.index.groupby("shard")["size"].agg(["sum", "max"])
    assert len(sizes) > 2
    for _, row in sizes.iloc[:-1].iterrows():
        assert row["sum"] >= SHARD_MB * 2**20
        assert row["sum"] - row["max"] < SHARD_MB * 2**20
    assert sizes["sum"].sum() == prepared.index["size"].sum()


@pytest.mark.parametrize("weights", ["", "nowhere.zip"])
def test_fan_without_its_file_is_one_line(words, prepared, tmp_path, capsys, weights):
    more = [f"output={tmp_path / 'set'}", "label.landmarks=face_alignment"]
    if weights:
        more.append(f"label.landmarks_weights={tmp_path / weights}")
    kept = [word for word in words if not word.startswith("output=")]
    assert main([*kept, *more]) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert "2DFAN4" in error or weights in error
    assert not (tmp_path / "set").exists()
