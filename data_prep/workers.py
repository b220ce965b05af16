"""Work on many items in processes, of which one may hang or die without ending the rest."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from data_prep.drops import Dropped, Reason
from vasa.types import InputError

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

    Raises:
        InputError: processes die before they begin to work.
    """
    with _start_method_that_others_know():
        yield from _each(function, items, workers, time_limit_s, (os.getpid(), start, start_args))


def _each(
    function: Callable[[Item], None],
    items: Iterable[Item],
    workers: int,
    time_limit_s: float,
    start: tuple[Any, ...],
) -> Iterator[tuple[Item, Dropped | None]]:
    pool = ProcessPool(
        max_workers=workers,
        context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=start,
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
    except BrokenProcessPool as error:
        pool.stop()
        raise InputError(
            f"expected {workers} processes to work in, got ones that died as they began (is there "
            "memory for all?); set fewer workers= and run the same command again: it goes on from "
            "here"
        ) from error
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.close()
        pool.join()


@contextmanager
def _start_method_that_others_know() -> Iterator[None]:
    """A launcher (joblib's loky) may have set a start method of its own. Python hands its name to
    every process that it starts, and one that does not know it dies.
    """
    before = multiprocessing.get_start_method(allow_none=True)
    if before is None or before in multiprocessing.get_all_start_methods():
        yield
        return
    multiprocessing.set_start_method("spawn", force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(before, force=True)


def _start(parent: int, start: Callable[..., None], start_args: tuple[Any, ...]) -> None:
    if sys.platform == "linux":  # a worker ends with its parent, however that was killed
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)
    start(*start_args)
