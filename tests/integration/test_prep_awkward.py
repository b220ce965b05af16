"""`vasa prep` on a folder of awkward files: none ends the run, none vanishes, memory stays flat."""

import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from awkward_files import (
    CLIP,
    AwkwardFile,
    write_awkward_files,
    write_black_minutes,
)

from data_prep.index import SplitRule, find_clips
from data_prep.validate import validate_set
from vasa.data.shards import read_index

LONG_MINUTES = 10
MAX_GROWTH_MIB = 300
"""What the long file may add to the peak of a run on short ones. Its sound (37 MiB, some times
while it is put together) and the points of 15,000 frames (82 MiB, twice) fit; keeping something of
20 kB a frame does not, let alone the pictures (12 kB a frame even at 64 px, 3 MB in full HD)."""
_PEAK_PROGRAM = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print("peak_kib", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished command.

    Attributes:
        code: exit code.
        output: what it wrote.
        peak_mib: memory of its largest process.
    """

    code: int
    output: str
    peak_mib: float


def _prep(raw: Path, output: Path, weights_dir: Path, *more: str) -> Run:
    words = ["prep", "data=folder", f"input={raw}", f"output={output}", "size=64", "workers=2"]
    command = [sys.executable, "-m", "vasa.cli", *words, "split.val=0", "split.test=0", *more]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK_PROGRAM, *command],
        env={**os.environ, "VASA_WEIGHTS": str(weights_dir), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    peak = float(done.stderr.rsplit("peak_kib", 1)[1]) / 1024
    return Run(code=done.returncode, output=done.stdout + done.stderr, peak_mib=peak)


@pytest.fixture(scope="module")
def prepared(weights_dir, tmp_path_factory):
    """The files, the set made of them, and the run that made it."""
    root = tmp_path_factory.mktemp("awkward")
    files = write_awkward_files(root / "raw" / "odd")
    run = _prep(root / "raw", root / "set", weights_dir)
    return root, files, run


def _outcomes(root: Path) -> dict[str, set[str]]:
    """By `<speaker>/<video>`: clip, or the reasons of what was left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for key in read_index(root / "set")["key"]:
        found[key.rsplit("/", 1)[0]].add(CLIP)
    for row in pd.read_parquet(root / "set" / "dropped.parquet").itertuples():
        assert row.detail
        found["/".join(str(row.key).split("/")[:2])].add(str(row.reason))
    return dict(found)


def test_the_run_ends_well(prepared):
    _, files, run = prepared
    assert run.code == 0, run.output
    assert len(files) >= 40
    assert "Traceback" not in run.output


def test_every_file_has_an_accepted_outcome(prepared):
    root, files, _ = prepared
    sources = find_clips(root / "raw", rule=SplitRule(val=0.0, test=0.0))
    source_of = {source.path: source for source in sources}
    assert set(source_of) == {file.path for file in files}
    found = _outcomes(root)
    wrong = {
        ascii(file.path.name): (found.get(source_of[file.path].key), file.outcomes)
        for file in files
        if not _is_accepted(found.get(source_of[file.path].key, set()), file)
    }
    assert not wrong
    assert len(found) == len(files)


def _is_accepted(found: set[str], file: AwkwardFile) -> bool:
    return bool(found) and found <= file.outcomes


def test_the_set_is_sound(prepared):
    root, files, _ = prepared
    validation = validate_set(root / "set", workers=1)
    assert validation.findings == ()
    sure = sum(file.outcomes == {CLIP} for file in files)
    assert sum(validation.clips.values()) >= sure > 20


def test_minutes_of_black_do_not_raise_the_memory(prepared, weights_dir, tmp_path):
    _, _, before = prepared
    (tmp_path / "raw" / "long").mkdir(parents=True)
    write_black_minutes(tmp_path / "raw" / "long" / "black.mkv", minutes=LONG_MINUTES)
    run = _prep(tmp_path / "raw", tmp_path / "set", weights_dir, "sound.min_speech_share=0")
    assert run.code == 0, run.output
    assert set().union(*_outcomes(tmp_path).values()) <= {"no_face", "dark"}
    assert run.peak_mib < before.peak_mib + MAX_GROWTH_MIB
