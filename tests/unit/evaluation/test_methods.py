"""The protocol that compares methods: constructed readings, and a tiny run through the codec."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from vasa.evaluation.frame_features import FrameFeatures
from vasa.evaluation.methods.method import Motion, back_and_forth, clip_seed
from vasa.evaluation.methods.motion_library import LibraryClip
from vasa.evaluation.methods.ours import Shuffled
from vasa.evaluation.methods.random_motion import RandomMotion
from vasa.evaluation.methods.retrieval import Retrieval
from vasa.evaluation.methods.ridge import Moments, Ridge, fit_leaving_people_out
from vasa.evaluation.methods.speech import SpeechWindows
from vasa.evaluation.methods.still import Still
from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.protocols.distance_rows import frames_kind, motion_kind
from vasa.evaluation.protocols.method_scores import SCORES
from vasa.evaluation.protocols.methods import methods
from vasa.evaluation.results import Bootstrap
from vasa.evaluation.video_readings import VideoReadings
from vasa.types import InputError

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
        "speakers": {f"c{clip}": f"p{clip}" for clip in range(NUM_CLIPS)},
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
        *("ranking/lip_distance", "ranking/lip_velocity_error"),
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


def test_lip_errors_are_ranked_without_real_and_unfit_where_a_still_mouth_wins():
    rows = rows_of(compared())
    for name in ("lip_distance", "lip_velocity_error"):
        row = rows[f"ranking/{name}"]
        assert row.value == 1 and row.higher_is_better
        assert row.note.startswith("ours > retrieval, ridge > still, shuffled; 6 of 6 steps hold")
    worse = {"ours": (0.2, 0.4), "retrieval": (0.1, 0.2), "ridge": (0.15, 0.2)}
    found = compared(QUALITY | worse)
    still = next(one for one in found if one.name == "still")
    for key, videos in still.videos.items():
        still.videos[key] = [replace(videos[0], lips=videos[0].lips[:1].expand(NUM_FRAMES, -1, -1))]
    failed = rows_of(found)["ranking/lip_velocity_error"]
    assert failed.value == 0 and "not scored" not in failed.note
    assert "retrieval does not lead still" in failed.note
    assert "ridge does not lead still" in failed.note


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


def test_scores_of_a_video_are_what_their_formulas_say():
    video, real = readings(3, follows=0.7, sync=0.3), readings(4, follows=0.9, sync=0.5)
    pose, mouth = video.pose.double().numpy(), video.mouth.double().numpy()
    turns = Rotation.from_euler("ZYX", pose[:, [2, 0, 1]])
    second = np.degrees(np.diff(pose[:, :3], n=2, axis=0))
    lips, others = video.lips.double().numpy(), real.lips.double().numpy()
    steps = np.diff(lips, axis=0) - np.diff(others, axis=0)
    distances = video.shift_distances.numpy()
    expected = {
        "sync_confidence": np.median(distances) - distances.min(),
        "sync_distance": distances.min(),
        "pose_variation_deg": np.degrees((turns[:-1].inv() * turns[1:]).magnitude()).mean(),
        "mouth_correlation": np.corrcoef(mouth[:, 0], video.truth.numpy())[0, 1],
        "lip_distance": 100 * np.linalg.norm(lips - others, axis=-1).mean(),
        "lip_velocity_error": 100 * np.linalg.norm(steps, axis=-1).mean(),
        "identity_similarity": 0.9,
        "jitter": np.sqrt((second**2).sum(axis=1).mean()),
        "mouth_jitter": np.sqrt((np.diff(mouth, n=2, axis=0) ** 2).sum(axis=1).mean()),
    }
    found = {name: score.of([video], real) for name, score in SCORES.items()}
    assert np.isnan(found.pop("capp"))
    assert found == pytest.approx(expected, rel=1e-5)
    directions = {name: score.higher_is_better for name, score in SCORES.items()}
    up, down = (
        {"sync_confidence", "capp", "mouth_correlation", "identity_similarity"},
        {*("sync_distance", "lip_distance", "lip_velocity_error")},
    )
    assert {name for name, way in directions.items() if way} == up
    assert {name for name, way in directions.items() if way is False} == down


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


def test_clips_of_one_person_are_drawn_together():
    found = compared()
    alone = rows_of(found)
    twice = [
        MethodReadings(
            name=one.name,
            videos=one.videos | {f"again-{key}": videos for key, videos in one.videos.items()},
        )
        for one in found
    ]
    speakers = {f"{again}c{clip}": f"p{clip}" for again in ("", "again-") for clip in range(8)}
    rows = rows_of(twice, speakers=speakers)
    for name in ("methods/ours/sync_confidence", "methods/still/jitter_minus_ours"):
        row, one = rows[name], alone[name]
        assert (row.n, row.n_people) == (16, 8) and (one.n, one.n_people) == (8, None)
        assert (row.value, row.ci_low, row.ci_high) == pytest.approx(
            (one.value, one.ci_low, one.ci_high)
        )
        assert row.stamp.get("p_value") == one.stamp.get("p_value")
    assert rows["methods/ours/frechet_frames"].n_people == 8
    strangers = rows_of(twice, speakers={key: key for key in speakers})
    name = "methods/ours/mouth_correlation"
    width, narrow = (r[name].ci_high - r[name].ci_low for r in (rows, strangers))
    assert narrow < 0.85 * width


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
def library(world) -> list[LibraryClip]:
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
                valid=torch.ones(len(level), dtype=torch.bool),
            )
        )
    return clips


def test_retrieval_finds_the_clip_itself(world, library):
    method = Retrieval(library=lambda: library, speech=SPEECH, window_frames=4, facts={})
    clip = world.make_clip(person=5, seed=50)
    speech = SPEECH.frames(clip.audio)
    level = speech.mean(dim=1, keepdim=True)
    own = LibraryClip(
        key="own",
        speaker="x",
        speech=speech,
        motion=torch.cat((level, -level), 1),
        valid=torch.ones(len(level), dtype=torch.bool),
    )
    full = [*library, own]
    found = Retrieval(library=lambda: full, speech=SPEECH, window_frames=4, facts={})(
        clip, sample=0
    )
    inner = slice(4, -4)
    assert torch.allclose(found.motion[inner], own.motion[inner], atol=1e-5)
    assert method(clip, sample=0).motion.shape == (len(clip.frames), 2)


def test_ridge_learns_a_linear_rule(world, library):
    method = Ridge(library=lambda: library, speech=SPEECH, num_folds=5, facts={})
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
    assert any(torch.equal(first.motion, one.motion[:40]) for one in library)


def mistracked(clip: LibraryClip, *, where: slice) -> LibraryClip:
    """The clip with wild motion in frames that are marked as not valid."""
    motion, valid = clip.motion.clone(), clip.valid.clone()
    motion[where], valid[where] = 1e3, False
    return replace(clip, motion=motion, valid=valid)


def test_frames_that_were_not_tracked_give_no_motion(world, library):
    wild = [mistracked(one, where=slice(12, 15)) for one in library]
    clip = world.make_clip(person=5, seed=50)
    given = {"library": lambda: wild, "facts": {}}
    for method in (
        RandomMotion(seed=0, **given),
        Retrieval(speech=SPEECH, window_frames=4, **given),
        Ridge(speech=SPEECH, num_folds=5, **given),
    ):
        assert method(clip, sample=0).motion.abs().max() < 100, method.name
    assert torch.equal(wild[0].longest_run(), library[0].motion[15:])
    nowhere = [mistracked(one, where=slice(None, None, 3)) for one in library]
    with pytest.raises(InputError, match="4 tracked frames in a row"):
        Retrieval(library=lambda: nowhere, speech=SPEECH, window_frames=4, facts={})(clip, sample=0)


def spoken(person: int, *, frames: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Speech `t 12`, and motion `t 3`: two parts tell it in noise, one does not, levels differ."""
    draw = torch.Generator().manual_seed(person)
    speech = torch.randn(frames, 12, generator=draw).double() + 3 * torch.randn(12, generator=draw)
    rule = torch.randn(12, 2, generator=torch.Generator().manual_seed(99)).double()
    told = speech @ rule + torch.randn(frames, 2, generator=draw)
    level = 20 * torch.randn(3, generator=draw)
    return speech, torch.cat((told, torch.randn(frames, 1, generator=draw)), dim=1) + level


