"""Clips that cannot be read: what is wrong, how many, and which clips take their places.

What is found is kept in memory that loader workers share, so that each bad clip is counted once,
and one whose bytes cannot be had is tried once. One that is damaged is tried each time: of a clip
that is too large to keep only what is asked for is checked and decoded, and that may be whole. So
which clip takes a bad one's place depends on the set and on what is asked for, never on who found
it when: a run over a damaged set is as repeatable as one over a whole set.
"""

import contextlib
import sys
from collections.abc import Iterator
from enum import StrEnum

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.utilities import rank_zero_only

from vasa.types import InputError

MAX_REPORTS = 10


class Fault(StrEnum):
    """Why a clip cannot be read."""

    MISSING = "missing"
    """No such shard, or no right to read it."""
    UNREACHABLE = "unreachable"
    """Disk or server failed at every attempt."""
    TRUNCATED = "truncated"
    """The shard ends before the clip does."""
    UNREADABLE = "unreadable"
    """Its part of the shard is no tar."""
    WRONG_HASH = "wrong_hash"
    """Its bytes are not those that the index recorded."""
    UNDECODABLE = "undecodable"
    """Pictures, sound or labels do not decode, or have other lengths than the index says."""


_CODES = {fault: code for code, fault in enumerate(Fault, start=1)}
OF_A_SHARD = (Fault.MISSING, Fault.UNREACHABLE)
_IN_PART = (Fault.UNREADABLE, Fault.WRONG_HASH, Fault.UNDECODABLE)
_NOT_LOST = (0, *(_CODES[fault] for fault in _IN_PART))


class BadClipError(InputError):
    """A clip that cannot be read.

    Args:
        fault: what kind of thing is wrong.
        detail: what exactly, with the shard's name.
    """

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(
            f"expected a whole clip, {detail} ({fault}); `vasa prep validate` lists what is "
            "damaged in a set on disk"
        )
        self.fault = fault
        self.detail = detail


@contextlib.contextmanager
def decoding(where: str) -> Iterator[None]:
    """Whatever a decoder raises within, over damaged bytes of a shard, becomes a `BadClipError`."""
    try:
        yield
    except (MemoryError, BadClipError):
        raise
    except Exception as error:
        detail = f"{where} holds a clip that does not decode ({type(error).__name__}: {error})"
        raise BadClipError(Fault.UNDECODABLE, " ".join(detail.split())[:300]) from error


class BadClips:
    """Which clips of a table were found bad.

    Args:
        table: rows of the index with key, shard and speaker.
        max_share: bad clips over all clips, at most.
        what: the set and split, for messages.
        setting: what the user calls `max_share`.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        max_share: float,
        what: str,
        setting: str = "data.max_bad_share",
    ) -> None:
        self.max_share = max_share
        self.what = what
        self.setting = setting
        self._keys = table["key"].to_numpy()
        self._shards = np.unique(table["shard"], return_inverse=True)[1]
        self._speakers = np.unique(table["speaker"], return_inverse=True)[1]
        self._faults = torch.zeros(len(table), dtype=torch.uint8).share_memory_()
        self._codes = self._faults.numpy()  # the same memory, quicker to look up
        self._num_reports = 0

    def __contains__(self, index: int) -> bool:
        return bool(self._faults[index])

    def is_lost(self, index: int) -> bool:
        """Whether a clip's bytes cannot be had; one that is bad in part may be good in another."""
        return self._codes[index] not in _NOT_LOST

    def add(self, index: int, error: BadClipError) -> None:
        """Write down that a clip is bad; with it all of a shard that cannot be had.

        Raises:
            InputError: more than the allowed share is bad now.
        """
        rows = np.array([index])
        if error.fault in OF_A_SHARD:
            rows = np.flatnonzero(self._shards == self._shards[index])
        rows = torch.from_numpy(rows)
        new = rows[self._faults[rows] == 0]
        self._faults[new] = _CODES[error.fault]
        self._report(index, len(new), error)
        self._check(error)

    def remember(self, key: str, error: BadClipError) -> None:
        """Count a clip that another run found bad, and told of.

        Raises:
            InputError: more than the allowed share is bad now.
        """
        self._faults[torch.from_numpy(self._keys == key)] = _CODES[error.fault]
        self._check(error)

    def counts(self) -> dict[Fault, int]:
        """Clips found bad so far by what is wrong; every fault is named."""
        found = torch.bincount(self._faults.long(), minlength=len(Fault) + 1)
        return {fault: int(found[code]) for fault, code in _CODES.items()}

    def summary(self) -> str:
        """`3 of 120 clips (2 wrong_hash, 1 missing)`; an empty string where none is bad."""
        counts = {fault: count for fault, count in self.counts().items() if count}
        parts = ", ".join(f"{count} {fault}" for fault, count in counts.items())
        return f"{sum(counts.values())} of {len(self._keys)} clips ({parts})" if counts else ""

    def candidates(self, index: int) -> Iterator[int]:
        """A clip, then those that may take its place: the person's others, then everybody's."""
        yield index
        others = (index + np.arange(1, len(self._keys))) % len(self._keys)
        is_same = self._speakers[others] == self._speakers[index]
        yield from others[is_same].tolist()
        yield from others[~is_same].tolist()

    def _report(self, index: int, num_new: int, error: BadClipError) -> None:
        if not num_new or getattr(rank_zero_only, "rank", 0):
            return
        self._num_reports += 1
        if self._num_reports <= MAX_REPORTS:
            clips = "1 clip" if num_new == 1 else f"{num_new} clips"
            key = self._keys[index]
            print(f"vasa: left out {clips}: {key}: {error.detail}", file=sys.stderr)
        if self._num_reports == MAX_REPORTS:
            print("vasa: further clips are counted only", file=sys.stderr)

    def _check(self, error: BadClipError) -> None:
        allowed = self.max_share * len(self._keys)
        if int(torch.count_nonzero(self._faults)) > allowed:
            raise InputError(
                f"expected at most {self.max_share:.2%} of the clips of {self.what} to be bad "
                f"({self.setting}), got {self.summary()}, the last: {error.detail}; repair the "
                "set (vasa prep validate lists what is damaged) or allow a larger share"
            )
