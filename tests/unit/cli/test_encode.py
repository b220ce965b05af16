"""`vasa encode` from end to end with a random stage 1."""

import json
import shutil

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
        ("partition.index=1", "partition.index from 0"),
        ("partition.count=two", "partition.count"),
        ("max_bad_share=2", "from 0 to 1"),
        ("max_bad_share=few", "max_bad_share"),
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


def test_partitions_write_the_set_of_one_run(world, tmp_path, capsys):
    """How it was divided is no part of what the set was made from."""
    assert encode(world) == 0
    parts = f"output={tmp_path}/motion"
    capsys.readouterr()
    assert encode(world, parts, "partition.count=2") == 0
    said = capsys.readouterr().out
    assert "partition 0 of 2: 2 of 4 shards" in said and "last partition finishes" in said
    assert (tmp_path / "motion" / "begun.json").is_file()
    assert encode(world, parts, "partition.count=2", "partition.index=1") == 0
    assert "they are all\nwrote motion shards" in capsys.readouterr().out
    names = {str(path.relative_to(tmp_path / "motion")) for path in tmp_path.rglob("motion/**/*.*")}
    assert names == {
        str(path.relative_to(world / "motion")) for path in world.rglob("motion/**/*.*")
    }
    for name in names - {"done.json"}:
        assert (tmp_path / "motion" / name).read_bytes() == (world / "motion" / name).read_bytes()
    for words in ((), ("partition.count=7", "partition.index=6"), ("max_bad_share=0.5",)):
        assert encode(world, parts, *words) == 0
        assert "already complete" in capsys.readouterr().out


def test_a_launcher_runs_all_partitions(world, tmp_path, capsys):
    words = ["-m", "partition.count=3", "partition.index=range(3)", f"hydra.sweep.dir={tmp_path}"]
    assert encode(world, f"output={tmp_path}/motion", *words) == 0
    assert capsys.readouterr().out.count("wrote motion shards") == 1
    assert len(read_index(tmp_path / "motion")) == len(read_index(world / "faces"))


def test_another_face_set_does_not_mix_into_an_unfinished_output(world, tmp_path, capsys):
    parts = f"output={tmp_path}/motion"
    assert encode(world, parts, "partition.count=2") == 0
    write_small_faces(tmp_path / "faces", num_frames=6)
    assert encode(world, parts, f"data={tmp_path}/faces") == 2
    assert "other face shards" in capsys.readouterr().err


def test_a_damaged_clip_costs_itself(world, tmp_path, capsys):
    faces, output = shutil.copytree(world / "faces", tmp_path / "faces"), tmp_path / "motion"
    row = next(read_index(faces).itertuples())
    with open(faces / row.shard, "r+b") as file:
        file.seek(row.offset + 700)
        file.write(bytes(range(50)))
    words = (f"data={faces}", f"output={output}")
    assert encode(world, *words) == 2
    assert "1 of 27 clips (1 wrong_hash)" in capsys.readouterr().err
    assert encode(world, *words, "max_bad_share=0.05") == 0
    assert "left out 1 of 27 clips (1 wrong_hash)" in capsys.readouterr().out
    assert json.loads((output / "done.json").read_text())["dropped"].startswith("1 of 27")
    assert len(read_index(output)) == 26
