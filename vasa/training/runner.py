"""One training run from its configuration: build, continue if begun, train, export."""

import logging
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from omegaconf import DictConfig

from vasa.models.checkpoint import model_hash, save_model
from vasa.training import callbacks
from vasa.training.config import build, default_run_dir, resolved
from vasa.training.ema import ModelEma
from vasa.training.logging import open_mirrors, report
from vasa.training.run_folder import RunFolder, describe_environment


class Stopped(SystemExit):
    """A run that was asked to stop has saved itself; 128 + the signal is the exit code."""


def train(*, cfg: DictConfig, overrides: Sequence[str] = ()) -> Path:
    """Train what a configuration describes; the same call again continues or finds it done.

    Args:
        cfg: conf/train.yaml with an experiment.
        overrides: the command line's, for the record.

    Returns:
        The run folder.

    Raises:
        InputError: a configuration that does not fit, or a folder of another run.
        Stopped: SIGTERM or SIGINT came; the checkpoint is of the last whole batch.
    """
    config = resolved(cfg)
    folder = RunFolder(config["run_dir"] or default_run_dir(config))
    folder.check_same(config)
    if folder.is_complete():
        report(f"already complete: {folder.path}")
        return folder.path
    if config["trainer"]["num_threads"]:
        torch.set_num_threads(config["trainer"]["num_threads"])
    lightning.seed_everything(config["seed"], verbose=False)
    module = build(cfg.module)
    data = build(cfg.data)
    data.num_steps = config["max_steps"]
    _quiet()
    mirrors = None
    try:
        average = ModelEma(decay=config["ema_decay"])
        trainer = build_trainer(config)
        environment = describe_environment(device=str(trainer.strategy.root_device))
        if trainer.is_global_zero:
            folder.open(config=config, overrides=overrides, environment=environment)
        mirrors = open_mirrors(
            kind=config["logger"]["kind"] if trainer.is_global_zero else "none",
            project=config["logger"]["project"],
            folder=folder.path,
            config=config,
        )
        last = callbacks.LastCheckpoint(
            path=folder.checkpoint, every_s=config["checkpoint_every_s"]
        )
        record = callbacks.Record(folder=folder, mirrors=mirrors, every=config["log_every"])
        samples = callbacks.Samples(
            folder=folder, mirrors=mirrors, ema=average, every=config["sample_every"]
        )
        around: list[Callback] = [
            callbacks.StepSeeds(seed=config["seed"]),
            callbacks.NonFiniteGuard(max_steps=config["max_nonfinite_steps"]),
            average,
            record,
            samples,
            callbacks.Progress(name=f"{config['stage']}/{config['name']}"),
            last,
        ]
        trainer.callbacks.extend(around)  # type: ignore[attr-defined]
        begun = folder.checkpoint.is_file()
        trainer.fit(
            module,
            datamodule=data,
            ckpt_path=str(folder.checkpoint) if begun else None,
            weights_only=True,
        )
        if last.received is not None and data.batches_consumed < config["max_steps"]:
            report(f"stopped at step {data.batches_consumed}; the same command continues")
            raise Stopped(128 + last.received)
        if data.batches_consumed < config["max_steps"]:
            raise RuntimeError(
                f"the data ended at step {data.batches_consumed} of {config['max_steps']}"
            )
        if trainer.is_global_zero:
            _export(folder=folder, module=module, average=average, config=config, record=record)
    finally:
        if mirrors is not None:
            mirrors.close()
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


def build_trainer(config: dict[str, Any]) -> lightning.Trainer:
    """Lightning's Trainer; the end of the run is the end of the (finite) data."""
    settings = {key: value for key, value in config["trainer"].items() if key != "num_threads"}
    return lightning.Trainer(
        **settings,
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
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for about in ("does not have many workers", "LeafSpec", "`srun` command"):
        warnings.filterwarnings("ignore", message=f".*{about}.*")
