"""What loading cannot be faster than: decoding the same frames alone, and reading bytes alone."""

import io
import os
import resource
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np


def ffmpeg_frames(data: bytes, *, seconds: float) -> float:
    """Frames that the ffmpeg program decodes in a second of processor time, its start left out."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(data)
        file.flush()

        def cpu(loops: int) -> tuple[int, float]:
            words = ["ffmpeg", "-loglevel", "info", "-threads", "1", "-stream_loop", str(loops)]
            words += ["-i", file.name, "-f", "null", "-threads", "1", "-"]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return int(done.stderr.rsplit("frame=", 1)[1].split()[0]), spent

        (few, first), (many, second) = cpu(0), cpu(9)
        while second - first < seconds and many < 1_000_000:
            many, second = cpu(round(many / few) * 3)
        return (many - few) / max(second - first, 1e-9)


class BytesAlone:
    """Reads a clip's bytes and nothing else.

    Args:
        root: of the set.
        rows: of its index.
    """

    def __init__(self, root: Path, rows: list[Any]) -> None:
        self.places = [(root / row.shard, int(row.offset), int(row.size)) for row in rows]

    def __call__(self, clip: int, start: int, num_frames: int) -> np.ndarray:
        """The number of bytes, whatever the window."""
        path, offset, size = self.places[clip]
        file = os.open(path, os.O_RDONLY)
        try:
            return np.array([len(os.pread(file, size, offset))])
        finally:
            os.close(file)


class DecodeLimit:
    """FFmpeg's decoder alone: packets lie ready in memory, pictures are not converted to RGB.

    A window's packets begin at the keyframe before it.

    Args:
        files: mp4 files by clip, of one encoder setup.
        height: of the stand-in that is given for pictures.
    """

    def __init__(self, files: dict[int, bytes], *, height: int) -> None:
        self._nothing = np.zeros(height, np.uint8)
        self._packets, self._orders, self._keys = {}, {}, {}
        for clip, data in files.items():
            with av.open(io.BytesIO(data), "r") as container:
                held = [packet for packet in container.demux(video=0) if packet.size]
                setup = container.streams.video[0].codec_context.extradata
            self._packets[clip] = [av.Packet(bytes(packet)) for packet in held]
            self._orders[clip] = np.argsort([packet.pts for packet in held], kind="stable")
            self._keys[clip] = np.flatnonzero([packet.is_keyframe for packet in held])
        self._decoder = av.VideoCodecContext.create("h264", "r")
        self._decoder.extradata = setup
        self._decoder.thread_type, self._decoder.thread_count = "NONE", 1

    def _span(self, clip: int, start: int, num_frames: int) -> tuple[int, int]:
        samples = self._orders[clip][start : start + num_frames]
        keys = self._keys[clip]
        return int(keys[np.searchsorted(keys, samples.min(), "right") - 1]), int(samples.max()) + 1

    def frames_for(self, clip: int, start: int, num_frames: int) -> int:
        """Frames that have to be decoded for a window."""
        first, stop = self._span(clip, start, num_frames)
        return stop - first

    def __call__(self, clip: int, start: int, num_frames: int) -> np.ndarray:
        """Nothing, once the window is decoded."""
        first, stop = self._span(clip, start, num_frames)
        found = 0
        for packet in self._packets[clip][first:stop]:
            found += len(self._decoder.decode(packet))
        found += len(self._decoder.decode(None))
        self._decoder.flush_buffers()
        assert found == stop - first, f"{found} frames of {stop - first}"
        return self._nothing
