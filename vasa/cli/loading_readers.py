"""Ways to read a window of a clip's pictures: ours, and those that it is measured against.

Each is called with (clip, first frame, number of frames) and gives uint8 `t h w 3`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from vasa.data.clip_store import ClipStore
from vasa.data.shard_members import checked_members
from vasa.data.video import decode_mp4


class StoreReader:
    """As training reads: labels too, bytes checked against their hash.

    Args:
        root: face-shard set.
        cache_gb: memory for clips.
    """

    def __init__(self, root: Path, *, cache_gb: float) -> None:
        self.store = ClipStore(root, split="train", cache_gb=cache_gb)

    def __call__(self, clip: int, start: int, num_frames: int) -> np.ndarray:
        """The window."""
        return self.store[clip].frames[start : start + num_frames]


class ShardReader:
    """A clip's members, decoded by one of the other decoders; bytes are checked too.

    Args:
        root: face-shard set.
        rows: of its index.
        decoder: a backend of `decode_mp4`.
    """

    def __init__(self, root: Path, rows: list[Any], *, decoder: str) -> None:
        self.root = root
        self.rows = rows
        self.decoder = decoder

    def __call__(self, clip: int, start: int, num_frames: int) -> np.ndarray:
        """The window."""
        row = self.rows[clip]
        members = checked_members(self.root, row)
        wanted = list(range(start, start + num_frames))
        return decode_mp4(members["mp4"], wanted, backend=self.decoder)


class FileReader:
    """A plain folder of mp4 files, each opened for the window alone.

    Args:
        paths: of the files.
        decoder: decord or torchcodec, on one thread.
    """

    def __init__(self, paths: list[Path], *, decoder: str) -> None:
        self.paths = paths
        self.decode = {"decord": _by_decord, "torchcodec": _by_torchcodec}[decoder]

    def __call__(self, clip: int, start: int, num_frames: int) -> np.ndarray:
        """The window."""
        return self.decode(str(self.paths[clip]), start, num_frames)


class LitDataReader:
    """The same files as samples of a LitData set, decoded by torchcodec.

    Args:
        paths: of the files.
        folder: where the set is made.
    """

    def __init__(self, paths: list[Path], *, folder: Path) -> None:
        import litdata  # pyright: ignore[reportMissingImports]

        litdata.optimize(
            fn=_whole_file,
            inputs=[str(path) for path in paths],
            output_dir=str(folder),
            chunk_bytes="64MB",
            num_workers=1,
        )
        self.samples = litdata.StreamingDataset(str(folder), shuffle=False)

    def __call__(self, clip: int, start: int, num_frames: int) -> np.ndarray:
        """The window."""
        return _by_torchcodec(self.samples[clip]["mp4"], start, num_frames)


def _whole_file(path: str) -> dict[str, bytes]:
    return {"mp4": Path(path).read_bytes()}


def _by_decord(path: str, start: int, num_frames: int) -> np.ndarray:
    from decord import VideoReader, cpu

    reader = VideoReader(path, ctx=cpu(0), num_threads=1)
    return reader.get_batch(list(range(start, start + num_frames))).asnumpy()


def _by_torchcodec(source: str | bytes, start: int, num_frames: int) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder  # pyright: ignore[reportMissingImports]

    decoder = VideoDecoder(
        source, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="approximate"
    )
    return decoder[start : start + num_frames].numpy()
