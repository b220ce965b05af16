"""A network, a module and data small enough to train in a second, with everything that a resumed
run can get wrong: dropout, momentum, a schedule, loader workers."""

import multiprocessing
import os
import signal
import subprocess
import sys
import types

import lightning
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from vasa.cli.paths import conf_dir
from vasa.data.order import step_generator
from vasa.data.step_datamodule import Batch, StepDataModule
from vasa.training.runner import train


def kill(when: str, number: int) -> None:
    """A signal to this process, and to its loader workers as one to the whole group reaches them,
    if the environment asks for it now."""
    if os.environ.get("TOY_KILL") != when:
        return
    del os.environ["TOY_KILL"]
    workers = [str(worker.pid) for worker in multiprocessing.active_children()]
    if workers:  # by another process: they take it otherwise from their parent
        subprocess.run(["kill", f"-{number:d}", *workers], check=True)
    os.kill(os.getpid(), number)


class ToyNet(nn.Module):
    """Two layers with dropout."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, width), nn.GELU(), nn.Dropout(0.2), nn.Linear(width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class ToyModule(lightning.LightningModule):
    """Fits a line; may kill its process at a step, or meet a number that is none."""

    def __init__(
        self, *, model: nn.Module, lr: float, kill_at: int, kill_signal: int, nan_from: int
    ) -> None:
        super().__init__()
        self.model = model
        self.lr, self.kill_at, self.nan_from = lr, kill_at, nan_from
        self.kill_signal = kill_signal

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        step = int(batch["step"])
        if step == self.kill_at:
            kill("training", self.kill_signal)
        loss = (self.model(batch["x"]) - batch["y"]).square().mean()
        if self.nan_from <= step:
            loss = loss * float("nan")
        self.log("train/loss", loss)
        self.log("data/first_x", batch["x"][0, 0])  # which batch it was
        return loss

    def sample_images(self) -> dict[str, Tensor]:
        assert not self.model.training
        return {"grey": torch.rand(3, 4, 4)}

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 1 / (1 + 0.1 * n))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class ToyData(StepDataModule):
    """A line with noise."""

    def __init__(self, *, seed: int, num_workers: int) -> None:
        super().__init__(num_steps=0, num_workers=num_workers)
        self.seed = seed

    def train_dataloader(self):
        kill("loading", signal.SIGTERM)
        return super().train_dataloader()

    def batch_at(self, step: int) -> Batch:
        generator = step_generator(self.seed, step, "toy")
        x = torch.randn(8, 4, generator=generator)
        noise = 0.01 * torch.randn(8, 1, generator=generator)
        return {"x": x, "y": x.sum(dim=-1, keepdim=True) + noise, "step": torch.tensor(step)}


# Configurations may name classes of vasa alone, so the toys are made to look like such.
TOYS = types.ModuleType("vasa.toy")
for toy in (ToyNet, ToyModule, ToyData):
    toy.__module__ = "vasa.toy"
    setattr(TOYS, toy.__name__, toy)
sys.modules["vasa.toy"] = TOYS


def toy_config(*overrides: str) -> DictConfig:
    """conf/train.yaml with a toy experiment."""
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        cfg = compose(
            config_name="train",
            overrides=[
                "stage=toy",
                "name=line",
                "max_steps=12",
                "logger=none",
                "log_every=5",
                "sample_every=6",
                "trainer.num_threads=1",
                "checkpoint_every_s=0",
                "ema_decay=0.9",
            ],
        )
    OmegaConf.set_struct(cfg, False)
    cfg.module = {
        "_target_": "vasa.toy.ToyModule",
        "model": {"_target_": "vasa.toy.ToyNet", "width": 8},
        "lr": 0.01,
        "kill_at": -1,
        "kill_signal": int(signal.SIGKILL),
        "nan_from": 1000,
    }
    cfg.data = {"_target_": "vasa.toy.ToyData", "seed": 0, "num_workers": 0}
    cfg.merge_with_dotlist(list(overrides))
    return cfg


if __name__ == "__main__":
    train(cfg=toy_config(*sys.argv[1:]))
