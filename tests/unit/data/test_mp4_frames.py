"""Pictures of an mp4 as they are asked for: the same as those of the whole file by others."""

import io

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from five_people import write_five_people

from vasa.data import mp4_frames
from vasa.data.clip_store import ClipStore
from vasa.data.mp4_frames import Mp4Frames, decode_container
from vasa.data.shards import read_clip, read_index
from vasa.data.stored_clip import LazyPart
from vasa.data.video import decode_mp4, encode_mp4, write_video


def moving(num_frames: int, *, size: int = 96, seed: int = 0) -> np.ndarray:
    """Blobs that move: pictures that are worth predicting from one another."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8).repeat(size // 6, 0)
    picture = coarse.repeat(size // 6, 1)
    return np.stack([np.roll(picture, 2 * frame, axis=1) for frame in range(num_frames)])


@pytest.fixture(scope="module")
def data() -> bytes:
    return encode_mp4(moving(40))


@pytest.fixture
def no_containers(monkeypatch):
    """What falls back to FFmpeg's own reading of the file fails."""
    monkeypatch.setattr(mp4_frames, "decode_container", lambda _: pytest.fail("fell back"))


@pytest.mark.parametrize("backend", ["pyav", "decord"])
def test_all_pictures_are_those_of_other_decoders(data, backend, no_containers):
    assert np.array_equal(decode_mp4(data), decode_mp4(data, backend=backend))


@pytest.mark.parametrize(
    "wanted", [[0], [39], [5, 5, 4], [39, 0, 20], [11, 12, 13], slice(9, 31), slice(None, None, 7)]
)
def test_some_pictures_are_those_of_the_whole(data, wanted, no_containers):
    frames = Mp4Frames(data)
    assert np.array_equal(frames[wanted], decode_container(data)[wanted])
    assert frames.shape == (40, 96, 96, 3)


def test_there_are_pictures_that_nothing_is_made_from(data):
    """Else nothing here would ask whether leaving them out changes the others."""
    with av.open(io.BytesIO(data)) as container:
        types = [PictureType(frame.pict_type) for frame in container.decode(video=0)]
    assert set(types) == {PictureType.I, PictureType.P, PictureType.B}


def test_only_what_is_needed_is_decoded(data, monkeypatch):
    given = []
    packet = av.Packet
    monkeypatch.setattr(mp4_frames.av, "Packet", lambda held: given.append(1) or packet(held))
    Mp4Frames(data)[[24]]
    assert len(given) == 1, "a keyframe needs itself alone"
    given.clear()
    Mp4Frames(data)[26:28]
    assert 2 <= len(given) <= 8


def test_a_table_that_is_known_is_not_read_again(data, monkeypatch):
    first = Mp4Frames(data)
    monkeypatch.setattr(mp4_frames, "read_table", None)
    again = Mp4Frames(data, table=first.table)
    assert again.shape == first.shape and np.array_equal(again[7:12], first[7:12])


def test_clips_of_other_sizes_in_turn():
    files = [encode_mp4(moving(14, size=size, seed=size)) for size in (24, 48, 72)]
    for _ in range(2):
        for data in files:
            assert np.array_equal(Mp4Frames(data)[[3, 13]], decode_container(data)[[3, 13]])


def test_a_file_of_another_kind_is_read_whole(tmp_path):
    write_video(tmp_path / "with_sound.mp4", moving(9), np.zeros(9 * 640, np.float32))
    data = (tmp_path / "with_sound.mp4").read_bytes()
    assert np.array_equal(Mp4Frames(data)[[8, 2]], decode_container(data)[[8, 2]])


@pytest.mark.parametrize("damaged", [b"", b"no video", bytes(600)])
def test_what_is_no_video_raises(damaged):
    with pytest.raises(av.error.FFmpegError):
        Mp4Frames(damaged)


def test_pictures_that_do_not_decode_raise(data):
    start = data.index(b"mdat")
    broken = data[: start + 4] + bytes(len(data) - start - 4)
    with pytest.raises((ValueError, av.error.FFmpegError)):
        Mp4Frames(broken)[:]


def test_a_picture_is_the_same_or_none_whatever_else_is_asked_for(data):
    """A decoder that fills gaps fills them with what it happens to have."""
    rng = np.random.default_rng(0)
    given, refused = 0, 0
    for _ in range(20):
        broken = bytearray(data)
        start = rng.integers(data.index(b"mdat") + 50, data.rindex(b"moov") - 20)
        broken[start : start + 8] = rng.bytes(8)
        frames = Mp4Frames(bytes(broken))
        for number in range(0, 40, 3):
            try:
                alone, beside = frames[[number]], frames[: number + 1][-1:]
            except ValueError:
                refused += 1
                continue
            assert np.array_equal(alone, beside)
            given += 1
    assert given and refused


def test_a_store_without_memory_gives_what_one_with_memory_gives(tmp_path):
    root = write_five_people(tmp_path)
    lazy = ClipStore(root, split="train", cache_gb=0)
    kept = ClipStore(root, split="train", cache_gb=1)
    for index, row in enumerate(read_index(root, split="train").itertuples()):
        clip, other, whole = lazy[index], kept[index], read_clip(root, row)
        assert isinstance(clip.frames, LazyPart) and isinstance(other.frames, np.ndarray)
        assert isinstance(clip.audio, LazyPart) and isinstance(other.audio, np.ndarray)
        for found in (clip, other):
            assert (found.key, found.labels.regions) == (whole.key, None)
            assert np.array_equal(found.frames[[7, 2]], whole.frames[[7, 2]])
            assert np.array_equal(found.audio[640:1280], whole.audio[640:1280])
            assert len(found.frames) == len(whole.frames) and len(found.audio) == len(whole.audio)
            assert found.num_bytes() == whole.frames.nbytes + whole.audio.nbytes
            assert np.array_equal(found.labels.pose, whole.labels.pose)
