"""`vasa prep` killed at any moment, or out of room, goes on and ends with the same content.

Most kills strike forks of one process that has imported everything, so that a run costs what it
does and not six seconds of imports. The full twenty of whole commands with workers are
experiments/002-preparation/kills.py, whose tools these tests use.
"""

import errno
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from awkward_files import head, placed, write_movie

from data_prep.workers import each_in_workers
from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.types import InputError

SCRIPT = Path(__file__).parents[2] / "experiments" / "002-preparation" / "kills.py"
KILLED = -signal.SIGKILL
NUM_MOVIES, NUM_FILES = 5, 6
SETTINGS = ("size=64", "split.val=0.4", "clips_per_shard=2", "sound.min_speech_share=0")
_SERVER = """
import json, os, resource, signal, sys
import matplotlib.figure, pandas, pyarrow.parquet, torch
import data_prep.experts, data_prep.write, vasa.cli, vasa.cli.prep, vasa.cli.outputs

torch.set_num_threads(1)
make = data_prep.experts.PrepExperts
made = {}

def experts(recipe):  # the networks are loaded once, before the first fork
    return made.setdefault("experts", make(recipe))

def watch(root, kill_at, seen):
    changes = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"}
    def hook(event, args):
        if event not in changes or (event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        name = os.fsdecode(args[0]) if not isinstance(args[0], int) else ""
        if name.startswith(root) or not name.startswith("/"):  # rmtree's names are relative
            seen.append(f"{event} {os.path.basename(name)}")
            if len(seen) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def work(order):
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1), os.dup2(log, 2)
    if order["limit_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit_bytes"], -1))
    seen = []
    if order["watched"]:
        watch(order["watched"], order["kill_at"], seen)
    code = vasa.cli.main(order["words"])
    if order["events"]:
        open(order["events"], "w").write("\\n".join(seen))
    sys.stdout.flush()
    os._exit(code)

for line in sys.stdin:
    order = json.loads(line)
    if "load" in order:
        from hydra import compose, initialize_config_dir
        from omegaconf import OmegaConf
        from data_prep.settings import PrepSettings
        from vasa.cli.paths import conf_dir
        with initialize_config_dir(version_base="1.3", config_dir=os.path.abspath(conf_dir())):
            cfg = compose("prep", overrides=["input=a", "output=b"])
        settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(PrepSettings), cfg))
        experts(settings.recipe())
        data_prep.experts.PrepExperts = data_prep.write.PrepExperts = experts
        print("loaded", flush=True)
        continue
    child = os.fork()
    if child == 0:
        try:
            work(order)
        except BaseException:
            import traceback
            traceback.print_exc()
        os._exit(99)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def _tools() -> ModuleType:
    """The experiment's script; what all experiments share is beside its folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(SCRIPT.parents[1]))
        spec = importlib.util.spec_from_file_location("prep_kills", SCRIPT)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["prep_kills"] = module
        spec.loader.exec_module(module)
    return module


kills = _tools()
killing = sys.modules["killing"]


