"""The record has no gap and no line twice; no mirror stops or slows a training."""

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from full_disk import room_for

from vasa.training import wandb_mirror
from vasa.training.logging import MetricsRecord
from vasa.training.mirrors import Mirrors
from vasa.training.wandb_mirror import WandbMirror


def steps_of(path: Path) -> list[int]:
    return [json.loads(text)["step"] for text in path.read_text().splitlines()]


def write(record: MetricsRecord, *steps: int) -> None:
    for step in steps:
        record.write({"train/loss": step / 10}, step=step, time_s=float(step))


def test_lines_after_the_checkpoint_are_written_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(MetricsRecord(path=path, step=0), 1, 2, 3, 4)
    record = MetricsRecord(path=path, step=2)
    assert record.time_s == 2.0
    write(record, 3, 4, 5)
    assert steps_of(path) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("torn", ['{"step": 3, "ti', '{"step": 3, "time_s": 3.0}', "\0\0\0"])
def test_half_a_line_of_a_kill_is_left_out(tmp_path, torn):
    path = tmp_path / "metrics.jsonl"
    write(MetricsRecord(path=path, step=0), 1, 2)
    with path.open("a") as file:
        file.write(torn)
    assert [line["step"] for line in MetricsRecord.read(path)] == [1, 2]
    write(MetricsRecord(path=path, step=2), 3)
    assert steps_of(path) == [1, 2, 3]


def test_a_damaged_line_takes_none_of_the_others_with_it(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(MetricsRecord(path=path, step=0), 1, 2, 3, 4)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], "#" + lines[1], *lines[2:]]))
    write(MetricsRecord(path=path, step=3), 4)
    assert [line["step"] for line in MetricsRecord.read(path)] == [1, 3, 4]


