"""Order and randomness as functions of (seed, step): the base of exact resume.

Nothing here draws from global state, so a run that is killed and started again sees the same
batches and the same noise (the idea of EDM2's training loop, NVlabs/edm2). Several processes share
the rows of one global batch, and the draws of each row are those that one process would make.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.data import Sampler

from vasa.types import InputError


def derived_seed(*parts: int | str) -> int:
    """A 63-bit seed that is a function of all parts."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def step_generator(seed: int, step: int, stream: str) -> torch.Generator:
    """A CPU generator for one use (`stream`) of randomness at one step."""
    return torch.Generator().manual_seed(derived_seed(seed, step, stream))


def step_rng(seed: int, step: int, stream: str) -> np.random.Generator:
    """The same for numpy."""
    return np.random.default_rng(derived_seed(seed, step, stream))


class StepSampler(Sampler[int]):
    """Yields the step numbers that are left: start_step, ..., num_steps - 1.

    A dataset indexed by step builds the whole batch of that step; this makes the order the same
    whatever the number of loader workers, and a resumed run starts at `start_step`.
    """

    def __init__(self, *, start_step: int, num_steps: int) -> None:
        self.start_step = start_step
        self.num_steps = num_steps

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start_step, self.num_steps))

    def __len__(self) -> int:
        return max(0, self.num_steps - self.start_step)


@dataclass(frozen=True, kw_only=True)
class RowShare:
    """The rows of the global batch that one of several processes trains on: a contiguous slice.

    Attributes:
        index: of the process, from 0.
        count: processes.
    """

    index: int = 0
    count: int = 1

    def take(self, values: Tensor, *, axis: int = 0, groups: int = 1) -> Tensor:
        """This process's rows of values of the global batch.

        Args:
            values: rows along `axis`; what has no axis belongs to every row.
            axis: of the rows.
            groups: runs of all rows behind one another (2: all sources, then all drivers).

        Raises:
            InputError: the rows do not go evenly into the processes.
        """
        if self.count == 1 or values.dim() == 0:
            return values
        axis %= values.dim()
        rows = values.shape[axis] // groups
        if rows % self.count:
            raise InputError(_uneven(rows, self.count))
        runs = values.unflatten(axis, (groups, self.count, rows // self.count))
        return runs.select(axis + 1, self.index).flatten(axis, axis + 1)

    def drawing(self, *, axis: int = 0, groups: int = 1) -> AbstractContextManager[Any]:
        """Within it, random numbers are those of the global batch, cut to this process's rows.

        `torch.rand` and `torch.randn` of a shape with own rows along `axis`, from a generator that
        is the same in all processes, draw for all rows and give the own ones: what a row is given
        does not depend on the number of processes. Augmentations need not know of it.

        Args:
            axis: of the rows, in every draw.
            groups: as in `take`.
        """
        return nullcontext() if self.count == 1 else _Drawing(self, axis=axis, groups=groups)

    def check(self, rows: int) -> None:
        """Refuse a batch that does not go evenly into the processes.

        Args:
            rows: of the global batch.

        Raises:
            InputError: saying what would.
        """
        if rows % self.count:
            raise InputError(_uneven(rows, self.count))


def _uneven(rows: int, count: int) -> str:
    lower = rows - rows % count
    fitting = f"{lower} or {lower + count}" if lower else f"{count}"
    return (
        f"expected a global batch that {count} processes share evenly, got data.batch_size="
        f"{rows} (the batch of all processes together); take {fitting}"
    )


class _Drawing(TorchFunctionMode):
    """As PyTorch's own default device does it: factory functions are seen on their way."""

    def __init__(self, share: RowShare, *, axis: int, groups: int) -> None:
        super().__init__()
        self.share, self.axis, self.groups = share, axis, groups

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in (torch.rand, torch.randn) or kwargs.get("generator") is None:
            return func(*args, **kwargs)
        shape = list(args[0] if len(args) == 1 and not isinstance(args[0], int) else args)
        shape[self.axis] *= self.share.count
        return self.share.take(func(shape, **kwargs), axis=self.axis, groups=self.groups)