@dataclass(frozen=True, kw_only=True)
class Movies:
    """What is prepared, and what an undisturbed run with two workers made of it.

    Attributes:
        raw: folder of the files.
        set: the undisturbed set.
        content: its hashes.
    """

    raw: Path
    set: Path
    content: dict[str, str]

    def words(self, output: Path, *more: str, workers: int = 0) -> list[str]:
        """The command that prepares them into `output`."""
        known = [f"input={self.raw}", f"output={output}", f"workers={workers}"]
        return ["prep", *known, *SETTINGS, *more]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run that ended: exit code (minus the signal's number) and what it wrote."""

    code: int
    output: str

    def complaint(self) -> str:
        """Its one line to the user."""
        lines = [line for line in self.output.splitlines() if line.startswith("vasa: ")]
        assert "Traceback" not in self.output
        assert len(lines) == 1, self.output
        return lines[0]


class Forks:
    """Runs of `vasa prep` as forks of a process that is ready to work."""

    def __init__(self, folder: Path, weights_dir: Path) -> None:
        self._folder = folder
        self._number = 0
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            env=_environment(weights_dir),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._send({"load": True})
        assert self._line() == "loaded"

    def run(
        self,
        words: list[str],
        *,
        kill_after_s: float | None = None,
        prepared: tuple[Path, int] | None = None,
        limit_bytes: int = 0,
        kill_at: int = 0,
        watched: Path | None = None,
        events: Path | None = None,
    ) -> Ended:
        """Run to the end, or to a kill: a time after so many files of an output are prepared, or
        before the n-th change below `watched`.
        """
        self._number += 1
        log = self._folder / f"log-{self._number}.txt"
        self._send(
            {
                "words": words,
                "log": str(log),
                "limit_bytes": limit_bytes,
                "kill_at": kill_at,
                "watched": str(watched or ""),
                "events": str(events or ""),
            }
        )
        child = int(self._line())
        if kill_after_s is not None and prepared is not None:
            output, wanted = prepared
            while _lives(child) and kills.state_of(output)["prepared"] < wanted:
                time.sleep(0.005)
            time.sleep(kill_after_s)
            if _lives(child):
                os.kill(child, signal.SIGKILL)
        return Ended(code=int(self._line()), output=log.read_text().replace("\r", "\n"))

    def close(self) -> None:
        """End the process that forks."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()

    def _send(self, order: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()

    def _line(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


def _lives(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


@pytest.fixture(scope="module")
def movies(weights_dir, tmp_path_factory) -> Movies:
    root = tmp_path_factory.mktemp("kills")
    for number in range(NUM_MOVIES):
        pictures, sound = head(number % 3, 160)
        first = 4 * (number // 3)
        folder = root / "raw" / f"p{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        seen, heard = placed([pictures])[first:][:30], sound[first * SAMPLES_PER_FRAME :]
        write_movie(folder / f"{number}.mp4", seen, heard)
    (root / "raw" / "p0" / "text.mp4").write_text("this is no movie\n")
    unknown = Movies(raw=root / "raw", set=root / "whole", content={})
    words = unknown.words(root / "whole", workers=2)
    assert _command(words, weights_dir).code == 0
    content = kills.content(root / "whole")
    assert sum(name.endswith(".tar") for name in content) >= 3
    assert {"index.parquet", "dropped.parquet", "stats.json", "card.md", "card/clips.png"} <= set(
        content
    )
    return Movies(raw=root / "raw", set=root / "whole", content=content)


@pytest.fixture(scope="module")
def forks(weights_dir, tmp_path_factory) -> Iterator[Forks]:
    made = Forks(tmp_path_factory.mktemp("forks"), weights_dir)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ready(movies, forks, tmp_path_factory) -> Path:
    """An output in which all is prepared and nothing written."""
    output = tmp_path_factory.mktemp("ready") / "set"
    for index in range(2):
        words = movies.words(output, "partition.count=2", f"partition.index={index}")
        assert forks.run(words).code == 0
    return output


def _command(words: list[str], weights_dir: Path, *, limit_bytes: int = 0, mark: str = "") -> Ended:
    """The real command; `limit_bytes` is the largest file that it may write."""
    program = (
        "import os, resource, sys\n"
        f"if {limit_bytes}: resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, -1))\n"
        f"os.execv(sys.executable, [sys.executable, '-m', 'vasa.cli', *{words!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=_environment(weights_dir, mark),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return Ended(code=done.returncode, output=done.stdout.replace("\r", "\n"))


def _environment(weights_dir: Path, mark: str = "") -> dict[str, str]:
    mine = {"VASA_WEIGHTS": str(weights_dir), "OMP_NUM_THREADS": "1", killing.MARK: mark}
    return {**os.environ, **mine}


def _is_as_undisturbed(output: Path, movies: Movies) -> None:
    assert (output / "done.json").is_file()
    assert kills.leftovers(output) == []
    assert kills.content(output) == movies.content


def test_the_comparison_can_fail(movies, tmp_path):
    shutil.copytree(movies.set, tmp_path / "set")
    _is_as_undisturbed(tmp_path / "set", movies)
    tar = next((tmp_path / "set").rglob("*.tar"))
    data = bytearray(tar.read_bytes())
    data[len(data) // 2] ^= 1
    tar.write_bytes(data)
    assert kills.content(tmp_path / "set") != movies.content
    (tmp_path / "set" / "a.part").touch()
    assert kills.leftovers(tmp_path / "set") == ["a.part"]


def test_killed_at_random_moments(movies, forks, tmp_path):
    """By the clock, and in every second run once another clip is prepared."""
    rng = random.Random(0)
    output = tmp_path / "set"
    kept = 0
    for number in range(8):
        wait_s = rng.uniform(0.05, 0.4)
        wanted = kept + 1 if number % 2 else 0
        ended = forks.run(movies.words(output), kill_after_s=wait_s, prepared=(output, wanted))
        if ended.code == 0:
            break
        assert ended.code == KILLED, ended.output
        now = kills.state_of(output)["prepared"]
        assert now >= max(wanted, kept)  # what was prepared before a kill is kept
        kept = now
    assert kept >= 3
    if not (output / "done.json").is_file():
        assert forks.run(movies.words(output)).code == 0
    _is_as_undisturbed(output, movies)


def test_killed_before_any_change_of_the_folder(movies, forks, ready, tmp_path):
    """Writing as a list of changes to files; runs end just before some of each kind."""
    names = tmp_path / "events.txt"
    shutil.copytree(ready, tmp_path / "whole")
    words = movies.words(tmp_path / "whole")
    assert forks.run(words, watched=tmp_path / "whole", events=names).code == 0
    events = names.read_text().splitlines()
    _is_as_undisturbed(tmp_path / "whole", movies)
    for kind in ("000000.tar.part", "index.parquet", "card.md", "begun.json", "done.json"):
        assert any(kind in event for event in events)

    rng = random.Random(1)
    num = len(events)
    first_card = next(i for i, event in enumerate(events) if "png" in event)
    first_end = next(i for i, event in enumerate(events) if "card.md" in event)
    marked = next(i for i, event in enumerate(events) if "done.json" in event)
    moments = [
        *rng.sample(range(first_card), 4),
        rng.randrange(first_card, first_end),
        rng.randrange(first_end, marked),
        marked,  # before it is marked as done
        num - 1,  # before the last thing that only a run under way needs is removed
    ]
    for number, moment in enumerate(sorted(moments)):
        output = tmp_path / f"killed-{number}"
        shutil.copytree(ready, output)
        words = movies.words(output)
        killed = forks.run(words, watched=output, kill_at=moment + 1)
        assert killed.code == KILLED, events[moment]
        ended = forks.run(words)
        assert ended.code == 0, ended.output
        _is_as_undisturbed(output, movies)


def test_workers_end_with_a_killed_command(movies, weights_dir, forks, tmp_path):
    output, mark = tmp_path / "set", uuid.uuid4().hex
    run = subprocess.Popen(
        [sys.executable, "-m", "vasa.cli", *movies.words(output, workers=2)],
        env=_environment(weights_dir, mark),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while run.poll() is None and not list(output.glob(".work/*.tar")):
        time.sleep(0.01)
    assert len(killing.processes(mark)) >= 3
    run.kill()
    assert run.wait() == KILLED
    killing.wait_until_gone(mark, limit_s=5)
    assert 0 < len(list(output.glob(".work/*.tar"))) < NUM_FILES
    assert forks.run(movies.words(output)).code == 0
    _is_as_undisturbed(output, movies)


def _limit_below(sizes: list[int]) -> int:
    """A size that some files may have and others may not."""
    assert max(sizes) > 1.02 * min(sizes)
    return (max(sizes) + sorted(sizes)[-2]) // 2


def test_no_room_while_preparing(movies, forks, ready, tmp_path):
    output = tmp_path / "set"
    limit = _limit_below([path.stat().st_size for path in ready.glob(".work/*.tar")])
    ended = forks.run(movies.words(output), limit_bytes=limit)
    assert ended.code == 2
    assert "expected room to write in" in ended.complaint()
    assert "run the same command again" in ended.complaint()
    kept = len(list(output.glob(".work/*.tar")))
    ended = forks.run(movies.words(output))
    assert ended.code == 0
    assert f"{NUM_FILES} files, {NUM_FILES - kept} of them in this run" in ended.output
    _is_as_undisturbed(output, movies)


def test_no_room_while_writing(movies, forks, ready, tmp_path):
    """For tars, then for the tables, then for the pictures of the card."""
    output = tmp_path / "set"
    shutil.copytree(ready, output)
    tars = [path.stat().st_size for path in movies.set.rglob("*.tar")]
    sheet = (movies.set / "card" / "clips.png").stat().st_size
    tables = (movies.set / "index.parquet").stat().st_size
    assert tables < max(tars) < sheet
    for limit, reached in (
        (tables // 2, []),
        (max(tars) - 1, []),
        (sheet - 1, ["index.parquet", "dropped.parquet", "stats.json"]),
    ):
        ended = forks.run(movies.words(output), limit_bytes=limit)
        assert ended.code == 2, ended.output
        assert os.strerror(errno.EFBIG) in ended.complaint()
        assert len(list(output.glob(".work/*.tar"))) == NUM_FILES
        assert not (output / "done.json").exists()
        assert [name for name in reached if not (output / name).exists()] == []
    ended = forks.run(movies.words(output))
    assert ended.code == 0
    assert f"{NUM_FILES} files, 0 of them in this run" in ended.output
    _is_as_undisturbed(output, movies)


def test_no_room_in_a_worker(movies, forks, ready, weights_dir, tmp_path):
    output = tmp_path / "set"
    limit = _limit_below([path.stat().st_size for path in ready.glob(".work/*.tar")])
    words, mark = movies.words(output, workers=1), uuid.uuid4().hex
    ended = _command(words, weights_dir, limit_bytes=limit, mark=mark)
    assert ended.code == 2, ended.output
    assert "expected room to write in" in ended.complaint()
    killing.wait_until_gone(mark, limit_s=5)
    assert forks.run(movies.words(output)).code == 0
    _is_as_undisturbed(output, movies)


def test_processes_that_die_as_they_begin_end_the_run_with_a_word():
    work = each_in_workers(
        print, [1, 2], workers=1, time_limit_s=60, start=os._exit, start_args=(3,)
    )
    with pytest.raises(InputError, match="fewer workers="):
        list(work)


def test_partitions_side_by_side_under_a_launcher(movies, weights_dir, forks, tmp_path):
    pytest.importorskip(
        "hydra_plugins.hydra_joblib_launcher", reason="needs the extra `joblib` of this package"
    )
    output = tmp_path / "set"
    launcher = ["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    launcher += ["partition.count=2", "partition.index=range(2)", f"hydra.sweep.dir={tmp_path}"]
    ended = _command(movies.words(output, *launcher, workers=1), weights_dir)
    assert ended.code == 0, ended.output
    assert not (output / "index.parquet").exists()
    assert len(list(output.glob(".work/*.tar"))) == NUM_FILES
    ended = forks.run(movies.words(output))
    assert f"{NUM_FILES} files, 0 of them in this run" in ended.output
    _is_as_undisturbed(output, movies)