def test_a_full_disk_is_said_once_and_leaves_no_gap(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    record = MetricsRecord(path=path, step=0)
    write(record, 1, 2)
    with room_for(path.stat().st_size + 20):  # room for half a line
        write(record, 3, 4, 5)
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "training goes on" in said
    assert [line["step"] for line in MetricsRecord.read(path)] == [1, 2]
    write(record, 6)
    assert steps_of(path) == [1, 2, 3, 4, 5, 6]
    assert "no line is missing" in capsys.readouterr().err


def test_lines_that_found_no_room_before_a_kill_come_with_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.jsonl"
    record = MetricsRecord(path=path, step=0)
    write(record, 1, 2)
    with room_for(path.stat().st_size):
        write(record, 3, 4)
        kept = list(record.unwritten)
    record = MetricsRecord(path=path, step=4, unwritten=kept)
    assert record.time_s == 4.0
    write(record, 5)
    assert steps_of(path) == [1, 2, 3, 4, 5]
    write(MetricsRecord(path=path, step=4, unwritten=kept), 5)
    assert steps_of(path) == [1, 2, 3, 4, 5]


def test_a_mirror_that_fails_is_said_once_and_left_out(capsys):
    class Failing:
        calls = 0

        def __getattr__(self, name: str) -> Callable[..., None]:
            def fail(*_: object, **__: object) -> None:
                Failing.calls += 1
                raise OSError("no space left")

            return fail

    mirrors = Mirrors({"board": Failing()})
    for step in range(3):
        mirrors.metrics({}, step=step)
    mirrors.close()
    assert Failing.calls == 1
    assert "board stopped (OSError: no space left); training goes on" in capsys.readouterr().err


STANDIN = """
import json, os, pathlib, signal, sys, time

class Settings:
    def __init__(self, **_): pass

def Image(path): return path

class Run:
    def __init__(self, dir, mode): self.file = open(pathlib.Path(dir) / f"seen_{{mode}}", "a")
    def log(self, values, step):
        {log}
        self.file.write(json.dumps([step, values]) + "\\n")
        self.file.flush()
    def finish(self): self.file.write("finished\\n"), self.file.close()

held = []

def init(*, mode, dir, id, **_):
    assert not held, f"run ID {{id}} is in use"
    held.append(id)
    {init}
    return Run(dir, mode)

def teardown(): held.clear()
"""


@pytest.fixture
def standin(tmp_path, monkeypatch):
    """A wandb that does what it is told: statements run before a log, and before a start."""

    def put(*, log: str = "pass", init: str = "pass", modes: tuple[str, ...] = ("offline",)):
        folder = tmp_path / "standin" / "wandb"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(STANDIN.format(log=log, init=init))
        monkeypatch.syspath_prepend(str(folder.parent))
        return open_mirror(tmp_path, modes)

    return put


def open_mirror(folder: Path, modes: tuple[str, ...] = ("offline",)) -> Mirrors:
    config = {"stage": "toy", "name": "line"}
    mirror = WandbMirror(modes=list(modes), project="vasa", folder=folder, config=config)
    return Mirrors({"wandb": mirror})


def seen(folder: Path, mode: str = "offline") -> list[int]:
    lines = (folder / f"seen_{mode}").read_text().splitlines()
    assert lines[-1] == "finished"
    return [json.loads(text)[0] for text in lines[:-1]]


def test_files_of_a_continued_run_begin_with_what_was_recorded(tmp_path, standin):
    write(MetricsRecord(path=tmp_path / "metrics.jsonl", step=0), 1, 2, 3, 4)
    mirrors = standin()
    mirrors.begin(tmp_path / "metrics.jsonl", step=3)
    mirrors.metrics({"train/loss": 0.4}, step=4)
    (tmp_path / "grey.png").touch()
    mirrors.picture("grey", tmp_path / "grey.png", step=4)
    mirrors.close()
    assert seen(tmp_path) == [1, 2, 3, 4, 4]


def test_a_picture_that_is_gone_stops_none_of_the_rest(tmp_path, standin, capfd):
    mirrors = standin()
    (tmp_path / "there.png").touch()
    mirrors.picture("gone", tmp_path / "gone.png", step=1)
    mirrors.clip("gone", tmp_path / "gone.mp4", step=1)
    mirrors.picture("there", tmp_path / "there.png", step=1)
    mirrors.metrics({"train/loss": 0.5}, step=2)
    mirrors.close()
    assert seen(tmp_path) == [1, 2]
    said = capfd.readouterr().err
    assert said.count("wandb leaves out") == 1 and "gone of step 1 (FileNotFoundError" in said


def test_a_server_is_not_told_again_and_offline_takes_its_place(tmp_path, standin, capfd):
    write(MetricsRecord(path=tmp_path / "metrics.jsonl", step=0), 1, 2)
    refuse = "\n    if mode == 'online': raise TimeoutError('no network')"
    mirrors = standin(init=refuse, modes=("online", "offline"))
    mirrors.begin(tmp_path / "metrics.jsonl", step=2)
    mirrors.close()
    assert seen(tmp_path) == [1, 2]
    assert "wandb online did not start (TimeoutError: no network)" in capfd.readouterr().err


def test_two_starts_of_a_run_take_turns(tmp_path, standin):
    """wandb names its folders by id and second: at once, they would write into one file."""
    first = standin(init="(pathlib.Path(dir) / 'starts').touch(); time.sleep(2)")
    feed = first._mirrors["wandb"]._feed
    first.metrics({"train/loss": 0.5}, step=1)
    until = time.monotonic() + 60
    while not (tmp_path / "starts").exists() and time.monotonic() < until:
        time.sleep(0.05)
    feed.stdin.close()  # killed
    second = open_mirror(tmp_path)
    second.metrics({"train/loss": 0.5}, step=2)
    second.close()
    assert (tmp_path / "seen_offline").read_text().splitlines() == [
        '[1, {"train/loss": 0.5}]',
        "finished",
        '[2, {"train/loss": 0.5}]',
        "finished",
    ]


FAILURES = {
    "a start that fails": ({"init": "raise OSError('no space')"}, "wandb stopped (OSError"),
    "a service that dies": ({"log": "if step == 3: raise ConnectionError('lost')"}, "lost"),
    "a process that dies": ({"log": "os.kill(os.getpid(), signal.SIGKILL)"}, "died"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_goes_wrong_in_wandb_is_said_once(standin, failure, capfd, monkeypatch):
    statements, said = FAILURES[failure]
    mirrors = standin(**statements)
    monkeypatch.setattr(wandb_mirror, "HELD_BYTES", 10**9)
    until = time.monotonic() + 60
    for step in range(100_000):
        mirrors.metrics({"train/loss": 0.5}, step=step)
        if mirrors._mirrors["wandb"]._feed is None or time.monotonic() > until:
            break
        time.sleep(0.001)
    mirrors.metrics({"train/loss": 0.5}, step=100_000)
    mirrors.close()
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("vasa: ")]
    assert len(lines) == 1 and said in lines[0] and "training goes on" in lines[0]


def test_a_service_that_hangs_takes_no_time_of_the_training(standin, capfd, monkeypatch):
    mirrors = standin(log="time.sleep(1000)")
    began = time.process_time()
    for step in range(5000):
        mirrors.metrics({f"train/loss_{number}": 0.5 for number in range(20)}, step=step)
    assert time.process_time() - began < 5
    monkeypatch.setattr(wandb_mirror, "PATIENCE_S", 0.5)
    began = time.monotonic()
    mirrors.close()
    assert time.monotonic() - began < 20
    assert "did not finish within" in capfd.readouterr().err


def test_a_service_that_hangs_for_long_is_given_up(standin, capfd, monkeypatch):
    monkeypatch.setattr(wandb_mirror, "HELD_BYTES", 100_000)
    mirrors = standin(log="time.sleep(1000)")
    for step in range(20_000):
        mirrors.metrics({"train/loss": 0.5}, step=step)
    assert mirrors._mirrors["wandb"]._feed is None
    mirrors.close()
    said = capfd.readouterr().err
    assert said.count("vasa: ") == 1 and "takes nothing any more" in said


def test_offline_files_are_whole_when_the_run_was_killed(tmp_path, monkeypatch):
    """wandb itself, which takes seconds to begin: another process holds the end of the pipe that a
    killed run leaves."""
    monkeypatch.setattr(wandb_mirror, "PATIENCE_S", 240.0)
    mirror = open_mirror(tmp_path)._mirrors["wandb"]
    assert isinstance(mirror, WandbMirror)
    feed = mirror._feed
    assert feed is not None and feed.stdin is not None
    for step in range(1, 8):
        mirror.metrics({"train/loss": 0.5}, step=step)
    assert not mirror._held
    feed.stdin.close()  # all that is left of it after SIGKILL
    assert feed.wait(timeout=240) == 0
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert logged_steps(file) == list(range(1, 8))


def logged_steps(path: Path) -> list[int]:
    """Steps of the values in a .wandb file."""
    return [step for step, names in logged_names(path) if "train/loss" in names]


def logged_names(path: Path) -> list[tuple[int, set[str]]]:
    """Names that were logged, by step."""
    found = []
    for record in wandb_records(path):
        if record.WhichOneof("record_type") == "history":
            items = {item.key or item.nested_key[0]: item for item in record.history.item}
            found.append((int(json.loads(items["_step"].value_json)), set(items)))
    return found


def wandb_records(path: Path) -> list[Any]:
    """All of a .wandb file: LevelDB's log format after seven bytes of its own."""
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    place, part, records = 7, b"", []
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, size, kind = struct.unpack_from("<IHB", content, place)
        if place + 7 + size > len(content):  # a kill cut it off
            break
        part += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole one, or the last part of one
            records.append(Record.FromString(part))
            part = b""
    return records
