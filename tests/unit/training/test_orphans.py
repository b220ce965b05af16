"""Who was started for a training does not outlive it, nor one that has ended before."""

import os
import signal
import subprocess
import sys
import time

import pytest

STARTER = """
import os, subprocess, sys, time
from vasa.training.orphans import note_starter
note_starter()
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=sys.stdout)
time.sleep(60)
"""
STARTED = """
import os, time
from vasa.training.orphans import end_with_starter
end_with_starter()
print(os.getpid(), flush=True)
time.sleep(60)
"""


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_process_ends_with_the_one_that_started_it():
    words = [sys.executable, "-c", STARTER, STARTED]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        started = int(starter.stdout.readline())
        assert is_running(started)
        starter.send_signal(signal.SIGKILL)
    limit = time.monotonic() + 20
    while is_running(started) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not is_running(started)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_process_whose_starter_has_ended_ends_at_once():
    gone = {**os.environ, "VASA_STARTED_BY": "1"}
    done = subprocess.run([sys.executable, "-c", STARTED], env=gone, capture_output=True, text=True)
    assert done.returncode == 1 and not done.stdout
