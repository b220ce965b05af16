"""Pictures to H.264 and back: shards' members in memory, videos for people as they come.

PyAV writes and reads; what is read is checked against other decoders (see `decode_mp4`).
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.container import OutputContainer

from vasa.data.mp4_frames import Mp4Frames, decode_container
from vasa.data.schema import FPS, SAMPLE_RATE_HZ

_SAME_BYTES = "rc-lookahead=0:mbtree=0"
"""x264's rate control by macroblock trees (mbtree) gives, now and then, other bytes for the same
pictures: 2 files in 100 to 400 encodings of 48 to 96 px pictures, none without it."""


AAC_RATES_HZ = (
    *(8000, 11_025, 12_000, 16_000, 22_050, 24_000),
    *(32_000, 44_100, 48_000, 64_000, 88_200, 96_000),
)
"""Rates that AAC knows and that have a whole number of samples a frame."""


@dataclass(frozen=True, kw_only=True)
class SoundTrack:
    """Sound to go with pictures, read as it is needed.

    Attributes:
        rate_hz: one of `AAC_RATES_HZ`.
        num_channels: 1 or 2.
        blocks: float32 in [-1, 1], `c n` of any n.
        bit_rate: of the AAC, bits a second; None leaves it to the encoder.
    """

    rate_hz: int
    num_channels: int
    blocks: Iterator[np.ndarray]
    bit_rate: int | None = None


def _add_pictures(
    container: OutputContainer, frames: np.ndarray, options: dict[str, str]
) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=FPS, options=options)
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    stream.time_base = Fraction(1, FPS)
    return stream


def _encode_pictures(
    container: OutputContainer,
    stream: av.VideoStream,
    frames: np.ndarray,
    *,
    first: int = 0,
) -> None:
    """Encode pictures, numbered from `first` on; what the encoder holds back stays in it."""
    for index, picture in enumerate(frames, start=first):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = frame.reformat(format=stream.pix_fmt)
        frame.pts = index
        container.mux(stream.encode(frame))


def encode_mp4(frames: np.ndarray, *, crf: int = 12, keyframe_interval: int = 12) -> bytes:
    """Encode pictures as a silent 25 fps H.264 file with short keyframe distances.

    Args:
        frames: RGB, uint8 `t h w 3`, h and w even.
        crf: x264's constant rate factor; lower is better and larger.
        keyframe_interval: frames from one keyframe to the next, at most.
    """
    options = {
        "crf": str(crf),
        "g": str(keyframe_interval),
        "preset": "veryfast",
        "x264-params": _SAME_BYTES,
    }
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = _add_pictures(container, frames, options)
        _encode_pictures(container, stream, frames)
        container.mux(stream.encode())
    return buffer.getvalue()


def _decode_decord(data: bytes, indices: list[int] | None) -> np.ndarray:
    import torch  # noqa: F401 - decord crashes at import when torch comes after it
    from decord import VideoReader, cpu

    reader = VideoReader(io.BytesIO(data), ctx=cpu(0), num_threads=1)
    wanted = list(range(len(reader))) if indices is None else indices
    return reader.get_batch(wanted).asnumpy()


def _decode_container(data: bytes, indices: list[int] | None) -> np.ndarray:
    pictures = decode_container(data)
    return pictures if indices is None else pictures[indices]


def _decode_frames(data: bytes, indices: list[int] | None) -> np.ndarray:
    return Mp4Frames(data)[slice(None) if indices is None else indices]


_BACKENDS = {"frames": _decode_frames, "pyav": _decode_container, "decord": _decode_decord}


def decode_mp4(
    data: bytes, indices: list[int] | None = None, *, backend: str = "frames"
) -> np.ndarray:
    """Decode a shard's `mp4` member.

    Args:
        data: the file's bytes (25 fps constant).
        indices: frames wanted; all when None.
        backend: `frames` (`Mp4Frames`), `pyav` (the whole file by its container) or `decord`; all
            give the same pictures.

    Returns:
        RGB, uint8 `t h w 3`.
    """
    return _BACKENDS[backend](data, indices)


def write_video(
    path: Path,
    frames: np.ndarray | Iterable[np.ndarray],
    audio: np.ndarray | None = None,
    *,
    crf: int = 16,
) -> None:
    """Write a whole video for people (`VideoWriter`).

    Args:
        path: the mp4 to write; its folder is made.
        frames: RGB, uint8 `t h w 3`, 25 fps; or parts of it in order, for what memory cannot hold.
        audio: mono float32 in [-1, 1] at 16 kHz, or None; cut or padded to the pictures' length.
        crf: x264's constant rate factor; lower is better and larger.
    """
    sound = None
    if audio is not None:
        blocks = iter([np.asarray(audio, dtype=np.float32)[None]])
        sound = SoundTrack(rate_hz=SAMPLE_RATE_HZ, num_channels=1, blocks=blocks)
    with VideoWriter(path, sound=sound, crf=crf) as writer:
        for part in (frames,) if isinstance(frames, np.ndarray) else frames:
            writer.add(part)


class VideoWriter:
    """A video for people, written as its pictures come: H.264 yuv420p and, with sound, AAC.

    Used as a context. The file is written aside and gets its name when it is whole; after an error
    nothing is left. Sound goes in beside the pictures and is cut, or padded with silence, to their
    length, so that memory does not grow with the video. AAC begins one block of 1,024 samples
    early; the file's edit list says so, and decoders that obey it give every sample at its time.

    Args:
        path: the mp4 to write; its folder is made.
        sound: its sound track, or None.
        crf: x264's constant rate factor; lower is better and larger.
    """

    def __init__(self, path: Path, *, sound: SoundTrack | None = None, crf: int = 16) -> None:
        if sound is not None and sound.rate_hz not in AAC_RATES_HZ:
            raise ValueError(f"expected sound at one of {AAC_RATES_HZ} Hz, got {sound.rate_hz}")
        self.path = Path(path)
        self.num_frames = 0
        self._part = self.path.with_name(self.path.name + ".part")
        self._crf = crf
        self._sound = sound
        self._container: OutputContainer | None = None
        self._pictures: av.VideoStream | None = None
        self._encoder: _SoundEncoder | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        options = {"movflags": "faststart"}
        self._container = av.open(str(self._part), "w", format="mp4", options=options)
        return self

    def add(self, frames: np.ndarray) -> None:
        """Write the next pictures.

        Args:
            frames: RGB, uint8 `t h w 3`, h and w even and the same in every call.
        """
        assert self._container is not None, "the writer is used as a context"
        if self._pictures is None:
            options = {
                "crf": str(self._crf),
                "preset": "medium",
                "x264-params": _SAME_BYTES,
            }
            self._pictures = _add_pictures(self._container, frames, options)
            if self._sound is not None:
                self._encoder = _SoundEncoder(self._container, self._sound)
        for start in range(0, len(frames), FPS):
            second = frames[start : start + FPS]
            _encode_pictures(self._container, self._pictures, second, first=self.num_frames)
            self.num_frames += len(second)
            if self._encoder is not None:
                self._encoder.advance(len(second))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._container is not None, "the writer is used as a context"
        try:
            if kind is None:
                self._finish()
            self._container.close()
        except BaseException:
            self._part.unlink(missing_ok=True)
            raise
        if kind is None:
            self._part.replace(self.path)
        else:
            self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._container is None or self._pictures is None:
            raise ValueError(f"expected at least one picture for {self.path}, got none")
        self._container.mux(self._pictures.encode())
        if self._encoder is not None:
            self._encoder.finish()


class _SoundEncoder:
    """Sound encoded as far as the pictures have come."""

    def __init__(self, container: OutputContainer, sound: SoundTrack) -> None:
        self._container = container
        self._sound = sound
        self._layout = "mono" if sound.num_channels == 1 else "stereo"
        self._stream = container.add_stream("aac", rate=sound.rate_hz, layout=self._layout)
        if sound.bit_rate is not None:
            self._stream.bit_rate = sound.bit_rate
        self._rest = np.zeros((sound.num_channels, 0), np.float32)
        self._written = 0

    def advance(self, num_frames: int) -> None:
        """Encode the sound of the next pictures; silence where there is no more."""
        wanted = num_frames * self._sound.rate_hz // FPS
        parts = [self._rest]
        held = self._rest.shape[1]
        while held < wanted and (block := next(self._sound.blocks, None)) is not None:
            parts.append(block)
            held += block.shape[1]
        parts.append(np.zeros((self._sound.num_channels, max(0, wanted - held)), np.float32))
        samples = np.concatenate(parts, axis=1)
        self._rest = samples[:, wanted:]
        self._encode(samples[:, :wanted])

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        self._container.mux(self._stream.encode())

    def _encode(self, samples: np.ndarray) -> None:
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, dtype=np.float32), format="fltp", layout=self._layout
        )
        frame.sample_rate = self._sound.rate_hz
        frame.pts = self._written
        frame.time_base = Fraction(1, self._sound.rate_hz)
        self._written += samples.shape[1]
        self._container.mux(self._stream.encode(frame))
