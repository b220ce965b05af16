"""A finished piece of work is read back as it was, and appears only when it is whole."""

import tarfile

import pytest

import data_prep.work
from data_prep.clip import DropRow
from data_prep.step_clock import StepClock
from data_prep.work import load_work, save_work
from tests.unit.data_prep.test_prep_validate import make_clip
from vasa.data.shards import FaceShardWriter, encode_clip, read_clip, read_index


def test_what_is_kept_is_what_the_shard_gets(tmp_path):
    clips = (make_clip(0, "train"), make_clip(1, "train"))
    row = DropRow(key="p0/v/frames-0-9", reason="too_short", detail="9 frames")
    path, clock = tmp_path / "a.tar", StepClock()
    save_work(path, [clips[0], row, clips[1]], prep_version="1", clock=clock)
    work = load_work(path)
    assert work.seconds == dict(clock.seconds)
    assert work.seconds["encode"] > 0
    assert work.dropped == (row,)
    assert work.clips == tuple(encode_clip(clip, prep_version="1") for clip in clips)
    with FaceShardWriter(tmp_path / "set", clips_per_shard=9, prep_version="1") as writer:
        for clip in work.clips:
            writer.append(clip)
    keys = [
        read_clip(tmp_path / "set", row).key for row in read_index(tmp_path / "set").itertuples()
    ]
    assert keys == ["p0/v/0", "p1/v/0"]


def test_nothing_but_a_reason(tmp_path):
    row = DropRow(key="p0/v", reason="no_face", detail="no face was seen")
    save_work(tmp_path / "a.tar", [row], prep_version="1")
    assert load_work(tmp_path / "a.tar").dropped == (row,)
    assert load_work(tmp_path / "a.tar").clips == ()


def test_a_kill_while_writing_leaves_no_result(tmp_path, monkeypatch):
    def dies(archive: tarfile.TarFile, name: str, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(data_prep.work, "_add", dies)
    with pytest.raises(KeyboardInterrupt):
        save_work(tmp_path / "a.tar", [], prep_version="1")
    assert not (tmp_path / "a.tar").exists()
