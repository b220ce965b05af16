"""A DataModule whose batch is a function of (seed, step).

Subclasses say what the batch of a step is; order, workers, processes and resume are handled here,
once.
"""

import os
import signal
import sys
import threading
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vasa.data.clip_store import Store
from vasa.data.order import RowShare, StepSampler
from vasa.data.stored_clip import StoredClip
from vasa.types import InputError

Batch = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    """An error of a loader worker; raised there, it would come with the worker's traceback."""

    text: str


class _Steps(Dataset[Batch | _Refusal]):
    def __init__(self, module: "StepDataModule") -> None:
        self.module = module

    def __getitem__(self, step: int) -> Batch | _Refusal:
        try:
            return self.module.own_rows_at(step)
        except InputError as error:
            return _Refusal(text=str(error))


class _Loader(DataLoader[Batch]):
    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, _Refusal):
                raise InputError(batch.text)
            yield batch


def _leave_signals_to_the_run(_: int) -> None:
    """A signal to the whole group asks the training to save itself: without workers it could not.

    Ctrl-C does that, and so do queues. SIGTERM from the training itself ends a worker, though: a
    training that ends with an error may keep its loader, and would wait for the workers forever.
    """
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with_the_run, daemon=True).start()


def _end_with_the_run() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


class StepDataModule(lightning.LightningDataModule):
    """Serves `batch_at(step)` for the steps that are left.

    Args:
        num_steps: training steps in all.
        num_workers: loader processes; the order does not depend on it.

    Attributes:
        batches_consumed: training batches that have been trained on, kept in checkpoints. The
            training loop counts it up after each batch: a loader's own count is off by what is
            prefetched.
        batch_size: rows of the global batch, whatever the number of processes (set by subclasses).
        share: the rows of it that this process trains on; all of them before `share_out`.
        frames_in: member of a batch whose first axes are rows and frames; None: a row is a frame.
    """

    batch_size: int = 0
    frames_in: str | None = None
    _store: Store[Any] | None = None

    def __init__(self, *, num_steps: int, num_workers: int) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.num_workers = num_workers
        self.batches_consumed = 0
        self.share = RowShare()

    @abstractmethod
    def batch_at(self, step: int) -> Batch:
        """The whole training batch of a step."""

    def share_out(self, share: RowShare) -> None:
        """Train on a share of every batch from now on.

        Raises:
            InputError: the batch does not go evenly into the processes.
        """
        share.check(self.batch_size)
        self.share = share

    def own_rows_at(self, step: int) -> Batch:
        """This process's rows of the batch of a step.

        The whole batch is put together and cut. A subclass whose rows are dear to read may read
        its own alone, as long as they come out the same.
        """
        return {name: self.share.take(value) for name, value in self.batch_at(step).items()}

    def size_of(self, batch: Batch) -> tuple[int, int]:
        """Rows of a batch, and frames in them."""
        if self.frames_in is not None:
            rows, frames = batch[self.frames_in].shape[:2]
            return rows, rows * frames
        rows = max((len(value) for value in batch.values() if value.ndim), default=0)
        return rows, rows

    def data_hash(self) -> str | None:
        """SHA-256 by which a run knows what it was trained on; None where that is no set."""
        return None

    def clip_to_show(self) -> StoredClip | None:
        """A whole clip to look at; None where there are no pictures of one."""
        return None

    def open_store(self) -> Store[Any] | None:
        """The clips that batches are made of, if the subclass has such; sets `_store`.

        Called before loader workers start, so that all know of a clip that one found bad.
        """
        return self._store

    def train_dataloader(self) -> DataLoader[Batch]:
        """A finite loader of the steps not yet trained on."""
        self.open_store()
        return _Loader(
            _Steps(self),  # type: ignore[arg-type]
            batch_size=None,
            sampler=StepSampler(start_step=self.batches_consumed, num_steps=self.num_steps),
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            worker_init_fn=_leave_signals_to_the_run,
        )

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Have the record count the bad clips found so far, by what is wrong; none, no values.

        Several processes must all name the same values: those that another one has found too.
        """
        if self._store is None or self.trainer is None:
            return batch
        counts = self._store.bad.counts()
        is_shared = self.trainer.world_size > 1
        if is_shared and not self.trainer.strategy.reduce_boolean_decision(
            any(counts.values()), all=False
        ):
            return batch
        for fault, count in counts.items():
            if count or is_shared:
                self.trainer.callback_metrics[f"data/bad_{fault}"] = torch.tensor(float(count))
        return batch

    def teardown(self, stage: str) -> None:
        """Say at the end how many clips were bad."""
        summary = self._store.bad.summary() if self._store is not None else ""
        if summary and (self.trainer is None or self.trainer.is_global_zero):
            print(f"vasa: {summary} could not be read; others took their places", file=sys.stderr)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the data order."""
        return {"batches_consumed": self.batches_consumed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the batches that a checkpoint has seen."""
        self.batches_consumed = int(state_dict["batches_consumed"])
