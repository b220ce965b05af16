"""Sets read over the network are the sets on disk, whatever the network does."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from vasa.data.bad_clips import Fault
from vasa.data.expert_datamodule import ExpertDataModule
from vasa.data.face_datamodule import FaceDataModule
from vasa.data.motion_datamodule import MotionDataModule
from vasa.data.remote import Patience, ShardUrl, open_shards
from vasa.data.shards import read_index
from vasa.data.step_datamodule import StepDataModule
from vasa.data.sync_datamodule import SyncDataModule
from vasa.types import InputError

pytest.importorskip("aiohttp", reason="needs the extra `remote`")

import fault_server
from fault_server import web_server
from five_people import write_five_people
from small_motion import write_small_motion

QUICK = Patience(attempts=4, first_wait_s=0.01, timeout_s=3.0)
SECOND = "train/000001.tar"


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("sets")
    write_five_people(root / "faces")
    write_small_motion(root / "motion")
    return root


@pytest.fixture
def web(sets):
    with web_server(sets) as (url, faults):
        yield url, faults


@pytest.fixture(scope="module")
def bucket(sets):
    """The sets in a bucket of an S3 server: its URL, and the faults of the server."""
    with fault_server.bucket(sets, name="sets") as (url, faults):
        yield url, faults


@pytest.fixture(scope="module")
def google(sets):
    """The sets in a bucket of Google's: its URL, and the faults of the server."""
    with fault_server.google_bucket(sets, name="sets") as (url, faults):
        yield url, faults


def opened(url: str, cache: Path, *, gb: float = 0.1):
    return open_shards(url, cache_dir=cache, cache_gb=gb, patience=QUICK)


def make_faces(root, **changes) -> FaceDataModule:
    settings = {"split": "train", "batch_size": 8, "frames_per_clip": 2, "min_distance": 3}
    settings |= {"seed": 0, "num_steps": 4, "num_workers": 0, "cache_gb": 0.0, **changes}
    return FaceDataModule(root=root, **settings)


def make_sync(root) -> SyncDataModule:
    return SyncDataModule(
        root=root, split="train", batch_size=6, span_frames=5, seed=0, num_steps=4, num_workers=0,
        cache_gb=0.0, held_out_split="val", held_out_clips=2,
    )  # fmt: skip


def make_experts(root) -> ExpertDataModule:
    return ExpertDataModule(
        root=root, split="train", batch_size=4, frames_per_clip=2, min_distance=3, seed=0,
        num_steps=4, num_workers=0, cache_gb=0.0, held_out_split="train", held_out_batches=2,
    )  # fmt: skip


def make_motion(root) -> MotionDataModule:
    return MotionDataModule(
        root=root, split="train", val_split="val", batch_size=6, window=30, num_previous=4,
        min_frames=10, num_val_windows=4, short_share=0.0, shortest=5, seed=0, num_steps=4,
        num_workers=0, cache_gb=0.0,
    )  # fmt: skip


MAKERS = {"faces": make_faces, "sync": make_sync, "experts": make_experts, "motion": make_motion}


def batches(data: StepDataModule) -> list[dict[str, torch.Tensor]]:
    return list(data.train_dataloader())


def same(here: list, there: list) -> bool:
    return len(here) == len(there) and all(
        one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
        for one, other in zip(here, there, strict=True)
    )


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("store", ["web", "bucket", "google"])
def test_batches_equal_those_of_the_folder(store, kind, sets, tmp_path, request):
    url, faults = request.getfixturevalue(store)
    folder = "motion" if kind == "motion" else "faces"
    local = batches(MAKERS[kind](str(sets / folder)))
    assert same(batches(MAKERS[kind](opened(f"{url}/{folder}", tmp_path))), local)
    faults.requests.clear()
    assert same(batches(MAKERS[kind](opened(f"{url}/{folder}", tmp_path))), local)
    assert not [path for path in faults.requests if path.endswith(".tar")], "clips were kept"


@pytest.mark.parametrize("store", ["web", "bucket"])
def test_held_out_clips_and_statistics_come_by_url_too(store, sets, tmp_path, request):
    url, _ = request.getfixturevalue(store)
    here, there = make_sync(str(sets / "faces")), make_sync(opened(f"{url}/faces", tmp_path))
    assert [clip.key for clip in here.held_out()] == [clip.key for clip in there.held_out()]
    remote = opened(f"{url}/faces", tmp_path)
    assert same([*make_experts(str(sets / "faces")).held_out()], [*make_experts(remote).held_out()])
    motion = make_motion(opened(f"{url}/motion", tmp_path))
    local = make_motion(str(sets / "motion"))
    assert same([motion.validation_batch()], [local.validation_batch()])
    assert (motion.statistics()["audio_mean"] == local.statistics()["audio_mean"]).all()


