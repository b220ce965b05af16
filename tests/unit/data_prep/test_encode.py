import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from small_faces import write_small_faces
from small_motion import small_encoder
from torch import nn

from data_prep.encode import encode_clip, encode_frames, encode_set
from data_prep.settings import PartitionSettings
from vasa.data.motion_shards import MotionSetInfo, finish_motion_set, read_motion_clip
from vasa.data.shards import read_clip, read_index
from vasa.types import InputError

CPU = torch.device("cpu")


class MeanNet(nn.Module):
    """z_pose from the mean colour, z_dyn from the colour's spread; nothing random."""

    image_size = 32

    def __init__(self):
        super().__init__()
        self.pictures = 0

    def motion(self, image):
        assert image.shape[-2:] == (32, 32)
        self.pictures += len(image)
        mean, spread = image.mean(dim=(2, 3)), image.std(dim=(2, 3))
        return torch.cat((mean, mean), dim=1), spread


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_small_faces(tmp_path_factory.mktemp("faces"), num_frames=10)


def encode(faces, output, net=None, stage1_hash="01" * 32, partition=(0, 1), max_bad_share=0.0):
    index, count = partition
    return encode_set(
        data=faces,
        output=output,
        net=net or MeanNet(),
        stage1_hash=stage1_hash,
        audio=small_encoder(),
        batch_size=4,
        device=CPU,
        max_bad_share=max_bad_share,
        partition=PartitionSettings(index=index, count=count),
    )


def damage(root, *numbers):
    """Bytes in the pictures of clips, by their rows in the index."""
    for row in read_index(root).iloc[list(numbers)].itertuples():
        with open(root / row.shard, "r+b") as file:
            file.seek(row.offset + 700)
            file.write(bytes(range(50)))


def content(root):
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_motion_shards_say_what_the_face_shards_say(faces, tmp_path):
    encode(faces, tmp_path)
    face_table, table = read_index(faces), read_index(tmp_path)
    assert list(table["key"]) == list(face_table["key"])
    assert list(table["split"]) == list(face_table["split"])
    for face_row, row in zip(face_table.itertuples(), table.itertuples(), strict=True):
        face, clip = read_clip(faces, face_row), read_motion_clip(tmp_path, row)
        np.testing.assert_array_equal(clip.labels.pose, face.labels.pose)
        expected = encode_frames(face.frames, net=MeanNet(), batch_size=3, device=CPU)
        np.testing.assert_allclose(clip.motion, expected, atol=1e-6)
        features = small_encoder()(torch.from_numpy(face.audio)[None])[0].numpy()
        np.testing.assert_allclose(clip.audio, features, atol=2e-3)  # kept as float16
    info = MotionSetInfo.read(tmp_path)
    assert (info.stage1_hash, info.num_motion, info.num_audio_features) == ("01" * 32, 9, 16)


def test_a_killed_run_continues_with_the_missing_shards(faces, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    total = encode(faces, whole).made_now

    class Killed(MeanNet):
        def motion(self, image):
            if self.pictures > 170:
                raise KeyboardInterrupt
            return super().motion(image)

    with pytest.raises(KeyboardInterrupt):
        encode(faces, broken, net=Killed())
    there = {path: path.stat().st_mtime_ns for path in broken.rglob("*.tar")}
    assert there and not (broken / "index.parquet").exists()
    assert encode(faces, broken).made_now == total - len(there)
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())
    assert content(whole) == content(broken)


def test_what_a_killed_writer_left_is_removed(faces, tmp_path):
    (tmp_path / "train").mkdir()
    for name in ("000000.tar.part", "000000.tar.0a.part", "000000.parquet.0a.part"):
        (tmp_path / "train" / name).write_bytes(b"half")
    encode(faces, tmp_path)
    assert not list(tmp_path.rglob("*.part"))


def test_a_complete_set_is_not_made_again(faces, tmp_path):
    encode(faces, tmp_path)
    net = MeanNet()
    share = encode(faces, tmp_path, net=net)
    assert share.made_now == 0 and share.is_finished
    assert net.pictures == 0


def test_another_stage_1_does_not_mix_in(faces, tmp_path):
    encode(faces, tmp_path)
    with pytest.raises(InputError, match="another output"):
        encode(faces, tmp_path, stage1_hash="02" * 32)


@pytest.mark.parametrize("last", [(1, 2), (0, 1)])
def test_partitions_make_the_bytes_of_one_run(faces, tmp_path, last):
    """The last one finishes the set, or a run that is not divided does."""
    damaged = shutil.copytree(faces, tmp_path / "faces")
    damage(damaged, 3, 20)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    encode(damaged, whole, max_bad_share=0.1)
    first = encode(damaged, parts, partition=(0, 2), max_bad_share=0.1)
    assert not first.is_finished and not (parts / "index.parquet").exists()
    assert (first.shards, first.made_now, first.of_shards) == (2, 2, 4)
    second = encode(damaged, parts, partition=last, max_bad_share=0.1)
    assert second.is_finished and second.made_now == 2
    assert content(parts) == content(whole)
    assert encode(damaged, parts, partition=(0, 2), max_bad_share=0.1).made_now == 0


