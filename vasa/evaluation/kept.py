"""What networks gave for an input, kept by the network and the input, so that none is asked twice.

The same real clip is met by every protocol and by every setting of a sweep, and the same generated
video by several protocols.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vasa.evaluation.coding import facts_hash
from vasa.pretrained.sync_scorer import SyncScorer
from vasa.types import FaceMeasurements


class Kept:
    """Tensors on disk by who gave them and for what.

    Args:
        folder: that keeps them; it may be deleted at any time.
        facts: all but the input that the answers depend on, such as the network's hash.
    """

    def __init__(self, folder: Path, *, facts: Any) -> None:
        self.folder = folder / facts_hash(facts)

    def __call__(
        self, given: Tensor, ask: Callable[[], Mapping[str, Tensor]]
    ) -> Mapping[str, Tensor]:
        """The answer for an input; `ask` is called where it is not known."""
        path = self.folder / f"{tensor_hash(given)}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            with part.open("wb") as file:
                found = {name: value.cpu().numpy() for name, value in ask().items()}
                np.savez(file, allow_pickle=False, **found)
            part.replace(path)
        with np.load(path) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def tensor_hash(value: Tensor) -> str:
    """Hash of type, shape and content, hex."""
    array = value.detach().cpu().contiguous().numpy()
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(array.data.cast("B") if array.size else b"")
    return digest.hexdigest()[:32]


def keep_measurements(
    kept: Kept, video: Tensor, ask: Callable[[], FaceMeasurements]
) -> FaceMeasurements:
    """What an expert measures in a video, uint8 `t c h w`."""

    def tensors() -> dict[str, Tensor]:
        seen = ask()
        values = {item.name: getattr(seen, item.name) for item in fields(FaceMeasurements)}
        return {name: value for name, value in values.items() if value is not None}

    return FaceMeasurements(**kept(video, tensors))


class KeptSyncNet:
    """A SyncNet whose embeddings are kept.

    Args:
        scorer: loaded when something is not known yet.
        kept: of this network.
    """

    def __init__(self, scorer: Callable[[], SyncScorer], kept: Kept) -> None:
        self._scorer = scorer
        self._kept = kept

    @property
    def least_frames(self) -> int:
        """See SyncNet."""
        return self._scorer().net.least_frames

    def embed_video(self, clip: Tensor) -> Tensor:
        """See SyncNet."""
        return self._kept(clip, lambda: {"windows": self._scorer().embed_video(clip)})["windows"]

    def embed_audio(self, audio: Tensor) -> Tensor:
        """See SyncNet."""
        return self._kept(audio, lambda: {"windows": self._scorer().embed_audio(audio)})["windows"]
