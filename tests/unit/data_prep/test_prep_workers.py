"""A worker that hangs or dies takes its own item with it and no other."""

import operator
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from data_prep.drops import Reason
from data_prep.step_clock import StepClock
from data_prep.workers import each_in_workers


def _run(items, *, workers=2, limit=60.0):
    """`operator.call` calls each item."""
    done = each_in_workers(
        operator.call,
        items,
        workers=workers,
        time_limit_s=limit,
        start=operator.not_,
        start_args=(1,),
    )
    return {item: lost for item, lost in done}


def test_a_crash_and_a_hang_are_named_and_the_rest_is_done(tmp_path):
    good = [partial(Path.touch, tmp_path / str(number)) for number in range(6)]
    crash, kill = partial(os._exit, 3), partial(signal.raise_signal, signal.SIGKILL)
    hang = partial(time.sleep, 600)
    begin = time.monotonic()
    found = _run([*good[:2], crash, *good[2:4], hang, kill, *good[4:]], limit=3)
    assert time.monotonic() - begin < 60
    assert found[crash].reason == found[kill].reason == Reason.CRASHED
    assert "3" in found[crash].detail
    assert found[hang].reason == Reason.TIMED_OUT
    assert [found[item] for item in good] == [None] * 6
    assert len(list(tmp_path.iterdir())) == 6


def test_what_an_item_raises_ends_the_run():
    with pytest.raises(ZeroDivisionError):
        _run([partial(operator.truediv, 1, 0), partial(time.sleep, 0.01)])


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for it")
def test_workers_end_with_their_parent(tmp_path):
    program = (
        "import operator, os, time\n"
        "from functools import partial\n"
        "from pathlib import Path\n"
        "from data_prep.workers import each_in_workers\n"
        "if __name__ == '__main__':\n"
        f"    note = partial(Path.write_text, Path({str(tmp_path / 'begun')!r}), 'x')\n"
        "    items = [note, partial(time.sleep, 600)]\n"
        "    list(each_in_workers(operator.call, items, workers=1, time_limit_s=900,\n"
        "         start=operator.not_, start_args=(1,)))\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(program)
    root = Path(__file__).parents[3]
    parent = subprocess.Popen([sys.executable, script], env=os.environ | {"PYTHONPATH": str(root)})
    try:
        _wait_for(lambda: (tmp_path / "begun").exists())
        children = _children(parent.pid)
        assert children
    finally:
        parent.kill()
        parent.wait()
    _wait_for(lambda: not any(_is_running(child) for child in children))


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    threads = Path(f"/proc/{pid}/task").iterdir()
    text += " ".join((thread / "children").read_text() for thread in threads)
    pids = {int(word) for word in text.split()}
    return [p for p in pids if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]


def _is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def _wait_for(what) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_step_inside_of_another_is_counted_once():
    def burn(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    def items():
        for number in range(3):
            burn(0.02)
            yield number

    clock = StepClock()
    with clock.step("outer"):
        burn(0.03)
        for _ in clock.each("inner", items()):
            burn(0.01)
    assert clock.seconds["outer"] == pytest.approx(0.06, abs=0.02)
    assert clock.seconds["inner"] == pytest.approx(0.06, abs=0.02)
