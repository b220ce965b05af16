"""The protocol that compares methods: constructed readings, and a tiny run through the codec."""

from dataclasses import replace

import pytest
import torch

from vasa.evaluation.frame_features import FrameFeatures
from vasa.evaluation.methods.method import Motion, back_and_forth, clip_seed
from vasa.evaluation.methods.motion_library import LibraryClip, MotionLibrary
from vasa.evaluation.methods.ours import Shuffled
from vasa.evaluation.methods.random_motion import RandomMotion
from vasa.evaluation.methods.retrieval import Retrieval
from vasa.evaluation.methods.ridge import Ridge
from vasa.evaluation.methods.speech import SpeechWindows
from vasa.evaluation.methods.still import Still
from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.protocols.distance_rows import frames_kind, motion_kind
from vasa.evaluation.protocols.methods import methods
from vasa.evaluation.results import Bootstrap
from vasa.evaluation.video_readings import VideoReadings

SPEECH = SpeechWindows(num_mels=8, context_frames=1)
FEATURES = FrameFeatures(
    name="effnet-lite0", of=torch.flatten, unit="FD(effnet-lite0)", judge="effnet-lite0:0a1b2c3d"
)
BOOTSTRAP = Bootstrap(num_resamples=200, seed=0)
NUM_FRAMES, NUM_CLIPS = 60, 8