@pytest.mark.parametrize("store", ["web", "google"])
def test_loader_workers_read_by_url(store, sets, tmp_path, request):
    url, _ = request.getfixturevalue(store)
    remote = make_faces(opened(f"{url}/faces", tmp_path), num_workers=2)
    assert remote.num_speakers == 5, "the parent has a connection before the workers start"
    assert same(batches(remote), batches(make_faces(str(sets / "faces"))))


def test_a_clip_costs_its_own_bytes(web, tmp_path):
    url, faults = web
    data = make_faces(opened(f"{url}/faces", tmp_path))
    clip = data.store[0]
    assert faults.requests == {"faces/index.parquet": 1, "faces/train/000000.tar": 1}
    row = data.store.table.iloc[0]
    assert clip.key == row["key"]
    assert data.root.cache.size() == row["size"]


@pytest.mark.parametrize("kinds", [["503"], ["cut"], ["slow"], ["429"], ["503", "cut", "slow"]])
def test_faults_that_pass_leave_no_trace(kinds, web, sets, tmp_path):
    url, faults = web
    faults.planned = {f"faces/{SECOND}": list(kinds), "faces/index.parquet": ["503"]}
    data = make_faces(opened(f"{url}/faces", tmp_path))
    assert same(batches(data), batches(make_faces(str(sets / "faces"))))
    assert faults.planned == {f"faces/{SECOND}": [], "faces/index.parquet": []}
    assert not data.store.bad.summary()


@pytest.mark.parametrize("kinds", [["503", "503"], ["cut"], ["slow"], ["503", "cut", "slow"]])
def test_faults_of_s3_that_pass_leave_no_trace(kinds, bucket, sets, tmp_path):
    url, faults = bucket
    faults.planned = {f"sets/faces/{SECOND}": list(kinds), "sets/faces/index.parquet": ["cut"]}
    data = make_faces(opened(f"{url}/faces", tmp_path))
    assert same(batches(data), batches(make_faces(str(sets / "faces"))))
    assert faults.planned == {f"sets/faces/{SECOND}": [], "sets/faces/index.parquet": []}
    assert not data.store.bad.summary()


@pytest.mark.parametrize("kind", ["cut", "slow"])
def test_a_shard_that_s3_never_gives_whole_is_skipped_and_counted(kind, bucket, tmp_path):
    url, faults = bucket
    faults.planned, faults.always = {}, {f"sets/faces/{SECOND}": kind}
    data = make_faces(opened(f"{url}/faces", tmp_path), max_bad_share=0.4)
    try:
        assert len(batches(data)) == 4
    finally:
        faults.always = {}
    assert data.store.bad.counts() == {name: 4 * (name == Fault.UNREACHABLE) for name in Fault}


@pytest.mark.parametrize("kinds", [["503"], ["cut"], ["slow"]])
def test_faults_of_google_that_pass_leave_no_trace(kinds, google, sets, tmp_path):
    url, faults = google
    faults.planned = {f"faces/{SECOND}": list(kinds)}
    data = make_faces(opened(f"{url}/faces", tmp_path))
    assert same(batches(data), batches(make_faces(str(sets / "faces"))))
    assert faults.planned == {f"faces/{SECOND}": []}


@pytest.mark.parametrize(("kind", "fault"), [("404", Fault.MISSING), ("401", Fault.MISSING)])
def test_what_google_refuses_is_missing(kind, fault, google, tmp_path):
    url, faults = google
    faults.always = {f"faces/{SECOND}": kind}
    data = make_faces(opened(f"{url}/faces", tmp_path), max_bad_share=0.4)
    faults.requests.clear()
    try:
        batches(data)
    finally:
        faults.always = {}
    assert faults.requests[f"faces/{SECOND}"] == 1
    assert data.store.bad.counts()[fault] == 4


