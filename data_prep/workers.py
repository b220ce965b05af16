"""Work on many items in processes, of which one may hang or die without ending the rest."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError, as_completed
from multiprocessing import get_context
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from data_prep.drops import Dropped, Reason

Item = TypeVar("Item")


def each_in_workers(
    function: Callable[[Item], None],
    items: Iterable[Item],
    *,
    workers: int,
    time_limit_s: float,
    start: Callable[..., None],
    start_args: tuple[Any, ...] = (),
) -> Iterator[tuple[Item, Dropped | None]]:
    """Call a function once for every item; what is done comes as it is done.

    Args:
        function: picklable; what it raises ends everything and is raised here.
        items: picklable.
        workers: processes.
        time_limit_s: an item that takes longer loses its process and is `timed_out`.
        start: called once in each process, before its first item.
        start_args: its arguments.

    Yields:
        The item, and None or why it was lost: `timed_out`, or `crashed` if its process died.
    """
    pool = ProcessPool(
        max_workers=workers,
        context=get_context("spawn"),
        initializer=_start,
        initargs=(os.getpid(), start, start_args),
    )
    try:
        jobs = {pool.schedule(function, (item,), timeout=time_limit_s): item for item in items}
        for job in as_completed(jobs):
            lost = None
            try:
                job.result()
            except TimeoutError:
                lost = Dropped(Reason.TIMED_OUT, f"not done after {time_limit_s:g} s")
            except ProcessExpired as death:
                lost = Dropped(Reason.CRASHED, f"its process died with exit code {death.exitcode}")
            yield jobs.pop(job), lost
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.close()
        pool.join()


def _start(parent: int, start: Callable[..., None], start_args: tuple[Any, ...]) -> None:
    if sys.platform == "linux":  # a worker ends with its parent, however that was killed
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)
    start(*start_args)