def test_ridge_of_few_people_keeps_the_spread_of_motion():
    people = {f"p{person}": Moments.of(*spoken(person)) for person in range(3)}
    weights = fit_leaving_people_out(people, num_folds=5)
    speech, motion = spoken(50)
    found = (speech - speech.mean(dim=0)) @ weights
    truth = motion - motion.mean(dim=0)
    r = [
        float(torch.corrcoef(torch.stack(pair))[0, 1])
        for pair in zip(found.T, truth.T, strict=True)
    ]
    assert min(r[:2]) > 0.9
    ratio = found.std(dim=0) / truth.std(dim=0)
    assert 0.85 < ratio[:2].min() and ratio[:2].max() < 1.1 and ratio[2] < 0.15
    with pytest.raises(InputError, match="two people or more"):
        fit_leaving_people_out({"p0": people["p0"]}, num_folds=5)


def test_ridge_weights_solve_the_normal_equations():
    speech, motion = spoken(0)
    moments = Moments.of(speech, motion)
    s, m = speech - speech.mean(dim=0), motion - motion.mean(dim=0)
    unit = s / s.std(dim=0, correction=0)
    for alpha, weights in zip((0.1, 10.0), moments.weights((0.1, 10.0)), strict=True):
        rows = torch.cat((unit, (alpha * len(s)) ** 0.5 * torch.eye(12)))
        expected = torch.linalg.lstsq(rows, torch.cat((m, torch.zeros(12, 3)))).solution
        torch.testing.assert_close(s @ weights, unit @ expected)
        errors = moments.errors(weights[None])[0]
        torch.testing.assert_close(errors, (m - s @ weights).square().sum(dim=0))


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
