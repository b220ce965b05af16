"""Order and randomness as functions of (seed, step): the base of exact resume.

Nothing here draws from global state, so a run that is killed and started again sees the same
batches and the same noise (the idea of EDM2's training loop, NVlabs/edm2).
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import Sampler


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
