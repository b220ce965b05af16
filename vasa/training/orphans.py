"""Processes that a training starts for its other devices end with it, however it ends."""

import ctypes
import os
import signal
import sys

STARTER = "VASA_STARTED_BY"
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def note_starter() -> None:
    """Before others are started: tells them who does."""
    os.environ[STARTER] = str(os.getpid())


def end_with_starter() -> None:
    """In one that was started: the system ends it when its starter has ended.

    Without that, where rank zero is killed before the processes have met, the others wait for it in
    torch's rendezvous for minutes. Linux alone has the means; elsewhere they wait.
    """
    starter = os.environ.get(STARTER)
    if starter is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != int(starter):  # it ended before it could be told of
        raise SystemExit(1)