@pytest.mark.parametrize(
    ("kind", "fault", "attempts"),
    [("503", Fault.UNREACHABLE, 4), ("cut", Fault.UNREACHABLE, 4), ("404", Fault.MISSING, 1),
     ("403", Fault.MISSING, 1), ("slow", Fault.UNREACHABLE, 4)],
)  # fmt: skip
def test_a_shard_that_cannot_be_had_is_skipped_and_counted(
    kind, fault, attempts, web, tmp_path, capsys
):
    url, faults = web
    faults.always = {f"faces/{SECOND}": kind}
    data = make_faces(opened(f"{url}/faces", tmp_path), max_bad_share=0.4)
    found = batches(data)
    lost = (data.store.table["shard"] == SECOND).to_numpy()
    assert faults.requests[f"faces/{SECOND}"] == attempts, "a lost shard is asked for once"
    assert data.store.bad.counts() == {name: 4 * (name == fault) for name in Fault}
    assert len(found) == 4 and lost.sum() == 4
    assert "left out 4 clips" in capsys.readouterr().err
    again = make_faces(opened(f"{url}/faces", tmp_path / "other"), max_bad_share=0.4, num_workers=2)
    if kind != "slow":
        assert same(batches(again), found), "the replacements are the same for any worker"
        assert again.store.bad.counts()[fault] == 4, "workers share what they find"


@pytest.mark.parametrize("num_workers", [0, 1])
def test_too_many_bad_clips_end_the_run(num_workers, web, tmp_path):
    url, faults = web
    faults.always = {f"faces/{SECOND}": "503"}
    shards = opened(f"{url}/faces", tmp_path)
    data = make_faces(shards, max_bad_share=0.3, num_workers=num_workers)
    with pytest.raises(InputError) as failed:
        batches(data)
    text = str(failed.value)
    assert text.startswith("expected at most 30.00% of the clips of split 'train' of http://")
    assert "4 of 10 clips (4 unreachable)" in text and "max_bad_share" in text
    assert "Traceback" not in text


def test_a_lost_bucket_key_is_missing(bucket, tmp_path):
    data = make_faces(opened(f"{bucket[0]}/faces", tmp_path), max_bad_share=1.0)
    data.store._rows[0] = data.store._rows[0]._replace(shard="train/none.tar")
    data.store[0]
    assert data.store.bad.counts()[Fault.MISSING] == 4


@pytest.mark.parametrize("store", ["web", "bucket"])
def test_a_shard_that_ends_early_is_truncated(store, tmp_path, request):
    data = make_faces(
        opened(f"{request.getfixturevalue(store)[0]}/faces", tmp_path), max_bad_share=1.0
    )
    data.store._rows[0] = data.store._rows[0]._replace(offset=10**9)
    data.store[0]
    assert data.store.bad.counts()[Fault.TRUNCATED] == 1


def test_a_server_without_ranges_is_refused(web, tmp_path):
    url, faults = web
    faults.gives_ranges = False
    with pytest.raises(InputError, match="ranges of bytes"):
        make_faces(opened(f"{url}/faces", tmp_path), max_bad_share=1.0).batch_at(0)


def test_a_damaged_copy_is_fetched_again(web, sets, tmp_path):
    url, _ = web
    make_faces(opened(f"{url}/faces", tmp_path)).batch_at(0)
    for path in tmp_path.glob("??/*"):
        path.write_bytes(path.read_bytes()[:-2000] + bytes(2000))
    data = make_faces(opened(f"{url}/faces", tmp_path))
    assert same([data.batch_at(0)], [make_faces(str(sets / "faces")).batch_at(0)])


def test_an_index_that_cannot_be_had_is_told(web, tmp_path):
    url, faults = web
    with pytest.raises(InputError, match="found none"):
        read_index(opened(f"{url}/nothing", tmp_path))
    faults.always = {"faces/index.parquet": "503"}
    with pytest.raises(InputError, match="check URL, credentials and server"):
        read_index(opened(f"{url}/faces", tmp_path))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(
        import_module("fsspec.registry")._registry, "gs", raising=False
    )  # of another test
    with pytest.raises(InputError, match=r"needs gcsfs: pip install 'vasa\[remote\]'"):
        read_index(opened("gs://bucket/set", tmp_path))


def test_what_a_root_may_be(tmp_path):
    assert str(open_shards("runs/set")) == "runs/set"
    assert str(open_shards(f"file://{tmp_path}")) == str(tmp_path)
    shards = open_shards("memory://set/", cache_dir=tmp_path)
    assert isinstance(shards, ShardUrl) and open_shards(shards) is shards
