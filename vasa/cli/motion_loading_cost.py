"""Speed of loading stage 2's windows, which need no video, beside the training that reads them."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from vasa.cli.measurement import Measurement
from vasa.data.motion_datamodule import MotionDataModule
from vasa.data.motion_shards import (
    MotionClip,
    MotionSetInfo,
    MotionShardWriter,
    finish_motion_set,
)
from vasa.data.schema import EMOTIONS, FPS, FaceLabels

NUM_CLIPS = 24
CLIP_FRAMES = 8 * FPS


class _FaceRow(SimpleNamespace):
    """As `itertuples` gives it."""

    def _asdict(self) -> dict[str, Any]:
        return dict(vars(self))


def write_random_motion(root: Path, *, num_motion: int, num_audio: int, seed: int) -> None:
    """A motion set of random content; what loading costs does not depend on it."""
    rng = np.random.default_rng(seed)
    info = MotionSetInfo(
        stage1_hash="0" * 64, audio_encoder="", num_motion=num_motion, num_audio_features=num_audio
    )
    info.write(root)
    writer = MotionShardWriter(root=root, shard="train/000000.tar", info=info)

    def normal(*more: int) -> np.ndarray:
        return rng.normal(size=(CLIP_FRAMES, *more)).astype(np.float32)

    for number in range(NUM_CLIPS):
        labels = FaceLabels(
            landmarks=normal(68, 2),
            pose=normal(6) * 0.1,
            gaze=normal(2) * 0.1,
            blink=normal(),
            emotion=np.abs(normal(len(EMOTIONS))),
            quality=normal(),
            valid=np.ones(CLIP_FRAMES, bool),
            mouth=normal(2),
        )
        key = f"p{number}/v/0"
        clip = MotionClip(
            key=key,
            speaker=f"p{number}",
            motion=normal(num_motion),
            audio=normal(num_audio),
            labels=labels,
        )
        row = _FaceRow(key=key, split="train", speaker=clip.speaker, frames=CLIP_FRAMES)
        writer.write(clip, face_row=row, details={"key": key})
    writer.close()
    finish_motion_set(root, shards=["train/000000.tar"])


def motion_loading_costs(
    config: dict[str, Any], *, num_audio: int, seconds: float, steps: int
) -> Iterator[Measurement]:
    """Windows a CPU second of the DataModule and of training, and their ratio.

    Args:
        config: resolved configuration of a stage-2 run, on random batches.
        num_audio: audio features a frame.
        seconds: processor time of loading, about.
        steps: of training that are measured.
    """
    settings = config["data"]
    batch_size = settings["batch_size"]
    with tempfile.TemporaryDirectory(prefix="vasa-bench-motion-") as folder:
        root = Path(folder) / "motion"
        num_motion = config["module"]["model"]["num_motion"]
        write_random_motion(root, num_motion=num_motion, num_audio=num_audio, seed=config["seed"])
        loaded = {}
        for name, cache_gb in (("from_memory", 1.0), ("decoded", 0.0)):
            loaded[name] = _loading(root, settings, cache_gb=cache_gb, seconds=seconds)
            note = f"{settings['window']} frames a window, a CPU second"
            yield _speed(f"data/stage2/{name}", *loaded[name], note)
        trained = _training(config, folder=Path(folder), steps=steps) * batch_size
    yield _speed("data/stage2/training", trained, steps, f"batch of {batch_size}, a CPU second")
    for name, (speed, _) in loaded.items():
        metric = "data/stage2_ratio_to_training" + ("" if name == "from_memory" else f"_{name}")
        note = f"windows a CPU second, loading ({name.replace('_', ' ')}) over training"
        yield Measurement(metric=metric, unit="ratio", value=speed / trained, calls=1, note=note)


def _loading(
    root: Path, settings: dict[str, Any], *, cache_gb: float, seconds: float
) -> tuple[float, int]:
    data = MotionDataModule(
        root=root,
        split="train",
        val_split="val",
        batch_size=settings["batch_size"],
        window=settings["window"],
        num_previous=settings["num_previous"],
        min_frames=settings["window"],
        num_val_windows=0,
        short_share=0.0,
        shortest=1,
        seed=settings["seed"],
        num_steps=0,
        num_workers=0,
        cache_gb=cache_gb,
    )
    for step in range(8):
        data.batch_at(step)
    calls, start = 0, time.process_time()
    while not calls or time.process_time() - start < seconds:
        data.batch_at(8 + calls)
        calls += 1
    return calls * settings["batch_size"] / (time.process_time() - start), calls


def _training(config: dict[str, Any], *, folder: Path, steps: int) -> float:
    """Steps a CPU second: a longer run less a shorter one, so that their start is left out."""
    from vasa.training.runner import train

    spent = []
    few = max(1, steps // 2)
    for name, count in (("first", few), ("short", few), ("long", few + steps)):
        run = {**config, "max_steps": count, "run_dir": str(folder / name)}
        run["data"] = {**config["data"], "num_steps": count}
        start = time.process_time()
        train(cfg=OmegaConf.create(run))
        spent.append(time.process_time() - start)
    return steps / max(spent[2] - spent[1], 1e-9)


def _speed(metric: str, value: float, calls: int, note: str) -> Measurement:
    return Measurement(metric=metric, unit="windows/s", value=value, calls=calls, note=note)
