"""`vasa encode` from end to end with a random stage 1."""

import pytest
from small_faces import write_small_faces
from small_runs import save_small_runs

from vasa.cli import main
from vasa.data.motion_shards import MotionSetInfo
from vasa.data.shards import read_index
from vasa.models.checkpoint import model_hash


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_small_faces(root / "faces", num_frames=5)
    return save_small_runs(root)


def encode(world, *overrides):
    words = [f"data={world}/faces", f"stage1={world}/stage1", f"output={world}/motion"]
    words = [
        word for word in words if word.split("=")[0] not in {o.split("=")[0] for o in overrides}
    ]
    return main(["encode", *words, "num_threads=1", *overrides])


def test_encodes_once_and_carries_the_hash(world, capsys):
    assert encode(world) == 0
    assert MotionSetInfo.read(world / "motion").stage1_hash == model_hash(world / "stage1")
    assert len(read_index(world / "motion")) == len(read_index(world / "faces"))
    stamps = {path: path.stat().st_mtime_ns for path in (world / "motion").rglob("*")}
    capsys.readouterr()
    assert encode(world) == 0
    assert "already complete" in capsys.readouterr().out
    assert stamps == {path: path.stat().st_mtime_ns for path in (world / "motion").rglob("*")}


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("data={0}/none", "index.parquet"),
        ("stage1={0}/none", "no model at"),
        ("audio_encoder=loudness", "log_mel"),
        ("audio_encoder.num_mels=40", "another output"),
        ("stage1={0}/expert", "another output"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(world, capsys, override, word):
    assert encode(world) == 0
    capsys.readouterr()
    assert encode(world, override.format(world)) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("vasa:") and word in lines[0], lines


def test_a_run_of_another_stage_is_refused(world, tmp_path, capsys):
    assert encode(world, f"stage1={world}/expert", f"output={tmp_path}/new") == 2
    assert "expected a stage-1 run" in capsys.readouterr().err
