"""The GPU check goes on after a part that fails, and says so by its exit code."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "experiments" / "004-gpu-check" / "gpu_check.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_check"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu_check"]


@pytest.fixture
def check(script, tmp_path):
    (tmp_path / "logs").mkdir()
    environment = script._environment(tmp_path, None)
    return script.Check(out=tmp_path, device="cpu", limit_s=100, environment=environment)


def test_what_becomes_of_parts(check):
    assert check.run("good", ["-c", "print(1)"], most_s=60)
    assert not check.run("bad", ["-c", "raise SystemExit('no shards | here')"], most_s=60)
    assert not check.run("slow", ["-c", "import time; time.sleep(60)"], most_s=5)
    assert not check.run("late", ["-c", "print(1)"], most_s=60, keep_s=98)
    found = {one.part: one for one in check.outcomes}
    statuses = {part: one.status for part, one in found.items()}
    assert statuses == {"good": "done", "bad": "failed", "slow": "failed", "late": "left out"}
    assert found["bad"].note == "exit code 1: no shards | here"
    assert "ended after 5 s" in found["slow"].note
    assert "print(1)" in (check.out / "logs" / "good.log").read_text()


def test_a_pilot_says_how_many_steps_fit(script, check, monkeypatch):
    """Encoders alone take 0.1 s a step, whole steps 1 s."""
    asked = {}

    def vasa(part, *words, **_):
        asked[part] = dict(word.split("=", 1) for word in words[1:])
        if part == "pilot":
            run = Path(asked[part]["run_dir"])
            run.mkdir(parents=True, exist_ok=True)
            alone, steps = int(asked[part]["module.encoder_steps"]), int(asked[part]["max_steps"])
            times = [0.1 * min(n, alone) + max(0, n - alone) for n in range(1, steps + 1)]
            text = "".join(json.dumps({"time_s": time}) + "\n" for time in times)
            (run / "metrics.jsonl").write_text(text)
        return True

    monkeypatch.setattr(check, "vasa", vasa)
    check.limit_s = 1000
    run = script.train(check, script.SCALES["cpu"], check.out / "data", 100.0)
    steps, alone = (int(asked["train"][name]) for name in ("max_steps", "module.encoder_steps"))
    assert run == Path(asked["train"]["run_dir"])
    assert 0.8 * 100 < 0.1 * alone + (steps - alone) < 100
    check.limit_s = 82  # the scores need what is left
    assert script.train(check, script.SCALES["cpu"], check.out / "data", 100.0) is None
    assert check.outcomes[-1].status == "left out"


def test_one_failed_part_is_told_by_summary_and_exit_code(script, tmp_path, monkeypatch, capsys):
    def run(self, part, words, **_):
        status = "failed" if part == "bench_tiny" else "done"
        return self.note(part, status, 1.0, "exit code 1: a | b" if status == "failed" else "")

    monkeypatch.setattr(script.Check, "run", run)
    monkeypatch.setattr(script, "train", lambda *_: None)
    assert script.main(["--device", "cpu", "--out", str(tmp_path / "out")]) == 1
    text = (tmp_path / "out" / "summary.md").read_text()
    assert "rehearsal" in text
    assert "| bench_tiny | failed | 1 | exit code 1: a / b |" in text
    assert "| scores | left out | 0 | nothing was trained |" in text
    assert text in capsys.readouterr().out


def test_packages_may_be_given_as_wheels(script, tmp_path):
    with zipfile.ZipFile(tmp_path / "extra-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("extra_of_the_test.py", "value = 3\n")
    environment = script._environment(tmp_path / "out", tmp_path)
    code = "import extra_of_the_test, vasa; print(extra_of_the_test.value, vasa.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["3", str(ROOT / "vasa" / "__init__.py")]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_what_to_do(tmp_path):
    done = subprocess.run(
        ["make", "gpu-check", f"OUT={tmp_path / 'out'}"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 2
    assert "DEVICE=cpu" in done.stdout
