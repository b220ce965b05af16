"""What became of one file, on disk: a killed preparation goes on from these."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from data_prep.clip import DropRow, Prepared
from data_prep.layouts import ClipSource
from vasa.data.schema import FaceClip, FaceLabels

_TEXTS = ("key", "speaker", "split", "source", "licence", "extra")


def work_file(folder: Path, source: ClipSource) -> Path:
    """Where a clip's result is kept; another name once the file or the stretch has changed."""
    state = "missing"
    if source.path.is_file():
        status = source.path.stat()
        state = f"{status.st_size} {status.st_mtime_ns}"
    text = f"{source.key} {state} {source.start_s} {source.end_s} {source.region}"
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.npz"


def save_prepared(path: Path, prepared: Prepared) -> None:
    """Write a result; the file appears when it is whole."""
    arrays: dict[str, np.ndarray] = {}
    for number, clip in enumerate(prepared.clips):
        arrays[f"{number}/frames"] = clip.frames
        arrays[f"{number}/audio"] = clip.audio
        for name, array in clip.labels.to_arrays().items():
            arrays[f"{number}/labels/{name}"] = array
    record = {
        "clips": [{name: getattr(clip, name) for name in _TEXTS} for clip in prepared.clips],
        "dropped": [asdict(row) for row in prepared.dropped],
    }
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        np.savez(file, record=np.array(json.dumps(record)), **arrays)  # type: ignore[arg-type]
    part.replace(path)


def load_prepared(path: Path) -> Prepared:
    """Read a result back."""
    with np.load(path, allow_pickle=False) as arrays:
        record = json.loads(str(arrays["record"]))
        clips = []
        for number, texts in enumerate(record["clips"]):
            prefix = f"{number}/labels/"
            labels = {
                name.removeprefix(prefix): arrays[name]
                for name in arrays.files
                if name.startswith(prefix)
            }
            clips.append(
                FaceClip(
                    frames=arrays[f"{number}/frames"],
                    audio=arrays[f"{number}/audio"],
                    labels=FaceLabels(**labels),
                    **texts,
                )
            )
    return Prepared(clips=tuple(clips), dropped=tuple(DropRow(**row) for row in record["dropped"]))
