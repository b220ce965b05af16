"""A run in two processes as torchrun starts them, from one server that has imported everything."""

import multiprocessing
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [f"vasa.training.{name}" for name in ("runner", "stage1", "stage2", "expert", "syncnet")]
)


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """What happens to one process when it is given the batch of a step.

    Attributes:
        rank: of the process.
        step: of the batch.
        signal: sent to itself; None: the batch holds a number that is none.
    """

    rank: int
    step: int
    signal: int | None = None


def train_in_two(overrides: list[str], mishap: Mishap | None = None) -> list[int]:
    """Exit codes of both; negative where a signal ended one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [
        SERVER.Process(target=_train, args=(rank, port, overrides, mishap)) for rank in range(2)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join(timeout=100)
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode or 0 for process in running]


def train_toy(overrides: list[str], *, kill: str = "") -> int:
    """Exit code of a run of the toy that kills itself while `training`; negative: by a signal."""
    process = SERVER.Process(target=_train_toy, args=(overrides, kill))
    process.start()
    process.join(timeout=200)
    assert process.exitcode is not None
    return process.exitcode


def _train_toy(overrides: list[str], kill: str) -> None:
    os.environ |= {"TOY_KILL": kill, "OMP_NUM_THREADS": "1"}
    multiprocessing.set_start_method("fork", force=True)  # of loader workers, as in a command
    from toy import toy_config

    from vasa.training.runner import train

    train(cfg=toy_config(*overrides))


def _train(rank: int, port: int, overrides: list[str], mishap: Mishap | None) -> None:
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "test",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
    }
    from vasa.training.runner import train

    if mishap is not None and mishap.rank == rank:
        arrange(mishap)
    train(cfg=config(*TWO, *overrides))


TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.precision=32-true")


def config(*overrides: str) -> Any:
    """conf/train.yaml with a tiny experiment, one thread and a line of metrics a step."""
    from hydra import compose, initialize_config_dir

    from vasa.cli.paths import conf_dir

    common = ["logger=none", "trainer.num_threads=1", "log_every=1", "checkpoint_every_s=0"]
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        return compose("train", [*overrides, *common])


def arrange(mishap: Mishap) -> None:
    """Have it happen in this process."""
    from vasa.data.step_datamodule import Batch, StepDataModule

    normal = StepDataModule.own_rows_at

    def own_rows_at(self: StepDataModule, step: int) -> Batch:
        batch = normal(self, step)
        if step == mishap.step and mishap.signal is not None:
            os.kill(os.getpid(), mishap.signal)
        elif step == mishap.step:
            batch["motion"] = batch["motion"] * float("nan")
        return batch

    StepDataModule.own_rows_at = own_rows_at


def stage2(motion: Path, run_dir: Path) -> list[str]:
    """Stage 2, with padded windows, validation, drops and clipping, at a size for tests."""
    return [
        "experiment=stage2/tiny",
        f"data.root={motion}",
        f"run_dir={run_dir}",
        "module.stage1=null",
        "module.model.num_motion=9",
        "module.model.audio.num_mels=4",
        "module.model.width=32",
        "module.model.num_layers=2",
        "module.model.num_heads=2",
        "module.model.window=30",
        "module.model.num_previous=4",
        "module.warmup_steps=2",
        "module.validate_every=4",
        "data.batch_size=4",
        "data.min_frames=10",
        "max_steps=8",
        "sample_every=4",
        "trainer.gradient_clip_val=1.0",
    ]


def expert(faces: Path, run_dir: Path) -> list[str]:
    """The face expert at a size for tests."""
    return [
        "experiment=expert/loss",
        f"data.root={faces}",
        f"run_dir={run_dir}",
        "module.model.widths=[8,16,32]",
        "module.statistics_batches=2",
        "module.warmup_steps=2",
        "data.batch_size=8",
        "data.held_out_batches=1",
        "max_steps=5",
    ]


def stage1(faces: Path, expert_run: Path, run_dir: Path) -> list[str]:
    """Stage 1: two steps of the encoders alone, then one of all."""
    return [
        "experiment=stage1/tiny",
        f"data.root={faces}",
        f"module.expert={expert_run}",
        f"run_dir={run_dir}",
        "module.encoder_steps=2",
        "module.warmup_steps=1",
        "data.batch_size=4",
        "max_steps=3",
        "sample_every=0",
    ]


def with_adversary() -> list[str]:
    """What stage 1 needs more, to play from its first pictures on."""
    net = "vasa.models.discriminator.MultiScaleDiscriminator"
    return [
        f"module.discriminator={{_target_: {net}, num_scales: 2, channels: [8, 16, 16]}}",
        "module.weights.adversarial=0.1",
        "module.weights.matching=1.0",
    ]


def syncnet(faces: Path, run_dir: Path) -> list[str]:
    """SyncNet at a size for tests."""
    return [
        "experiment=syncnet/tiny",
        f"data.root={faces}",
        f"run_dir={run_dir}",
        "module.model.visual_widths=[8,16,16]",
        "module.model.audio_widths=[8,16]",
        "module.model.hidden=48",
        "module.warmup_steps=2",
        "data.batch_size=4",
        "data.span_frames=20",
        "data.held_out_clips=1",
        "max_steps=5",
    ]


SIGTERM, SIGKILL = int(signal.SIGTERM), int(signal.SIGKILL)
