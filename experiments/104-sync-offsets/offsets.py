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
from vasa.models.sync_score import SyncResult
from vasa.pretrained.sync_scorer import SyncScorer, load_sync_scorer
from vasa.training.run_folder import describe_environment

DELAY_FRAMES = 5
LEAST_WINDOWS = 16


@torch.inference_mode()
def embeddings(scorer: SyncScorer, clip: Any) -> tuple[Tensor, Tensor]:
    """Windows of a clip's pictures and of its sound, `t e` each."""
    count = min(len(clip.frames), len(clip.audio) // SAMPLES_PER_FRAME)
    pictures = torch.from_numpy(np.ascontiguousarray(clip.frames[:count])).permute(0, 3, 1, 2)
    sound = torch.from_numpy(np.ascontiguousarray(clip.audio[: count * SAMPLES_PER_FRAME]))
    video = scorer.embed_video(pictures.float()[None] / 255)
    return video[0], scorer.embed_audio(sound.float()[None])[0]


def told(result: SyncResult) -> dict[str, int]:
    return {"offset": result.offset_frames, "most": result.max_shift}


def main(out: Path, name: str, data: Path, syncnet: Path, source: str) -> None:
    scorer = load_sync_scorer(syncnet)
    index = read_index(data)
    rows: list[Any] = [
        row for row in index.itertuples() if row.split == "test" and row.source == source
    ]
    if not rows:
        sys.exit(f"expected test clips from {source!r} in {data}, got {sorted(set(index.source))}")
    found = [(row, embeddings(scorer, read_clip(data, row))) for row in rows]
    kept = [one for one in found if len(one[1][0]) >= LEAST_WINDOWS]
    people = sorted({row.speaker for row, _ in kept})
    first = {row.speaker: sound for row, (_, sound) in reversed(kept)}
    after = dict(zip(people, people[1:] + people[:1], strict=True))
    clips = []
    for row, (video, audio) in kept:
        late = scorer.result(video, audio, delay_frames=DELAY_FRAMES)
        other = scorer.result(video, first[after[row.speaker]])
        clips.append(
            {
                "key": row.key,
                "person": row.speaker,
                "frames": row.frames,
                "as_it_is": told(scorer.result(video, audio)),
                "delayed": told(late),
                "other_sound": told(other),
            }
        )
    environment = describe_environment(device="cpu")
    record = {
        "name": name,
        "source": source,
        "syncnet": scorer.weights,
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