def test_partitions_without_a_shard_have_nothing_to_do(faces, tmp_path):
    assert not encode(faces, tmp_path, partition=(4, 5)).shards
    shares = [encode(faces, tmp_path, partition=(index, 5)) for index in range(4)]
    assert [share.made_now for share in shares] == [1, 1, 1, 1] and shares[-1].is_finished


def test_runs_that_end_together_finish_the_same_set(faces, tmp_path):
    encode(faces, tmp_path)
    before = content(tmp_path)
    shards = sorted(read_index(faces)["shard"].unique())
    with ThreadPoolExecutor(4) as pool:
        ends = [pool.submit(finish_motion_set, tmp_path, shards=shards) for _ in range(8)]
        assert all(end.result() is None for end in ends)
    assert content(tmp_path) == before


def test_a_damaged_clip_is_left_out_told_and_listed(faces, tmp_path, capsys):
    """Also the first one, and one of a shard that is not there, which are not asked for again."""
    broken = shutil.copytree(faces, tmp_path / "faces")
    damage(broken, 0)
    (broken / "val" / "000000.tar").unlink()
    share = encode(broken, tmp_path / "motion", max_bad_share=0.2)
    assert share.dropped == "4 of 27 clips (3 missing, 1 wrong_hash)"
    told = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(told) == 2 and "left out 3 clips" in told[1]
    table, rows = read_index(broken), read_index(tmp_path / "motion")
    dropped = pd.read_parquet(tmp_path / "motion" / "dropped.parquet")
    assert list(dropped["key"]) == list(table["key"].iloc[[0, 24, 25, 26]])
    assert list(dropped["reason"]) == ["wrong_hash", "missing", "missing", "missing"]
    assert list(rows["key"]) == list(table["key"].iloc[1:24])
    assert read_motion_clip(tmp_path / "motion", next(rows.itertuples())).motion.shape == (10, 9)


def test_more_bad_clips_than_allowed_end_it_and_what_is_made_stays(faces, tmp_path):
    broken, output = shutil.copytree(faces, tmp_path / "faces"), tmp_path / "motion"
    damage(broken, 2, 17)
    with pytest.raises(InputError, match=r"2 of 27 clips \(2 wrong_hash\)") as caught:
        encode(broken, output, max_bad_share=1 / 27)
    assert "(max_bad_share)" in str(caught.value)
    assert len(list(output.rglob("*.tar"))) == 2 and not list(output.rglob("*.part"))
    with pytest.raises(InputError, match="2 of 27 clips"):  # those of before are counted again
        encode(broken, output, max_bad_share=1 / 27)
    assert encode(broken, output, max_bad_share=2 / 27).made_now == 2


def test_bad_clips_of_all_partitions_count_together(faces, tmp_path):
    broken, output = shutil.copytree(faces, tmp_path / "faces"), tmp_path / "motion"
    damage(broken, 2, 10)
    encode(broken, output, partition=(0, 2), max_bad_share=1 / 27)
    with pytest.raises(InputError, match="2 of 27 clips"):
        encode(broken, output, partition=(1, 2), max_bad_share=1 / 27)


def test_clips_of_other_lengths_than_their_index_says_are_bad(faces, tmp_path):
    changed = shutil.copytree(faces, tmp_path / "faces")
    table = pd.read_parquet(changed / "index.parquet")
    table.loc[5, "frames"] = 12
    table.to_parquet(changed / "index.parquet", index=False)
    share = encode(changed, tmp_path / "motion", max_bad_share=0.1)
    assert share.dropped == "1 of 27 clips (1 undecodable)"


def test_networks_that_fail_are_no_bad_clips(faces, tmp_path):
    class OutOfMemory(MeanNet):
        def motion(self, image):
            if self.pictures > 20:
                raise RuntimeError("out of memory")
            return super().motion(image)

    with pytest.raises(RuntimeError, match="out of memory"):
        encode(faces, tmp_path, net=OutOfMemory(), max_bad_share=1.0)


def test_sound_is_heard_where_the_pictures_are_seen(faces):
    """`meta`, which holds no values, stands for another device."""
    heard, seen = [], []

    class Net(MeanNet):
        def motion(self, image):
            seen.append(image.device.type)
            return torch.zeros(len(image), 6), torch.zeros(len(image), 3)

    class Ear:
        def __call__(self, audio):
            heard.append(audio.device.type)
            return torch.zeros(1, audio.shape[-1] // 640, 16)

    row = next(read_index(faces).itertuples())
    clip, _ = encode_clip(
        faces, row, net=Net(), audio=Ear(), batch_size=10, device=torch.device("meta")
    )
    assert heard == ["meta"] and set(seen) == {"meta"}
    assert clip.audio.shape == (10, 16)
