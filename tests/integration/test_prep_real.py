"""`vasa prep` on a few real clips and on clips that cannot be used, with the frozen experts."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from vasa.cli import main
from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.data.shards import read_clip, read_index

CLIPS = {"ar00": "lrw_ar/ar00", "s1": "grid/s1"}
AWKWARD = {
    "no_audio": ["-an"],
    "silent": ["-af", "volume=0"],
    "no_face": ["-vf", "drawbox=t=fill:color=black"],
    "low_frame_rate": ["-r", "12"],
    "too_short": ["-t", "0.4"],
    "too_small": ["-vf", "scale=64:64,pad=512:512:220:220"],
    "several_faces": ["-vf", "split[a][b];[a][b]hstack"],
}


@pytest.fixture(scope="module")
def prepared(real_data_dir, weights_dir, tmp_path_factory):
    """Raw clips of two people and of every awkward kind, and the set made of them."""
    patch = pytest.MonkeyPatch()
    patch.setenv("VASA_WEIGHTS", str(weights_dir))
    root = tmp_path_factory.mktemp("prep")
    for speaker, folder in CLIPS.items():
        source = sorted((real_data_dir / folder).glob("*.m*"))[0]
        (root / "raw" / speaker).mkdir(parents=True)
        shutil.copy(source, root / "raw" / speaker)
    source = next((root / "raw" / "ar00").iterdir())
    bad = root / "raw" / "bad"
    bad.mkdir()
    for reason, words in AWKWARD.items():
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", source, *words, bad / f"{reason}.mp4"], check=True
        )
    (bad / "undecodable.mp4").write_bytes(source.read_bytes()[:5000])
    words = ["prep", f"input={root / 'raw'}", f"output={root / 'set'}", "size=64", "workers=0"]
    words += ["split.val=0", "split.test=0", "split.test_speakers=[s1]"]
    assert main(words) == 0
    yield root, words
    patch.undo()


def test_good_clips_are_whole(prepared):
    root, _ = prepared
    index = read_index(root / "set")
    assert sorted(index["speaker"]) == ["ar00", "s1"]
    assert dict(zip(index["speaker"], index["split"], strict=True)) == {
        "ar00": "train",
        "s1": "test",
    }
    for row in index.itertuples():
        clip = read_clip(root / "set", row)
        labels = clip.labels
        assert clip.frames.shape == (len(labels.pose), 64, 64, 3)
        assert len(clip.audio) == SAMPLES_PER_FRAME * len(clip.frames)
        assert labels.valid.all()
        assert (labels.landmarks > 0).all()
        assert (labels.landmarks < 64).all()
        assert np.abs(labels.pose[:, :3]).max() < np.radians(25)
        assert np.abs(labels.pose[:, 3:5]).max() < 0.3
        assert np.abs(labels.pose[:, 5]).max() < 0.15  # scale about 1
        assert labels.mouth[:, 0].min() < 0.05 < labels.mouth[:, 0].max() < 0.6
        assert 0.4 < labels.mouth[:, 1].mean() < 0.8
        np.testing.assert_allclose(labels.emotion.sum(axis=1), 1, atol=1e-3)
        chin, brows = labels.landmarks[:, 8, 1], labels.landmarks[:, 17:27, 1].mean(axis=1)
        assert ((chin - brows) / 64).mean() == pytest.approx(0.5, abs=0.1)


def test_every_awkward_clip_has_its_reason(prepared):
    root, _ = prepared
    dropped = pd.read_parquet(root / "set" / "dropped.parquet")
    found = {
        Path(key).name: reason for key, reason in dropped[["key", "reason"]].itertuples(index=False)
    }
    assert found == {name: name for name in (*AWKWARD, "undecodable")}
    assert (dropped["detail"].str.len() > 0).all()


def test_again_is_said_and_another_configuration_refused(prepared, capsys):
    root, words = prepared
    before = (root / "set" / "done.json").stat().st_mtime_ns
    assert main(words) == 0
    assert "already complete" in capsys.readouterr().out
    assert (root / "set" / "done.json").stat().st_mtime_ns == before
    assert main([*words, "clip.max_s=2"]) == 2
    assert "other settings" in capsys.readouterr().err
    facts = json.loads((root / "set" / "done.json").read_text())
    assert facts["summary"]["clips"] == {"train": 1, "test": 1}


def test_a_killed_run_goes_on(prepared, tmp_path, monkeypatch, capsys):
    import data_prep.write

    root, words = prepared
    raw = tmp_path / "raw" / "ar00"
    raw.mkdir(parents=True)
    for number in range(3):
        shutil.copy(next((root / "raw" / "ar00").iterdir()), raw / f"{number}.mp4")
    words = [
        *words[:1],
        f"input={raw.parent}",
        f"output={tmp_path / 'set'}",
        "size=64",
        "workers=0",
    ]
    real, calls = data_prep.write.prepare_clip, []

    def dies_at_the_third(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(data_prep.write, "prepare_clip", dies_at_the_third)
    assert main(words) == 130
    assert not (tmp_path / "set" / "done.json").exists()
    assert main(words) == 0
    assert len(calls) == 4
    assert "3 files, 1 of them in this run" in capsys.readouterr().out
    assert len(read_index(tmp_path / "set")) == 3
    assert not (tmp_path / "set" / ".work").exists()


def test_the_set_does_not_depend_on_partitions(prepared, tmp_path, capsys):
    root, words = prepared
    words = [word for word in words if not word.startswith("output=")] + [f"output={tmp_path}"]
    for index in (1, 0):
        assert main([*words, "partition.count=2", f"partition.index={index}"]) == 0
        assert "the same command with partition.count=1" in capsys.readouterr().out
        assert not (tmp_path / "index.parquet").exists()
    assert main(words) == 0
    assert "10 files, 0 of them in this run" in capsys.readouterr().out
    names = sorted(path.relative_to(root / "set") for path in (root / "set").rglob("*.tar"))
    assert names == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.tar"))
    for name in names:
        assert (tmp_path / name).read_bytes() == (root / "set" / name).read_bytes()
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "dropped.parquet"),
        pd.read_parquet(root / "set" / "dropped.parquet"),
    )


def test_measures_agree_with_the_labels_and_flip_with_the_picture(prepared):
    from vasa.evaluation.metrics.landmarks import frame_nme
    from vasa.pretrained.measure import FaceMeasure, IdentityEmbedding

    root, _ = prepared
    clips = [read_clip(root / "set", row) for row in read_index(root / "set").itertuples()]
    frames = np.concatenate([clip.frames[::10][:3] for clip in clips])
    pose = torch.from_numpy(np.concatenate([clip.labels.pose[::10][:3] for clip in clips]))
    image = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    measure = FaceMeasure()
    found = measure(image)
    assert (found.presence > 5).all()
    assert torch.rad2deg((found.pose - pose)[:, :3].abs()).mean() < 2.5
    flipped = measure(image.flip(-1)).pose
    mirrored = found.pose * torch.tensor([-1.0, 1, -1, -1, 1, 1])
    assert torch.rad2deg((flipped - mirrored)[:, :3].abs()).mean() < 2.5
    labelled = torch.from_numpy(np.concatenate([clip.labels.landmarks[::10][:3] for clip in clips]))
    assert found.landmarks is not None
    error = frame_nme(found.landmarks, labelled)
    assert error.mean() < 5
    assert frame_nme(found.landmarks, labelled.roll(3, dims=0)).mean() > 2 * error.mean()
    likeness = found.identity @ found.identity.T
    assert likeness[:3, :3].min() > likeness[:3, 3:].max()
    assert (measure(torch.rand(2, 3, 64, 64)).presence < 0).all()
    assert not list(measure.parameters())
    assert not measure.state_dict()

    crops = image.clone().requires_grad_()
    embedding = IdentityEmbedding()(crops)
    torch.testing.assert_close(embedding.norm(dim=-1), torch.ones(6))
    similarity = embedding @ embedding.T
    assert similarity[:3, :3].min() > similarity[:3, 3:].max()
    similarity[0, 3].backward()
    assert crops.grad is not None
    assert crops.grad[0].abs().sum() > 0
    assert crops.grad[1].abs().sum() == 0


def test_missing_weights_are_one_line_and_exit_code_2(prepared, tmp_path, monkeypatch, capsys):
    root, _ = prepared
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["prep", f"input={root / 'raw'}", f"output={tmp_path / 'set'}"]) == 2
    error = capsys.readouterr().err
    assert "face_detect.pt" in error
    assert "Apache-2.0" in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("input=/nowhere", "expected a folder of clips"),
        ("size=63", "even size"),
        ("workers=-1", "workers of at least 0"),
        ("partition.index=1", "partition.index from 0"),
        ("data=lrs2", "expected data to be one of"),
        ("split.test_speakers=[nobody]", "nobody"),
        ("split.val=0.7", "at most 1"),
        ("sync.rule=guess", "record, drop, shift"),
        ("clip.min_s=20", "clip.max_s"),
        ("label.landmarks=fan", "mesh or face_alignment"),
        ("sync.model=/nowhere", "no model at"),
    ],
)
def test_mistakes_are_one_line(prepared, tmp_path, capsys, word, said):
    root, _ = prepared
    words = ["prep", f"input={root / 'raw'}", f"output={tmp_path / 'set'}", "split.test=0.5", word]
    assert main(words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