def readings(seed: int, *, follows: float, sync: float, trembles: float = 0.0) -> VideoReadings:
    """A video whose mouth follows the truth so far, with a dip of `sync` at the true offset."""
    draw = torch.Generator().manual_seed(seed)
    truth = torch.randn(NUM_FRAMES, generator=draw).cumsum(0) / 4
    other = torch.randn(NUM_FRAMES, generator=draw).cumsum(0) / 4
    noise = torch.randn(NUM_FRAMES, 6, generator=draw)
    turns = torch.sin(torch.arange(NUM_FRAMES) / 6 + seed)[:, None] * 0.1
    distances = torch.ones(31, dtype=torch.float64)
    distances[15] -= sync
    return VideoReadings(
        pose=turns + trembles * noise,
        mouth=torch.stack((follows * truth + (1 - follows) * other, truth), dim=1),
        lips=(follows * truth + (1 - follows) * other)[:, None, None].expand(-1, 20, 2) / 10,
        gaze=noise[:, :2],
        blink=noise[:, 2],
        presence=torch.ones(NUM_FRAMES),
        likeness=torch.full((NUM_FRAMES,), 0.9, dtype=torch.float64),
        features=torch.randn(NUM_FRAMES // 3, 4, generator=draw) + trembles,
        inception=torch.zeros(0, 1),
        clips=torch.zeros(2, 0, 1),
        shift_distances=distances,
        capp=torch.tensor(torch.nan),
        truth=truth,
        valid=torch.ones(NUM_FRAMES, dtype=torch.bool),
    )


QUALITY = {
    "real": (1.0, 0.5),
    "ours": (0.9, 0.4),
    "retrieval": (0.5, 0.2),
    "ridge": (0.6, 0.2),
    "still": (0.0, 0.0),
    "shuffled": (0.05, 0.1),
}


def compared(quality=QUALITY, **changes) -> list[MethodReadings]:
    return [
        MethodReadings(
            name=name,
            videos={
                f"c{clip}": [readings(clip, follows=follows, sync=sync + 0.001 * clip)]
                for clip in range(NUM_CLIPS)
            },
            **changes,
        )
        for name, (follows, sync) in quality.items()
    ]


def rows_of(found, **changes):
    arguments = {
        "split": "test",
        "weights": {"syncnet": "own:abcd1234"},
        "distances": [frames_kind(FEATURES), motion_kind(10)],
        "bootstrap": BOOTSTRAP,
    }
    rows = methods(readings=found, **(arguments | changes))
    assert len({row.metric for row in rows}) == len(rows)
    return {row.metric: row for row in rows}


def test_constructed_methods_are_ranked_and_weights_named():
    rows = rows_of(compared())
    assert {name for name in rows if name.startswith("ranking/")} == {
        *("ranking/sync_confidence", "ranking/sync_distance", "ranking/mouth_correlation"),
        *("ranking/frechet_frames", "ranking/frechet_motion"),
    }
    assert all(rows[f"ranking/{name}"].value == 1 for name in ("sync_confidence", "sync_distance"))
    confidence = rows["methods/ours/sync_confidence"]
    assert confidence.value == pytest.approx(0.4 + 0.001 * 3.5)
    assert confidence.control == pytest.approx(0.5 + 0.001 * 3.5)
    assert confidence.stamp["syncnet"] == "own:abcd1234" and len(confidence.clip_values) == 8
    assert "syncnet" not in rows["methods/ours/jitter"].stamp
    assert "methods/ours/capp" not in rows, "nobody scored it"
    less = rows["methods/still/sync_confidence_minus_ours"]
    assert less.value == pytest.approx(-0.4) and less.ci_high < 0
    assert less.stamp["p_value"] == pytest.approx(2 / 2**NUM_CLIPS)
    assert rows["methods/real/frechet_frames"].value < 1
    frames = rows["methods/still/frechet_frames"]
    assert frames.unit == "FD(effnet-lite0)" and "80 rows against 80" in frames.note
    assert frames.stamp["features"] == "effnet-lite0:0a1b2c3d" and "not FID" in frames.note
    assert "204 rows against 204" in rows["methods/still/frechet_motion"].note


def test_a_score_by_which_videos_pass_real_ones_is_called_unfit():
    rows = rows_of(compared(QUALITY | {"ours": (0.9, 0.6)}))
    failed = rows["ranking/sync_confidence"]
    assert failed.value == 0 and "real does not lead ours (-0.100" in failed.note
    assert rows["ranking/mouth_correlation"].value == 1


def test_lips_are_compared_with_the_real_videos():
    found = compared({"real": (1.0, 0.5)})
    aside = {
        key: [replace(videos[0], lips=videos[0].lips + torch.tensor([0.03, 0.04]))]
        for key, videos in found[0].videos.items()
    }
    rows = rows_of([*found, MethodReadings(name="aside", videos=aside)])
    assert rows["methods/aside/lip_distance"].value == pytest.approx(5.0, rel=1e-5)
    assert rows["methods/aside/lip_velocity_error"].value == pytest.approx(0, abs=1e-4)
    assert "methods/real/lip_distance" not in rows, "it is what others are compared with"

    rows = rows_of(compared())
    errors = [
        rows[f"methods/{name}/lip_velocity_error"].value for name in QUALITY if name != "real"
    ]
    assert errors[0] == min(errors) and errors[-1] > 3 * errors[0]
    blind = [replace(one, videos=without_lips(one.videos)) for one in compared()]
    assert not any("lip_" in name for name in rows_of(blind))


def without_lips(videos):
    none = torch.zeros(0, 20, 2)
    return {key: [replace(one, lips=none) for one in group] for key, group in videos.items()}


def test_trembling_shows_as_jitter_and_in_the_distance_of_motion():
    found = compared({"real": (1.0, 0.5)})
    shaken = [
        MethodReadings(
            name="shaken",
            videos={
                key: [readings(int(key[1:]), follows=1.0, sync=0.5, trembles=0.3)]
                for key in found[0].videos
            },
        )
    ]
    rows = rows_of(found + shaken)
    assert rows["methods/shaken/jitter"].value > 3 * rows["methods/real/jitter"].value
    for name in ("frechet_motion", "frechet_frames"):
        row = rows[f"methods/shaken/{name}"]
        floor = rows[f"methods/real/{name}"].value
        assert row.control == floor and row.value > 1.2 * floor
        assert 0 <= row.ci_low < row.value < row.ci_high
        assert rows[f"ranking/{name}"].value == 1
    same = rows_of(found + [replace(found[0], name="copy")])
    assert same["ranking/frechet_frames"].value == 0
    assert "copy" in same["ranking/frechet_frames"].note


def test_samples_are_averaged_and_missing_clips_told():
    real, ours = compared({"real": (1.0, 0.5), "ours": (0.9, 0.4)})
    ours.videos["c0"].append(readings(0, follows=0.9, sync=0.2))
    del ours.videos["c7"]
    ours.missing["c7"] = "no file"
    rows = rows_of([real, ours])
    row = rows["methods/ours/sync_confidence"]
    assert row.n == 7 and row.clip_values[0] == pytest.approx(0.3)
    assert "1 of 8 clips not scored: 1 no file (c7)" in row.note
    assert rows["methods/real/sync_confidence_minus_ours"].n == 7


def test_seeds_and_ways_there_and_back():
    assert clip_seed(0, "a") == clip_seed(0, "a") != clip_seed(1, "a")
    assert clip_seed(0, "a", 1) != clip_seed(0, "a") != clip_seed(0, "b")
    assert back_and_forth(3, 8) == [0, 1, 2, 1, 0, 1, 2, 1]
    assert back_and_forth(1, 3) == [0, 0, 0]


@pytest.fixture(scope="module")
def library(world) -> MotionLibrary:
    """Motion that is the mean energy of its frame's speech, and its opposite."""
    clips = []
    for number in range(4):
        clip = world.make_clip(person=number, seed=number, split="train")
        speech = SPEECH.frames(clip.audio * (1 + 3 * torch.rand(len(clip.audio)).round()))
        level = speech.mean(dim=1, keepdim=True)
        clips.append(
            LibraryClip(
                key=clip.key,
                speaker=clip.speaker,
                speech=speech,
                motion=torch.cat((level, -level), 1),
            )
        )
    return MotionLibrary(train=clips[:3], val=clips[3:])


def test_retrieval_finds_the_clip_itself(world, library):
    method = Retrieval(library=lambda: library, speech=SPEECH, window_frames=4, facts={})
    clip = world.make_clip(person=5, seed=50)
    speech = SPEECH.frames(clip.audio)
    level = speech.mean(dim=1, keepdim=True)
    own = LibraryClip(key="own", speaker="x", speech=speech, motion=torch.cat((level, -level), 1))
    full = MotionLibrary(train=[*library.train, own], val=[])
    found = Retrieval(library=lambda: full, speech=SPEECH, window_frames=4, facts={})(
        clip, sample=0
    )
    inner = slice(4, -4)
    assert torch.allclose(found.motion[inner], own.motion[inner], atol=1e-5)
    assert method(clip, sample=0).motion.shape == (len(clip.frames), 2)


def test_ridge_learns_a_linear_rule(world, library):
    method = Ridge(library=lambda: library, speech=SPEECH, facts={})
    clip = world.make_clip(person=5, seed=50)
    level = SPEECH.frames(clip.audio).mean(dim=1)
    found = method(clip, sample=0).motion
    assert torch.corrcoef(torch.stack((found[:, 0], level)))[0, 1] > 0.99
    assert torch.corrcoef(torch.stack((found[:, 1], level)))[0, 1] < -0.99


def test_random_motion_is_a_training_clips_and_stays(world, library):
    method = RandomMotion(library=lambda: library, seed=0, facts={})
    clip = world.clips[0]
    first, again = (method(clip, sample=0) for _ in range(2))
    assert isinstance(first, Motion) and torch.equal(first.motion, again.motion)
    assert any(torch.equal(first.motion, one.motion[:40]) for one in library.train)


def test_still_and_shuffled(world):
    clip = world.clips[0]
    still = Still()(clip, sample=0).frames
    assert len(still) == len(clip.frames) and (still == still[0]).all()
    heard = []

    def talk(image, audio, seed, /, wish=None):
        heard.append(audio)
        return clip.frames

    short = replace(world.clips[1], audio=world.clips[1].audio[:6400]).audio
    method = Shuffled(
        sound_for=lambda key: short,
        partners={clip.key: "other"},
        talker=lambda: talk,
        seed=0,
        facts={},
    )
    method(clip, sample=0)
    assert torch.equal(heard[0][:6400], short) and torch.equal(heard[0][6400:12800], short)
    assert len(heard[0]) == len(clip.audio)
