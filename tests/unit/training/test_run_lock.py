"""A run folder has one writer: another process waits a while, and is told who has it."""

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from toy import toy_config

from vasa.training import run_lock
from vasa.training.run_lock import RunLock
from vasa.training.runner import train
from vasa.types import InputError

HOLDER = """
import fcntl, os, sys
file = open(os.path.join(sys.argv[1], ".lock"), "w")
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print(f"process {os.getpid()} on a node", file=file, flush=True)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until its input ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdin is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield holder
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()


def test_second_training_of_a_folder_is_refused_and_leaves_it_as_it_was(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(run_lock, "WAIT_S", 0.1)
    with another_process(tmp_path) as holder:
        with pytest.raises(
            InputError, match=f"alone, process {holder.pid} on a node has .* give another"
        ):
            train(cfg=toy_config(f"run_dir={tmp_path}"))
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert f"is being trained by process {holder.pid}" in capsys.readouterr().err
    train(cfg=toy_config(f"run_dir={tmp_path}", "max_steps=2"))


def test_next_one_goes_on_when_the_last_has_ended(tmp_path):
    with another_process(tmp_path) as holder:
        timer = threading.Timer(0.3, holder.kill)
        timer.start()
        lock = RunLock(tmp_path)
        lock.take(wait_s=30)
        assert holder.wait() < 0, "it waited for the end of the other"
    assert str(os.getpid()) in lock.path.read_text()
    lock.release()


def _wait(begun: "multiprocessing.synchronize.Event", end: "multiprocessing.synchronize.Event"):
    begun.set()
    end.wait(30)


def test_forked_loader_workers_do_not_hold_it(tmp_path):
    context = multiprocessing.get_context("fork")
    begun, end = context.Event(), context.Event()
    lock = RunLock(tmp_path)
    lock.take()
    worker = context.Process(target=_wait, args=(begun, end))
    worker.start()
    assert begun.wait(30)
    lock.release()
    with another_process(tmp_path):
        pass
    end.set()
    worker.join()


def test_file_system_without_locks_is_told_and_trained_on(tmp_path, monkeypatch, capsys):
    def refused(*_: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(run_lock.fcntl, "lockf", refused)
    lock = RunLock(tmp_path)
    lock.take()
    lock.release()
    assert "cannot be locked (Function not implemented)" in capsys.readouterr().err
