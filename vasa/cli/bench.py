"""Measure the speed of each part on this machine: JSON lines, and a table.

Beside each number stands its ratio to a plain convolution timed right before it in the same run,
so that two machines, or a busy and an idle hour, can be told from two versions of the code.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from vasa.cli.paths import conf_dir

SMALLEST = "face_tiny"
"""The stage 1 whose speed is measured in batches; for others, their cost a picture."""

Measurement = tuple[str, str, float, int]  # metric, unit, value, number of calls


def rate(work: Callable[[], int], *, seconds: float) -> tuple[float, int]:
    """Units of work per second, and the number of calls; a first call warms up.

    Args:
        work: does some units of work and says how many.
        seconds: to go on for.
    """
    work()
    units, calls, start = 0, 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds or not calls:
        units += work()
        calls += 1
    return units / spent, calls


def reference_rate() -> float:
    """Convolutions per second: 3 x 3, 32 to 32 channels, eight pictures of 64 px."""
    import torch

    images, kernel = torch.randn(8, 32, 64, 64), torch.randn(32, 32, 3, 3)

    def convolve() -> int:
        torch.nn.functional.conv2d(images, kernel, padding=1)
        return 1

    with torch.inference_mode():
        return rate(convolve, seconds=0.5)[0]


def measure_synth(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """The renderer alone, then whole clips: speech, motion, pictures, labels."""
    from data_prep.synth.clip import ClipSpec, clip_speech, frame_state, make_clip
    from data_prep.synth.motion import motion_track
    from data_prep.synth.render import Renderer
    from data_prep.synth.visemes import mouth_track
    from vasa.data.schema import FPS

    spec = ClipSpec(split="train", person=0, clip=0, size=cfg.size, seconds=2.0, seed=cfg.seed)
    who = spec.identity()
    timing = {"phonemes": clip_speech(spec, who=who).phonemes, "num_frames": 2 * FPS, "fps": FPS}
    mouth = mouth_track(**timing, articulation=who.articulation)
    motion = motion_track(rng=spec.generator(1), **timing)
    states = [frame_state(mouth=mouth, motion=motion, frame=i) for i in range(2 * FPS)]
    for size in sorted({cfg.size, 128}):
        renderer = Renderer(who=who, size=size)
        value, calls = rate(
            lambda r=renderer: len([r.render(state) for state in states]), seconds=cfg.seconds
        )
        yield f"synth/render_{size}px", "frames/s", value, calls
    value, calls = rate(lambda: len(make_clip(spec).frames), seconds=cfg.seconds)
    yield f"synth/clip_{cfg.size}px", "frames/s", value, calls


def measure_shards(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """Random pairs of frames from face shards: each clip decoded anew, and from memory."""
    from vasa.data.face_datamodule import FaceDataModule

    for metric, cache_gb in (("shards/decoded", 0.0), ("shards/from_memory", 1.0)):
        data = FaceDataModule(
            root=str(_shards(cfg, folder)),
            split="train",
            batch_size=cfg.batch_size,
            frames_per_clip=2,
            min_distance=5,
            seed=cfg.seed,
            num_steps=1,
            num_workers=0,
            cache_gb=cache_gb,
        )
        steps = iter(range(1_000_000))

        def load(data: FaceDataModule = data, steps: Iterator[int] = steps) -> int:
            return len(data.batch_at(next(steps))["image"])

        value, calls = rate(load, seconds=cfg.seconds)
        yield metric, "samples/s", value, calls


def measure_training(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """A real, short run of the stage-1 experiment, with losses, average and record."""
    from vasa.models.checkpoint import save_model
    from vasa.training.config import build
    from vasa.training.logging import MetricsRecord
    from vasa.training.runner import train

    expert = _composed("expert/loss").module.model
    save_model(
        build(expert),
        OmegaConf.to_container(expert, resolve=True),  # type: ignore[arg-type]
        folder / "expert" / "model",
    )
    run = _composed(
        cfg.training,
        f"data.root={_shards(cfg, folder)}",
        f"module.expert={folder / 'expert'}",
        f"run_dir={folder / 'run'}",
        f"max_steps={cfg.training_steps}",
        f"trainer.num_threads={cfg.num_threads or 'null'}",
        *("logger=none", "log_every=1", "sample_every=0"),
    )
    times = [line["time_s"] for line in MetricsRecord.read(train(cfg=run) / "metrics.jsonl")]
    warm = len(times) // 3
    steps = len(times) - 1 - warm
    yield f"training/{cfg.training}", "steps/s", steps / (times[-1] - times[warm]), steps


def measure_decode(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """Stage 1 at inference: motion of pictures, and pictures of motion for one source.

    Of a preset other than the smallest: its cost a picture (`vasa.cli.decode_cost`).
    """
    import torch

    from vasa.cli.decode_cost import decode_costs
    from vasa.training.config import build

    if (preset := HydraConfig.get().runtime.choices["model@stage1"]) != SMALLEST:
        config = cast(dict[str, Any], OmegaConf.to_container(cfg.stage1, resolve=True))
        name = f"{preset.removeprefix('face_')}_{cfg.stage1.image_size}"
        threads = [cfg.num_threads] if cfg.num_threads else [1, 2]
        yield from decode_costs(config, name=name, threads=threads, seconds=cfg.seconds)
        return
    net = build(cfg.stage1).eval()
    images = torch.rand(cfg.batch_size, 3, cfg.stage1.image_size, cfg.stage1.image_size)
    with torch.inference_mode():
        source, (pose, dyn) = net.encode(images[:1]), net.motion(images)
        moved = source.with_motion(z_pose=pose, z_dyn=dyn)
        encoded = rate(lambda: len(net.motion(images)[0]), seconds=cfg.seconds)
        decoded = rate(lambda: len(net.decode(moved)), seconds=cfg.seconds)
    yield "stage1/motion_of_pictures", "frames/s", *encoded
    yield "stage1/decode", "frames/s", *decoded


def measure_motion(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """Stage 2 at inference: four windows of motion, guided by audio and gaze."""
    import torch

    from vasa.diffusion.sampler import DDIMSampler
    from vasa.inference.windows import MotionSettings, generate_motion
    from vasa.training.config import build

    model = build(cfg.motion).eval()
    settings = MotionSettings(
        guidance={"audio": 0.5, "gaze": 1.0},
        sampler=DDIMSampler(schedule=model.schedule, num_steps=cfg.sampling_steps, eta=0.0),
        seed=cfg.seed,
    )
    audio = torch.randn(4 * model.window, model.audio.dim)
    value, calls = rate(lambda: len(generate_motion(model, audio, settings)), seconds=cfg.seconds)
    yield f"stage2/motion_{cfg.sampling_steps}_steps", "frames/s", value, calls


PARTS = {
    "synth": measure_synth,
    "shards": measure_shards,
    "training": measure_training,
    "decode": measure_decode,
    "motion": measure_motion,
}


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="bench")
def main(cfg: DictConfig) -> None:
    """Measure the chosen parts one after another; write and print each as it comes."""
    import torch

    from vasa.training.run_folder import describe_environment
    from vasa.types import InputError

    if unknown := [part for part in cfg.parts if part not in PARTS]:
        raise InputError(f"expected parts of {', '.join(PARTS)}, got {', '.join(unknown)}")
    if not isinstance(cfg.stage1, DictConfig):
        raise InputError(
            f"expected a preset as model@stage1={cfg.stage1}, got stage1={cfg.stage1}; "
            "stage1.KEY=VALUE changes one value of a preset"
        )
    if cfg.num_threads:
        torch.set_num_threads(cfg.num_threads)
    environment = describe_environment(device="cpu")
    kept = ("commit", "is_dirty", "processor", "cpu_count", "threads", "versions", "started_at")
    record = {key: environment[key] for key in kept}
    output = Path(cfg.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    print(f"{'metric':<40}{'value':>10}  {'unit':<10}{'per convolution':>16}")
    with tempfile.TemporaryDirectory(prefix="vasa-bench-") as folder, output.open("a") as file:
        for part in cfg.parts:
            reference = reference_rate()
            for metric, unit, value, calls in PARTS[part](cfg, Path(folder)):
                ratio = _ratio(value, unit, reference)
                shown = "" if ratio is None else f"{ratio:.4f}"
                print(f"{metric:<40}{value:>10.2f}  {unit:<10}{shown:>16}", flush=True)
                line: dict[str, Any] = {"metric": metric, "value": value, "unit": unit, "n": calls}
                line |= {"reference": reference, "ratio": ratio, **record}
                file.write(json.dumps(line) + "\n")
                file.flush()
    print(f"record: {output}")


def _ratio(value: float, unit: str, reference: float) -> float | None:
    """A speed over the convolution's, a time over its; None for what is neither."""
    if unit.endswith("/s"):
        return value / reference
    return value * reference if unit == "s" else None


def _shards(cfg: DictConfig, folder: Path) -> Path:
    """A small synthetic set for the parts that read one; made once a run."""
    from data_prep.synth.build import build_set

    build_set(
        output=folder / "shards",
        size=cfg.size,
        people={"train": 16, "val": 1, "test": 1},
        clips_per_person=1,
        seconds=1.0,
        seed=cfg.seed,
        format="shards",
        workers=1,
    )
    return folder / "shards"


def _composed(experiment: str, *overrides: str) -> DictConfig:
    """A training configuration, beside the one that this command runs with."""
    return hydra.compose("train", [f"experiment={experiment}", *overrides])


if __name__ == "__main__":
    main()
