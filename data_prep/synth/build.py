"""Makes the whole synthetic set: clips from a pool of processes, written in a fixed order."""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.synth.clip import PERSON_OFFSET, ClipSpec, make_clip
from data_prep.synth.independent import independent_clip
from vasa.data.schema import FaceClip
from vasa.data.shards import FaceShardWriter, pack_arrays, safe_key
from vasa.data.video import write_video
from vasa.types import InputError

VERSION = "synth-2"
FORMATS = ("shards", "clips")
MOTIONS = {"talking": make_clip, "independent": independent_clip}
_CLIPS_PER_SHARD = 64


def _check(
    *,
    size: int,
    people: dict[str, int],
    clips_per_person: int,
    seconds: float,
    workers: int,
    format: str,
    motion: str,
):
    if size % 2 or not 32 <= size <= 512:
        raise InputError(f"expected an even size from 32 to 512 px, got {size}")
    if set(people) != set(PERSON_OFFSET) or min(people.values()) < 0 or sum(people.values()) < 1:
        raise InputError(
            f"expected people.train, people.val and people.test, 0 or more each, got {people}"
        )
    if max(people.values()) >= 100_000:
        raise InputError(f"expected fewer than 100000 people in a split, got {people}")
    if clips_per_person < 1 or workers < 1:
        raise InputError(
            "expected clips_per_person and workers of at least 1, "
            f"got {clips_per_person} and {workers}"
        )
    if not 0.2 <= seconds <= 120:
        raise InputError(f"expected seconds from 0.2 to 120, got {seconds}")
    if format not in FORMATS:
        raise InputError(f"expected format to be one of {', '.join(FORMATS)}, got {format!r}")
    if motion not in MOTIONS:
        raise InputError(f"expected motion to be one of {', '.join(MOTIONS)}, got {motion!r}")


def _write_raw(root: Path, clip: FaceClip) -> None:
    """A clip as a video with sound, and its truth beside it."""
    stem = root / clip.split / safe_key(clip.key)
    write_video(stem.with_suffix(".mp4"), clip.frames, clip.audio)
    truth = {**clip.labels.to_arrays(), "details": np.array(json.dumps(clip.extra))}
    part = stem.with_suffix(".npz.part")
    part.write_bytes(pack_arrays(truth))
    part.replace(stem.with_suffix(".npz"))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _clips(specs: list[ClipSpec], *, make: Callable[[ClipSpec], FaceClip], workers: int):
    """The clips of `specs` in their order, whatever the number of workers."""
    if workers == 1:
        yield from map(make, specs)
        return
    # a clean server process imports once and forks the workers
    context = get_context("forkserver")
    context.set_forkserver_preload(["data_prep.synth.independent"])
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        ahead = 4 * workers
        waiting = [pool.submit(make, spec) for spec in specs[:ahead]]
        for i in range(len(specs)):
            clip = waiting[i].result()
            waiting[i] = None
            if i + ahead < len(specs):
                waiting.append(pool.submit(make, specs[i + ahead]))
            yield clip


def build_set(
    *,
    output: Path,
    size: int,
    people: dict[str, int],
    clips_per_person: int,
    seconds: float,
    seed: int,
    format: str,
    workers: int,
    motion: str = "talking",
) -> bool:
    """Write a synthetic set; deterministic from its arguments but `workers`.

    Args:
        output: folder of the set.
        size: picture's height and width (px).
        people: persons in train, val and test; nobody is in two of them.
        clips_per_person: clips of each.
        seconds: length of a clip.
        seed: of identities, speech and motion.
        format: `shards` (face shards) or `clips` (mp4 with sound, and an npz of the truth).
        workers: processes.
        motion: `talking` (speech, and the motion with it) or `independent` (every frame a state of
            its own, without sound).

    Returns:
        True if the set was made now, False if it was complete already.

    Raises:
        InputError: values out of range, or another set in `output`.
    """
    _check(
        size=size,
        people=people,
        clips_per_person=clips_per_person,
        seconds=seconds,
        workers=workers,
        format=format,
        motion=motion,
    )
    config = {
        "version": VERSION,
        "size": size,
        "people": {split: int(people[split]) for split in PERSON_OFFSET},
        "clips_per_person": clips_per_person,
        "seconds": float(seconds),
        "seed": seed,
        "format": format,
        "motion": motion,
    }
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    output = Path(output)
    done = output / "done.json"
    started = output / "config.json"
    for mark in (done, started):
        if mark.is_file() and json.loads(mark.read_text())["hash"] != digest:
            raise InputError(
                f"expected a new or empty folder, {output} holds a synthetic set made with other "
                "settings; choose another output= or remove it"
            )
    if done.is_file():
        return False
    output.mkdir(parents=True, exist_ok=True)
    record = json.dumps({"hash": digest, **config}, indent=2)
    started.write_text(record)
    specs = [
        ClipSpec(split=split, person=person, clip=clip, size=size, seconds=seconds, seed=seed)
        for split, count in config["people"].items()
        for person in range(count)
        for clip in range(clips_per_person)
    ]
    progress = tqdm(
        _clips(specs, make=MOTIONS[motion], workers=workers),
        total=len(specs),
        desc="synth",
        unit="clip",
    )
    if format == "shards":
        with FaceShardWriter(
            output, clips_per_shard=_CLIPS_PER_SHARD, prep_version=VERSION
        ) as writer:
            for clip in progress:
                writer.write(clip)
    else:
        for clip in progress:
            _write_raw(output, clip)
    part = done.with_name("done.json.part")
    part.write_text(record)
    os.replace(part, done)
    return True
