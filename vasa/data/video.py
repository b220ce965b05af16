"""Pictures to H.264 and back, in memory.

PyAV writes; decord reads, with PyAV as the checked alternative (see `decode_mp4`).
"""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vasa.data.schema import FPS, SAMPLE_RATE_HZ

_SAME_BYTES = "rc-lookahead=0:mbtree=0"
"""x264's rate control by macroblock trees (mbtree) gives, now and then, other bytes for the same
pictures: 2 files in 100 to 400 encodings of 48 to 96 px pictures, none without it."""


def _add_pictures(
    container: av.container.OutputContainer, frames: np.ndarray, options: dict[str, str], fps: int
) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    stream.time_base = Fraction(1, fps)
    return stream


def _encode_pictures(
    container: av.container.OutputContainer, stream: av.VideoStream, frames: np.ndarray
) -> None:
    for index, picture in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = frame.reformat(format=stream.pix_fmt)
        frame.pts = index
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


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
        stream = _add_pictures(container, frames, options, FPS)
        _encode_pictures(container, stream, frames)
    return buffer.getvalue()


def _decode_decord(data: bytes, indices: list[int] | None) -> np.ndarray:
    import torch  # noqa: F401 - decord crashes at import when torch comes after it
    from decord import VideoReader, cpu

    reader = VideoReader(io.BytesIO(data), ctx=cpu(0), num_threads=1)
    wanted = list(range(len(reader))) if indices is None else indices
    return reader.get_batch(wanted).asnumpy()


def _decode_pyav(data: bytes, indices: list[int] | None) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    wanted = range(len(pictures)) if indices is None else indices
    return np.stack([pictures[index] for index in wanted])


_BACKENDS = {"decord": _decode_decord, "pyav": _decode_pyav}


def decode_mp4(
    data: bytes, indices: list[int] | None = None, *, backend: str = "decord"
) -> np.ndarray:
    """Decode a shard's `mp4` member.

    Args:
        data: the file's bytes (25 fps constant).
        indices: frames wanted; all when None.
        backend: `decord` or `pyav`; both give the same pictures.

    Returns:
        RGB, uint8 `t h w 3`.
    """
    return _BACKENDS[backend](data, indices)


def write_video(
    path: Path, frames: np.ndarray, audio: np.ndarray | None = None, *, crf: int = 16
) -> None:
    """Write a video for people: H.264 yuv420p and, with sound, AAC.

    Args:
        path: the mp4 to write; its folder is made.
        frames: RGB, uint8 `t h w 3`, 25 fps.
        audio: mono float32 in [-1, 1] at 16 kHz, or None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = _add_pictures(container, frames, {"crf": str(crf), "preset": "medium"}, FPS)
        sound = None
        if audio is not None:
            sound = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        _encode_pictures(container, stream, frames)
        if audio is not None and sound is not None:
            _encode_sound(container, sound, audio)
    part.replace(path)


def _encode_sound(
    container: av.container.OutputContainer, sound: av.AudioStream, audio: np.ndarray
) -> None:
    samples = np.ascontiguousarray(audio, dtype=np.float32)[None]
    for start in range(0, samples.shape[1], 1024):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[:, start : start + 1024]), format="fltp", layout="mono"
        )
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = start
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        container.mux(sound.encode(frame))
    container.mux(sound.encode())
