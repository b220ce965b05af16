"""Commands that read shards read them by URL too, whatever the network does."""

from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="needs the extra `remote`")

import fault_server
from small_faces import write_small_faces
from small_runs import save_small_runs

from vasa.cli import main
from vasa.data import remote
from vasa.evaluation.clips import load_clips

SHARD = "train/000000.tar"


@pytest.fixture(autouse=True)
def quickly(monkeypatch) -> None:
    """Waits between attempts are for real networks."""
    monkeypatch.setattr(remote, "Patience", partial(remote.Patience, first_wait_s=0.01))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Faces, a random stage 1, and the motion of those faces."""
    root = tmp_path_factory.mktemp("world")
    write_small_faces(root / "sets" / "faces", num_frames=5)
    save_small_runs(root)
    assert encode(root, data=str(root / "sets" / "faces"), output=root / "motion") == 0
    return root


@pytest.fixture(scope="module", params=["web", "bucket"])
def served(world, request):
    """URL of the sets, by HTTP and by S3, the server's faults, and how it calls a set."""
    if request.param == "web":
        with fault_server.web_server(world / "sets") as (url, faults):
            yield url, faults, "faces"
    else:
        with fault_server.bucket(world / "sets", name="sets") as (url, faults):
            yield url, faults, "sets/faces"


def encode(world: Path, *, data: str, output: Path) -> int:
    words = [f"data={data}", f"stage1={world}/stage1", f"output={output}", "num_threads=1"]
    return main(["encode", *words])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.[tpn]*")}


def test_motion_of_a_set_by_url_is_that_of_the_folder(served, world, tmp_path, capsys):
    url, faults, name = served
    kinds = ["503"] if url.startswith("s3") else ["503", "cut"]
    faults.planned = {f"{name}/{SHARD}": kinds, f"{name}/index.parquet": ["503"]}
    assert encode(world, data=f"{url}/faces", output=tmp_path / "motion") == 0
    assert not any(faults.planned.values())
    assert contents(tmp_path / "motion") == contents(world / "motion")
    done = [(folder / "motion" / "done.json").read_text() for folder in (tmp_path, world)]
    assert done[0].split('"stage1"')[0] == done[1].split('"stage1"')[0], "made from the same set"
    assert encode(world, data=f"{url}/faces", output=tmp_path / "motion") == 0
    assert "already complete" in capsys.readouterr().out


def test_encoding_ends_in_one_line_where_a_shard_is_lost_and_continues_later(
    served, world, tmp_path, capsys
):
    url, faults, name = served
    faults.always = {f"{name}/{SHARD}": "503"}
    assert encode(world, data=f"{url}/faces", output=tmp_path / "motion") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("vasa:") and SHARD in said
    faults.always = {}
    assert encode(world, data=f"{url}/faces", output=tmp_path / "motion") == 0
    assert contents(tmp_path / "motion") == contents(world / "motion")


def test_validation_reads_by_url(served, capsys):
    url, faults, name = served
    faults.planned = {f"{name}/{SHARD}": ["503"]}
    assert main(["prep", "validate", f"{url}/faces", "workers=1"]) == 0
    assert not any(faults.planned.values())
    assert "nothing is wrong" in capsys.readouterr().out


def test_evaluation_clips_are_those_of_the_folder(served, world):
    url, faults, name = served
    chosen = {"split": "train", "num_clips": 3, "max_seconds": 1.0, "image_size_px": None}
    faults.planned = {f"{name}/{SHARD}": ["503"]}
    here = list(load_clips(world / "sets" / "faces", **chosen))
    there = list(load_clips(f"{url}/faces", **chosen))
    assert [clip.key for clip in here] == [clip.key for clip in there]
    for one, other in zip(here, there, strict=True):
        assert one.frames.equal(other.frames) and one.audio.equal(other.audio)
