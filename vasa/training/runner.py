"""One training run from its configuration: build, continue if begun, train, export."""

import json
import logging
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from vasa.data.order import RowShare
from vasa.models.checkpoint import model_hash, save_model
from vasa.training import callbacks
from vasa.training.checkpoint_store import CheckpointStore
from vasa.training.config import OWN_TRAINER_KEYS, build, default_run_dir, resolved
from vasa.training.ema import ModelEma
from vasa.training.last_checkpoint import Stopped
from vasa.training.logging import report
from vasa.training.mirrors import Artifact, open_mirrors
from vasa.training.orphans import end_with_starter, note_starter
from vasa.training.precision import chosen_precision
from vasa.training.run_folder import RunFolder, describe_environment
from vasa.training.run_lock import RunLock


def train(*, cfg: DictConfig, overrides: Sequence[str] = ()) -> Path:
    """Train what a configuration describes; the same call again continues or finds it done.

    With several processes every one of them is in here; global rank zero writes, and its exit code
    is the run's: the others end with 0, so that no launcher ends rank zero on their account.

    Args:
        cfg: conf/train.yaml with an experiment.
        overrides: the command line's, for the record.

    Returns:
        The run folder.

    Raises:
        InputError: a configuration that does not fit, or a folder of another run.
        Stopped: SIGTERM, SIGUSR1 or SIGINT came; the checkpoint is of the last whole batch.
    """
    config = resolved(cfg)
    folder = RunFolder(config["run_dir"] or default_run_dir(config))
    folder.check_same(config)
    if folder.is_complete():
        _report_once(f"already complete: {folder.path}")
        return folder.path
    if config["trainer"]["num_threads"]:
        torch.set_num_threads(config["trainer"]["num_threads"])
    lightning.seed_everything(config["seed"], verbose=False)
    module = build(cfg.module)
    data = build(cfg.data)
    data.num_steps = config["max_steps"]
    _quiet()
    mirrors, lock = None, RunLock(folder.path)
    try:
        guard = callbacks.NonFiniteGuard(folder=folder, max_steps=config["max_nonfinite_steps"])
        average = ModelEma(decay=config["ema_decay"], guard=guard)
        store = CheckpointStore(
            folder=folder.checkpoints,
            keep_last=config["checkpoint_last"],
            keep_best=config["checkpoint_best"],
        )
        precision = folder.precision() or chosen_precision(config["trainer"])
        trainer = build_trainer(config, precision=precision, store=store)
        data.share_out(RowShare(index=trainer.global_rank, count=trainer.world_size))
        shown = config
        if trainer.is_global_zero:
            lock.take()
            environment = {
                **describe_environment(device=str(trainer.strategy.root_device)),
                "precision": precision,
                "data_hash": data.data_hash(),
            }
            shown = {
                **config,
                "environment": folder.open(
                    config=config, overrides=overrides, environment=environment
                ),
            }
        mirrors = open_mirrors(
            kind=config["logger"]["kind"] if trainer.is_global_zero else "none",
            project=config["logger"]["project"],
            folder=folder.path,
            config=shown,
        )
        flops = callbacks.StepFlops()
        speed = callbacks.Speed(
            flops=flops,
            peak=config["trainer"]["peak_tflops"],
            precision=precision,
        )
        record = callbacks.Record(
            folder=folder, mirrors=mirrors, every=config["log_every"], speed=speed
        )
        last = callbacks.LastCheckpoint(
            store=store,
            every_s=config["checkpoint_every_s"],
            record=record,
            scored_by=config["checkpoint_by"],
            mirrors=mirrors,
        )
        samples = callbacks.Samples(
            folder=folder, mirrors=mirrors, ema=average, every=config["sample_every"]
        )
        around: list[Callback] = [
            callbacks.StepSeeds(seed=config["seed"]),
            flops,
            guard,
            average,
            record,
            samples,
            callbacks.Progress(name=f"{config['stage']}/{config['name']}"),
            last,
            speed,
        ]
        trainer.callbacks.extend(around)  # type: ignore[attr-defined]
        with _other_processes(trainer), last.listening():
            newest = store.newest()
            trainer.fit(
                module,
                datamodule=data,
                ckpt_path=None if newest is None else str(newest),
                weights_only=True,
            )
        if last.received is not None and data.batches_consumed < config["max_steps"]:
            _report_once(f"stopped at step {data.batches_consumed}; the same command continues")
            if trainer.is_global_zero:
                raise Stopped(128 + last.received)
            return folder.path
        if data.batches_consumed < config["max_steps"]:
            raise RuntimeError(
                f"the data ended at step {data.batches_consumed} of {config['max_steps']}"
            )
        if trainer.is_global_zero:
            _export(folder=folder, module=module, average=average, config=config, record=record)
            mirrors.artifact(_exported(folder), step=config["max_steps"])
    finally:
        if mirrors is not None:
            mirrors.close()
        lock.release()
    return folder.path


def _export(
    *,
    folder: RunFolder,
    module: lightning.LightningModule,
    average: ModelEma,
    config: dict[str, Any],
    record: callbacks.Record,
) -> None:
    """The averaged network, then the mark that all was done."""
    net = module.model
    assert isinstance(net, torch.nn.Module)
    with average.swapped_in(net):
        save_model(net, config["module"]["model"], folder.model)
    folder.finish(
        {
            "step": config["max_steps"],
            "time_s": round(record.time_s, 3),
            "model_hash": model_hash(folder.model),
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
    )


def _exported(folder: RunFolder) -> Artifact:
    """The finished model, as mirrors name it."""
    files = sorted(path for path in folder.model.iterdir() if path.is_file())
    return Artifact(kind="model", paths=files, metadata=json.loads(folder.done.read_text()))


@contextmanager
def _other_processes(trainer: lightning.Trainer) -> Iterator[None]:
    """Where Lightning starts the other processes itself: how, and that none outlives this one.

    It starts them by `python -m <the main module>` where that is a module, without the command's
    name, which `vasa.cli` has taken off; by sys.argv[0], which it has put there, otherwise.
    """
    main = sys.modules["__main__"]
    if main.__spec__ is not None and main.__spec__.name == "vasa.cli.__main__":
        main.__spec__ = None
    launcher = trainer.strategy.launcher if trainer.world_size > 1 else None
    if launcher is not None:
        (note_starter if trainer.local_rank == 0 else end_with_starter)()
    try:
        yield
    except BaseException:
        if launcher is not None:
            launcher.kill(signal.SIGKILL)  # waiting for this process, they hear no gentler one
        raise


def _report_once(text: str) -> None:
    if rank_zero_only.rank == 0:
        report(text)


def build_trainer(
    config: dict[str, Any], *, precision: str, store: CheckpointStore | None = None
) -> lightning.Trainer:
    """Lightning's Trainer; the end of the run is the end of the (finite) data."""
    settings = {k: value for k, value in config["trainer"].items() if k not in OWN_TRAINER_KEYS}
    return lightning.Trainer(
        **{**settings, "precision": precision},
        plugins=[] if store is None else [store],
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
    )


def _quiet() -> None:
    """Lightning's tips and notices that do not concern a run of ours."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for about in ("does not have many workers", "LeafSpec", "`srun` command"):
        warnings.filterwarnings("ignore", message=f".*{about}.*")
