"""Measure the speed of each part on this machine: JSON lines, and a table.

Beside each number stands its ratio to a plain convolution timed right before it in the same run,
so that two machines, or a busy and an idle hour, can be told from two versions of the code.
"""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from vasa.cli.measurement import (
    Measurement,
    check_device,
    device_name,
    free_memory,
    rate,
    reference_rate,
    waiting_for,
)
from vasa.cli.paths import conf_dir

SMALLEST = "face_tiny"
"""The stage 1 whose speed is measured in batches; for others, their cost a picture."""


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
        speed = rate(
            lambda r=renderer: len([r.render(state) for state in states]), seconds=cfg.seconds
        )
        yield _speed(f"synth/render_{size}px", "frames/s", speed)
    speed = rate(lambda: len(make_clip(spec).frames), seconds=cfg.seconds)
    yield _speed(f"synth/clip_{cfg.size}px", "frames/s", speed)


def measure_data(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """Windows from shards beside limits and other ways to load; stage 2's beside its training
    (`vasa.cli.loading_cost`, `vasa.cli.motion_loading_cost`).
    """
    from vasa.cli.loading_cost import LoadingWork, loading_costs, lowest_ratios
    from vasa.cli.motion_loading_cost import motion_loading_costs

    work = LoadingWork(
        window_frames=cfg.data_window_frames,
        seconds=cfg.data_seconds,
        workers=list(cfg.data_workers),
        cache_gb=1.0,
        seed=cfg.seed,
    )
    sets = Path(cfg.data_folder or folder / "data")
    people = {"train": cfg.data_people, "val": 1, "test": 1}
    found: list[Measurement] = []
    for size in cfg.data_sizes:
        root = sets / str(size)
        if not (root / "index.parquet").exists():
            _make_set(root, size=size, people=people, seconds=cfg.data_clip_s, seed=cfg.seed)
        for row in loading_costs(root, name=str(size), work=work):
            found.append(row)
            yield row
    yield from lowest_ratios(found)
    common = ["trainer=cpu", f"trainer.num_threads={cfg.num_threads or 'null'}", *QUIET]
    run = _random_stage2("tiny", common, {"seed": cfg.seed, "num_steps": 0, "num_workers": 0})
    num_audio = run["data"]["num_audio"]
    steps = cfg.train_steps
    yield from motion_loading_costs(run, num_audio=num_audio, seconds=cfg.data_seconds, steps=steps)


def measure_training(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """A real, short run of the stage-1 experiment, with losses, average and record."""
    from vasa.training.logging import MetricsRecord
    from vasa.training.runner import train

    run = _composed(
        cfg.training,
        f"trainer={TRAINERS[cfg.device]}",
        f"data.root={_shards(cfg, folder)}",
        f"module.expert={_random_expert(folder)}",
        f"run_dir={folder / 'run'}",
        f"max_steps={cfg.training_steps}",
        f"trainer.num_threads={cfg.num_threads or 'null'}",
        *("logger=none", "log_every=1", "sample_every=0"),
    )
    times = [line["time_s"] for line in MetricsRecord.read(train(cfg=run) / "metrics.jsonl")]
    warm = len(times) // 3
    steps = len(times) - 1 - warm
    speed = steps / (times[-1] - times[warm]), steps
    yield _speed(f"training/{cfg.training}", "steps/s", speed)


def measure_train_step(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """A training step of each chosen preset, on random batches (`vasa.cli.train_cost`)."""
    from vasa.cli.train_cost import StepWork, step_gflop, train_step_costs
    from vasa.training.config import resolved

    free_memory(cfg.device)
    work = StepWork(
        device=cfg.device,
        num_threads=cfg.num_threads,
        steps=cfg.train_steps,
        warmup_steps=cfg.train_warmup_steps,
        budget_s=cfg.train_step_budget_s,
    )
    batch = {"seed": cfg.seed, "num_steps": 0, "num_workers": 0}
    common = [f"trainer={TRAINERS[cfg.device]}", f"trainer.num_threads={cfg.num_threads or 'null'}"]
    common += QUIET
    for preset in cfg.stage1_presets:
        at_once = ["module.encoder_steps=0", "module.adversary.start_step=0"]
        at_once.append("module.log_unused_every=1000000000")
        expert = f"module.expert={_random_expert(folder)}"
        run = resolved(_composed(f"stage1/{preset}", *common, *at_once, expert))
        size = run["module"]["model"]["image_size"]
        kept = {key: run["data"][key] for key in ("batch_size", "frames_per_clip")}
        run["data"] = {"_target_": f"{RANDOM}.RandomFaces", "image_size": size, **kept, **batch}
        step_s = None
        if cfg.device == "cpu":
            gflop = step_gflop(run["module"], kept["batch_size"])
            step_s = gflop / (reference_rate() * REFERENCE_GFLOP)
        yield from train_step_costs(run, name=f"{preset}_{size}", work=work, step_s=step_s)
    for preset in cfg.stage2_presets:
        run = _random_stage2(preset, common, batch)
        yield from train_step_costs(run, name=f"motion_{preset}", work=work, step_s=None)


def measure_decode(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """Stage 1 at inference: motion of pictures, and pictures of motion for one source.

    Of a preset other than the smallest, and on a GPU: its cost a picture
    (`vasa.cli.decode_cost`).
    """
    import torch

    from vasa.cli.decode_cost import decode_costs, gpu_decode_costs
    from vasa.training.config import build

    preset = HydraConfig.get().runtime.choices["model@stage1"]
    config = cast(dict[str, Any], OmegaConf.to_container(cfg.stage1, resolve=True))
    name = f"{preset.removeprefix('face_')}_{cfg.stage1.image_size}"
    if cfg.device == "cuda":
        yield from gpu_decode_costs(config, name=name, seconds=cfg.seconds, is_compiled=cfg.compile)
        return
    if preset != SMALLEST:
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
    yield _speed("stage1/motion_of_pictures", "frames/s", encoded)
    yield _speed("stage1/decode", "frames/s", decoded)


def measure_motion(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """Stage 2 at inference: four windows of motion, guided by audio and gaze."""
    import torch

    from vasa.diffusion.sampler import DDIMSampler
    from vasa.inference.windows import MotionSettings, generate_motion
    from vasa.training.config import build

    model = build(cfg.motion).eval().to(cfg.device)
    settings = MotionSettings(
        guidance={"audio": 0.5, "gaze": 1.0},
        sampler=DDIMSampler(schedule=model.schedule, num_steps=cfg.sampling_steps, eta=0.0),
        seed=cfg.seed,
    )
    audio = torch.randn(4 * model.window, model.audio.dim, device=cfg.device)
    speed = rate(
        lambda: len(generate_motion(model, audio, settings)),
        seconds=cfg.seconds,
        wait=waiting_for(cfg.device),
    )
    preset = HydraConfig.get().runtime.choices["model@motion"]
    name = "motion" if preset == "motion_tiny" else preset
    yield _speed(f"stage2/{name}_{cfg.sampling_steps}_steps", "frames/s", speed)


def measure_stream(cfg: DictConfig, folder: Path) -> Iterator[Measurement]:
    """Speech to frames live, by preset, and the motion model alone (`vasa.cli.stream_cost`)."""
    import torch

    from vasa.cli.stream_cost import StreamWork, motion_cpu_costs, stream_costs
    from vasa.training.config import build
    from vasa.training.run_folder import describe_environment

    environment = describe_environment(device=cfg.device)
    machine = f"{environment['processor']}, {torch.get_num_threads()} threads"
    work = StreamWork(
        device=cfg.device,
        machine=device_name(cfg.device) if cfg.device == "cuda" else machine,
        seconds=cfg.stream_seconds,
        steps=cfg.sampling_steps,
        hop_frames=cfg.stream_hop_frames,
        lookahead_frames=cfg.stream_lookahead_frames,
        batch_size=cfg.stream_batch_size,
        precision=cfg.stream_precision,
        seed=cfg.seed,
    )
    for preset in cfg.stream_presets:
        torch.manual_seed(cfg.seed)
        face = build(_composed(f"stage1/{preset}").module.model).eval().to(cfg.device)
        motion = _motion_model(preset, num_motion=6 + face.z_dyn_dim).to(cfg.device)
        name = f"{preset}_{face.image_size}"
        yield from stream_costs(face, motion, name=name, work=work)
    if cfg.device == "cpu":
        for preset in cfg.stream_motion_presets:
            yield from motion_cpu_costs(_motion_model(preset), name=preset, seed=cfg.seed)


def _motion_model(preset: str, *, num_motion: int | None = None) -> Any:
    """Stage 2 with random weights, told of speech by log-mel energies, which need no file.

    Blocks whose modulation is zero, as they start, would pass on what they are given.
    """
    from torch import nn

    from vasa.training.config import build

    model = _composed(f"stage2/{preset}", LOG_MEL).module.model
    if num_motion is not None:
        model.num_motion = num_motion
    net = build(model).eval()
    for block in net.blocks:
        nn.init.normal_(block.modulate[1].weight, std=0.3)
    return net


PARTS = {
    "synth": measure_synth,
    "data": measure_data,
    "training": measure_training,
    "train_step": measure_train_step,
    "decode": measure_decode,
    "motion": measure_motion,
    "stream": measure_stream,
}
ON_PROCESSOR = {"synth", "data"}
"""Parts that no GPU takes part in."""
TRAINERS = {"cpu": "cpu", "cuda": "gpu"}
RANDOM = "vasa.cli.random_batches"
LOG_MEL = "audio_encoder@module.model.audio=log_mel"
QUIET = ["logger=none", "sample_every=0", "checkpoint_every_s=1.0e9", "data.root=none"]
"""A training that is run for its cost alone."""
REFERENCE_GFLOP = 2 * 9 * 32 * 32 * 8 * 64 * 64 / 1e9
"""Of the convolution that `reference_rate` counts."""


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
    check_device(cfg.device)
    if cfg.num_threads:
        torch.set_num_threads(cfg.num_threads)
    environment = describe_environment(device=cfg.device)
    kept = ("commit", "is_dirty", "processor", "cpu_count", "threads", "versions", "started_at")
    record = {key: environment[key] for key in kept}
    record |= {"seed": cfg.seed, "command": " ".join(environment["command"])}
    record["machine"] = f"{environment['processor']}, {environment['cpu_count']} CPUs"
    record["date"] = environment["started_at"]
    output = Path(cfg.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    print(f"{'metric':<40}{'value':>10}  {'unit':<10}{'per convolution':>16}")
    with tempfile.TemporaryDirectory(prefix="vasa-bench-") as folder, output.open("a") as file:
        for part in cfg.parts:
            device = "cpu" if part in ON_PROCESSOR else cfg.device
            reference = reference_rate(device)
            for found in PARTS[part](cfg, Path(folder)):
                ratio = found.ratio(reference)
                print(_shown(found, ratio), flush=True)
                stamp = {"reference": reference, "ratio": ratio, "device": device_name(device)}
                file.write(_row(found, {**stamp, **record}).to_json() + "\n")
                file.flush()
    print(f"record: {output}")


def _speed(metric: str, unit: str, speed: tuple[float, int]) -> Measurement:
    return Measurement(metric=metric, unit=unit, value=speed[0], calls=speed[1])


def _shown(found: Measurement, ratio: float | None) -> str:
    """A line of the table; what was left out says why."""
    if math.isnan(found.value):
        return f"{found.metric:<40}{'-':>10}  {found.note}"
    beside = "" if ratio is None else f"{ratio:.4f}"
    return f"{found.metric:<40}{found.value:>10.2f}  {found.unit:<10}{beside:>16}"


def _row(found: Measurement, stamp: dict[str, Any]) -> Any:
    """The line of the record: a result without a control."""
    from vasa.evaluation.results import measured_row

    return measured_row(
        metric=found.metric,
        value=found.value,
        unit=found.unit,
        n=found.calls,
        note=found.note,
        stamp=stamp,
    )


def _random_expert(folder: Path) -> Path:
    """The run folder of a face expert with random weights: as dear to look through as any."""
    from vasa.models.checkpoint import save_model
    from vasa.training.config import build

    path = folder / "expert"
    if not path.exists():
        model = _composed("expert/loss").module.model
        values = cast(dict[str, Any], OmegaConf.to_container(model, resolve=True))
        save_model(build(model), values, path / "model")
    return path


def _random_stage2(preset: str, common: list[str], batch: dict[str, Any]) -> dict[str, Any]:
    """Resolved configuration of a stage-2 training on random windows."""
    from vasa.training.config import build, resolved

    run = resolved(_composed(f"stage2/{preset}", *common, LOG_MEL, "module.stage1=null"))
    net = run["module"]["model"]
    kept = {key: run["data"][key] for key in ("batch_size", "window", "num_previous")}
    num_audio = build(cast(DictConfig, OmegaConf.create(net["audio"]))).dim
    sizes = {"num_motion": net["num_motion"], "num_audio": num_audio}
    run["data"] = {"_target_": f"{RANDOM}.RandomWindows", **sizes, **kept, **batch}
    return run


def _shards(cfg: DictConfig, folder: Path) -> Path:
    """A small synthetic set for the part that trains on one."""
    people = {"train": 16, "val": 1, "test": 1}
    _make_set(folder / "shards", size=cfg.size, people=people, seconds=1.0, seed=cfg.seed)
    return folder / "shards"


def _make_set(root: Path, *, size: int, people: dict[str, int], seconds: float, seed: int) -> None:
    from data_prep.synth.build import build_set

    build_set(
        output=root,
        size=size,
        people=people,
        clips_per_person=1,
        seconds=seconds,
        seed=seed,
        format="shards",
        workers=1,
    )


def _composed(experiment: str, *overrides: str) -> DictConfig:
    """A training configuration, beside the one that this command runs with."""
    return hydra.compose("train", [f"experiment={experiment}", *overrides])


if __name__ == "__main__":
    main()
