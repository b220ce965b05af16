import numpy as np
import pytest
import torch
from small_faces import write_small_faces
from small_motion import small_encoder
from torch import nn

from data_prep.encode import encode_frames, encode_set
from vasa.data.motion_shards import MotionSetInfo, read_motion_clip
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


def encode(faces, output, net=None, stage1_hash="01" * 32):
    return encode_set(
        data=faces,
        output=output,
        net=net or MeanNet(),
        stage1_hash=stage1_hash,
        audio=small_encoder(),
        batch_size=4,
        device=CPU,
    )


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
    total = encode(faces, whole)

    class Killed(MeanNet):
        def motion(self, image):
            if self.pictures > 170:
                raise KeyboardInterrupt
            return super().motion(image)

    with pytest.raises(KeyboardInterrupt):
        encode(faces, broken, net=Killed())
    there = {path: path.stat().st_mtime_ns for path in broken.rglob("*.tar")}
    assert there and not (broken / "index.parquet").exists()
    assert encode(faces, broken) == total - len(there)
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())
    for name in ("index.parquet", "stats.npz", "set.json", *(str(p) for p in _shards(whole))):
        assert (whole / name).read_bytes() == (broken / name).read_bytes(), name


def _shards(root):
    return [path.relative_to(root) for path in sorted(root.rglob("*.tar"))]


def test_a_complete_set_is_not_made_again(faces, tmp_path):
    encode(faces, tmp_path)
    net = MeanNet()
    assert encode(faces, tmp_path, net=net) == 0
    assert net.pictures == 0


def test_another_stage_1_does_not_mix_in(faces, tmp_path):
    encode(faces, tmp_path)
    with pytest.raises(InputError, match="another output"):
        encode(faces, tmp_path, stage1_hash="02" * 32)
