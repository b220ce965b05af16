"""Pictures of an mp4 in memory, decoded as they are asked for.

A few pictures of a clip cost no more than the pictures between them and the keyframes before them.
The file's own table says where each picture's bytes are, and FFmpeg's decoder gets these alone:
opening a container through FFmpeg decodes pictures to find out what the file says anyway, and costs
more than a short window does.
"""

import io
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import av
import numpy as np
from av.video.reformatter import VideoReformatter

_TABLE_HEADERS = (b"mdia", b"minf", b"stbl")
_SAMPLE_ENTRY_BYTES = 78
"""Fixed part of a picture track's sample description, before the boxes in it."""


@dataclass(frozen=True, kw_only=True)
class PictureTable:
    """The H.264 track of an mp4; samples stand in the order of decoding.

    Attributes:
        decoder_setup: what H.264 calls the parameter sets (avcC).
        height: px.
        width: px.
        starts: first byte of each sample.
        sizes: bytes of each.
        keys: numbers of the samples that decoding can start at.
        sample_of: number of the sample of each picture, in the order of showing.
    """

    decoder_setup: bytes
    height: int
    width: int
    starts: np.ndarray
    sizes: np.ndarray
    keys: np.ndarray
    sample_of: np.ndarray


def _boxes(data: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and end of what each box holds."""
    while start + 8 <= stop:
        size, name = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > stop:
            raise ValueError(f"expected a box of {size} bytes at {start}")
        yield name, start + 8, start + size
        start += size


def _only(data: bytes, name: bytes, start: int, stop: int) -> tuple[int, int]:
    (place,) = [box[1:] for box in _boxes(data, start, stop) if box[0] == name]
    return place


def _integers(data: bytes, place: tuple[int, int], columns: int, *, skip: int = 4) -> np.ndarray:
    """The rows of a table box; `skip` bytes stand before their count."""
    (count,) = struct.unpack_from(">I", data, place[0] + skip)
    held = memoryview(data)[: place[1]]
    values = np.frombuffer(held, ">i4", count * columns, place[0] + skip + 4)
    return values.reshape(count, columns).astype(np.int64)


def read_table(data: bytes) -> PictureTable:
    """The table of a file with one plain H.264 track; ValueError or struct.error for any other."""
    track = _only(data, b"trak", *_only(data, b"moov", 0, len(data)))
    place = track
    for name in _TABLE_HEADERS:
        place = _only(data, name, *place)
    tables = {name: (start, stop) for name, start, stop in _boxes(data, *place)}
    if missing := {b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"stss"} - set(tables):
        raise ValueError(f"expected tables {missing}")
    entries = [*_boxes(data, tables[b"stsd"][0] + 8, tables[b"stsd"][1])]
    ((codec, start, stop),) = entries
    inside = {name: (s, e) for name, s, e in _boxes(data, start + _SAMPLE_ENTRY_BYTES, stop)}
    fixed_size, count = struct.unpack_from(">II", data, tables[b"stsz"][0] + 4)
    if codec != b"avc1" or b"colr" in inside or fixed_size:
        raise ValueError("expected H.264 without colours of its own")
    height, width = struct.unpack_from(">HH", data, start + 24)[::-1]
    sizes = _integers(data, tables[b"stsz"], 1, skip=8)[:, 0]
    durations = _integers(data, tables[b"stts"], 2)
    times = np.cumsum(np.repeat(durations[:, 1], durations[:, 0])) - durations[0, 1]
    if b"ctts" in tables:
        delays = _integers(data, tables[b"ctts"], 2)
        times = times + np.repeat(delays[:, 1], delays[:, 0])
    if len(durations) != 1 or len(times) != count:
        raise ValueError("expected pictures of one length")
    _check_edits(data, track, first=int(times.min()))
    return PictureTable(
        decoder_setup=data[slice(*inside[b"avcC"])],
        height=height,
        width=width,
        starts=_starts(sizes, _integers(data, tables[b"stco"], 1)[:, 0], data, tables[b"stsc"]),
        sizes=sizes,
        keys=_integers(data, tables[b"stss"], 1)[:, 0] - 1,
        sample_of=np.argsort(times, kind="stable"),
    )


def _starts(
    sizes: np.ndarray, chunks: np.ndarray, data: bytes, place: tuple[int, int]
) -> np.ndarray:
    """First byte of each sample: samples of a chunk stand one after another."""
    runs = _integers(data, place, 3)
    lengths = np.repeat(runs[:, 1], np.diff([*runs[:, 0], len(chunks) + 1]))
    chunk_of = np.repeat(np.arange(len(chunks)), lengths)
    before = np.cumsum(sizes) - sizes
    first = np.cumsum(lengths) - lengths
    return chunks[chunk_of] + before - before[first[chunk_of]]


def _check_edits(data: bytes, track: tuple[int, int], *, first: int) -> None:
    """Refuse an edit list that leaves pictures out."""
    for name, start, stop in _boxes(data, *track):
        if name == b"edts":
            edits = _integers(data, _only(data, b"elst", start, stop), 3)
            if len(edits) != 1 or edits[0, 1] > first:
                raise ValueError("expected one edit that shows all pictures")


def decode_container(data: bytes) -> np.ndarray:
    """All pictures of any video file that FFmpeg reads, RGB uint8 `t h w 3`."""
    with av.open(io.BytesIO(data), "r") as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


class Mp4Frames:
    """The pictures of an mp4, indexed as an array: `frames[[3, 40]]`, `frames[10:20]`.

    Files that are no plain H.264 tracks are decoded whole at once.

    Args:
        data: the file's bytes.
        table: what is known of where its pictures are; None: it is read.

    Attributes:
        table: where its pictures are; None for files that are decoded whole.
        shape: `t h w 3`.
    """

    def __init__(self, data: bytes, *, table: PictureTable | None = None) -> None:
        self._data = data
        self._whole: np.ndarray | None = None
        try:
            self.table = table or read_table(data)
        except (ValueError, IndexError, KeyError, struct.error):
            self.table = None
            self._whole = decode_container(data)
            self.shape: tuple[int, ...] = self._whole.shape
        else:
            self.shape = (len(self.table.sizes), self.table.height, self.table.width, 3)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, wanted: slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """Pictures, RGB uint8 `n h w 3`.

        Raises:
            ValueError: a picture does not decode.
            IndexError: there is no such picture.
        """
        if self._whole is not None:
            return self._whole[wanted]
        assert self.table is not None
        numbers = np.arange(len(self))[wanted]
        found = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        places: dict[int, list[int]] = {}
        for place, number in enumerate(numbers):
            places.setdefault(int(self.table.sample_of[number]), []).append(place)
        for sample, picture in self._decode(self.table, sorted(places)):
            found[places.pop(sample)] = picture
        if places:
            raise ValueError(f"expected {len(self)} pictures, {len(places)} do not decode")
        return found

    def _decode(self, table: PictureTable, samples: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Pictures by the number of their sample; from the keyframe before to the last wanted."""
        wanted = set(samples)
        decoder, convert = _decoder_for(table.decoder_setup)
        for first, last in _spans(table.keys, samples):
            for frame in self._decode_span(table, first, last, wanted, decoder):
                if frame.is_corrupt:
                    # FFmpeg has filled gaps with what it decoded before, which need not be the same
                    # for whoever asks for other pictures.
                    raise ValueError(f"the bytes of picture {frame.pts} are damaged")
                if frame.pts in wanted:
                    assert frame.pts is not None
                    yield frame.pts, convert(frame).to_ndarray()

    def _decode_span(
        self,
        table: PictureTable,
        first: int,
        last: int,
        wanted: set[int],
        decoder: av.VideoCodecContext,
    ) -> list[av.VideoFrame]:
        frames: list[av.VideoFrame] = []
        starts = table.starts[first : last + 1].tolist()
        sizes = table.sizes[first : last + 1].tolist()
        try:
            for sample, start, size in zip(range(first, last + 1), starts, sizes, strict=True):
                packet = av.Packet(self._data[start : start + size])
                packet.pts = sample
                # What no other picture is made from need not be decoded on the way.
                decoder.skip_frame = "DEFAULT" if sample in wanted else "NONREF"
                frames += decoder.decode(packet)
            return frames + decoder.decode(None)
        finally:
            decoder.flush_buffers()


def _spans(keys: np.ndarray, samples: list[int]) -> list[tuple[int, int]]:
    """First and last samples to decode; what goes on without a gap is one span."""
    spans: list[tuple[int, int]] = []
    for sample, place in zip(samples, keys.searchsorted(samples, "right").tolist(), strict=True):
        key = int(keys[place - 1])
        if spans and key <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], sample)
        else:
            spans.append((key, sample))
    return spans


_Convert = Callable[..., av.VideoFrame]
_DECODERS = threading.local()
_ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}
"""Threads of a converter do not survive the fork of a loader worker; before 17 it has none."""
_MOST_DECODERS = 8


def _decoder_for(setup: bytes) -> tuple[av.VideoCodecContext, _Convert]:
    """A decoder of this thread and what turns its pictures into others; clips of one set share
    their setup, and with it their memory.
    """
    known: dict[bytes, tuple[av.VideoCodecContext, _Convert]]
    known = _DECODERS.__dict__.setdefault("by_setup", {})
    if setup not in known:
        if len(known) == _MOST_DECODERS:
            known.clear()
        decoder = av.VideoCodecContext.create("h264", "r")
        decoder.extradata = setup
        decoder.thread_type, decoder.thread_count = "NONE", 1
        rgb = av.VideoFormat("rgb24")
        known[setup] = decoder, partial(VideoReformatter().reformat, format=rgb, **_ONE_THREAD)
    return known[setup]
