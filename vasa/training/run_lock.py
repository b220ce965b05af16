"""One process at a time writes a run folder."""

import errno
import fcntl
import os
import platform
import time
from pathlib import Path

from vasa.training.logging import report
from vasa.types import InputError

WAIT_S = 120.0
"""Seconds that the next process waits: a requeued job's last one may still be saving, and an NFS
server keeps the lock of a node that is gone for its lease, 90 s by default."""
_POLL_S = 0.5
_TAKEN = (errno.EACCES, errno.EAGAIN)


class RunLock:
    """A lock on RUN/.lock, held by global rank zero while it trains.

    A POSIX record lock, as NFS has them between machines, too: it goes with its process however
    that ends, and loader workers, which are forks, do not inherit it as they would an flock.

    Args:
        folder: of the run; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / ".lock"
        self._number: int | None = None

    def take(self, *, wait_s: float | None = None) -> None:
        """Hold it, if need be after a while.

        Args:
            wait_s: seconds to wait at most; None: WAIT_S.

        Raises:
            InputError: another process has it all that time.
        """
        wait_s = WAIT_S if wait_s is None else wait_s
        self.folder.mkdir(parents=True, exist_ok=True)
        number = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        until, has_said_so = time.monotonic() + wait_s, False
        while (error := _attempt(number)) is not None and error.errno in _TAKEN:
            holder = os.pread(number, 200, 0).decode(errors="replace").strip() or "another process"
            if time.monotonic() >= until:
                os.close(number)
                raise InputError(
                    f"expected to train {self.folder} alone, {holder} has trained it for the last "
                    f"{wait_s:.0f} s; wait until that has ended, end it, or give another run_dir"
                )
            if not has_said_so:
                report(f"{self.folder} is being trained by {holder}; waiting for its end")
                has_said_so = True
            time.sleep(_POLL_S)
        if error is not None:
            report(
                f"{self.folder} cannot be locked ({error.strerror}); training goes on: do not "
                "start the same run twice"
            )
        else:
            os.ftruncate(number, 0)
            os.pwrite(number, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
        self._number = number

    def release(self) -> None:
        """Let it go, if it is held."""
        if self._number is not None:
            os.close(self._number)
            self._number = None


def _attempt(number: int) -> OSError | None:
    try:
        fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error
    return None
