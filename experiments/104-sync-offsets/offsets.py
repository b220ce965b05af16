"""Offsets that a SyncNet finds in clips of held-out people: as they are, delayed, with other sound.

usage: python experiments/104-sync-offsets/offsets.py OUT NAME SET SYNCNET SOURCE

Scores the clips of SET's test split that come from SOURCE and writes OUT/NAME.json. Nothing is
filled up with silence: a delay of 5 frames pairs picture i with the sound of picture i - 5, where
both exist. Shapes: t windows, e numbers of an embedding.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.data.shards import read_clip, read_index
from vasa.models.checkpoint import load_model, model_hash
from vasa.models.sync_score import SyncResult, sync_result
from vasa.models.syncnet import SyncNet
from vasa.training.run_folder import describe_environment

DELAY_FRAMES = 5
LEAST_WINDOWS = 16


@torch.inference_mode()
def embeddings(net: SyncNet, clip: Any) -> tuple[Tensor, Tensor]:
    """Windows of a clip's pictures and of its sound, `t e` each."""
    count = min(len(clip.frames), len(clip.audio) // SAMPLES_PER_FRAME)
    pictures = torch.from_numpy(np.ascontiguousarray(clip.frames[:count])).permute(0, 3, 1, 2)
    sound = torch.from_numpy(np.ascontiguousarray(clip.audio[: count * SAMPLES_PER_FRAME]))
    return net.embed_video(pictures.float()[None] / 255)[0], net.embed_audio(sound.float()[None])[0]


def told(result: SyncResult) -> dict[str, int]:
    return {"offset": result.offset_frames, "most": result.max_shift}


def compared(video: Tensor, audio: Tensor, delay: int) -> SyncResult:
    """The windows with their sound `delay` frames late."""
    return sync_result(video[delay:], audio[: len(audio) - delay])


def main(out: Path, name: str, data: Path, syncnet: Path, source: str) -> None:
    net = load_model(syncnet)
    if not isinstance(net, SyncNet):
        sys.exit(f"expected the run of a SyncNet at {syncnet}, got one of {type(net).__name__}")
    index = read_index(data)
    rows: list[Any] = [
        row for row in index.itertuples() if row.split == "test" and row.source == source
    ]
    if not rows:
        sys.exit(f"expected test clips from {source!r} in {data}, got {sorted(set(index.source))}")
    found = [(row, embeddings(net, read_clip(data, row))) for row in rows]
    kept = [one for one in found if len(one[1][0]) >= LEAST_WINDOWS]
    people = sorted({row.speaker for row, _ in kept})
    first = {row.speaker: sound for row, (_, sound) in reversed(kept)}
    after = dict(zip(people, people[1:] + people[:1], strict=True))
    clips = []
    for row, (video, audio) in kept:
        other = first[after[row.speaker]]
        count = min(len(video), len(other))
        clips.append(
            {
                "key": row.key,
                "person": row.speaker,
                "frames": row.frames,
                "as_it_is": told(compared(video, audio, 0)),
                "delayed": told(compared(video, audio, DELAY_FRAMES)),
                "other_sound": told(sync_result(video[:count], other[:count])),
            }
        )
    environment = describe_environment(device="cpu")
    record = {
        "name": name,
        "source": source,
        "syncnet": model_hash(syncnet)[:8],
        "too_short": len(found) - len(kept),
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "device": environment["device"],
        "clips": clips,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    folder, name, data, syncnet, source = sys.argv[1:]
    main(Path(folder), name, Path(data), Path(syncnet), source)
