"""Loader workers end when their training does, and not before."""

import subprocess
import sys

KEPT_LOADER = """
import multiprocessing, os, subprocess, sys
import torch
from vasa.data.step_datamodule import StepDataModule

class Numbers(StepDataModule):
    def batch_at(self, step):
        return {"step": torch.tensor(step)}

batches = iter(Numbers(num_steps=1000, num_workers=2).train_dataloader())
next(batches)
workers = [str(worker.pid) for worker in multiprocessing.active_children()]
for name in ("TERM", "INT", "USR1"):
    subprocess.run(["kill", f"-{name}", *workers], check=True)
print([int(next(batches)["step"]) for _ in range(50)][-1], len(workers), flush=True)
sys.modules["kept"] = batches  # as a traceback keeps it
"""


def test_workers_outlive_signals_to_the_group_and_end_with_the_run():
    done = subprocess.run(
        [sys.executable, "-c", KEPT_LOADER], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["50", "2"], done.stderr
    assert done.returncode == 0, done.stderr
