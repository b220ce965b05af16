"""What a GPU says in ten minutes without network: tests, speed, a short training, its scores.

usage: python experiments/004-gpu-check/gpu_check.py --out DIR [--data SHARDS] [--seconds 240]
           [--device cuda|cpu] [--limit 570] [--wheels DIR]

Each part is a process with a log of its own; one that fails is recorded and stops no other. While
the tests run, data and face experts are made. Speeds are measured when nothing else runs. The
training gets `--seconds`, or what is left of `--limit` less the time for scores. --device cpu is a
rehearsal at the smallest size: it shows that the parts work, its numbers say nothing.
The exit code is 0 only if every part was done.
"""

import argparse
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MADE = ("logs", "bench", "runs", "evaluation", "sheets", "results.jsonl", "summary.md")
NEEDED = (
    *("torch", "lightning", "hydra", "omegaconf", "einops", "pandas", "pyarrow", "safetensors"),
    *("webdataset", "av", "decord", "soundfile", "torchmetrics", "torchaudio", "matplotlib"),
    *("yaml", "tqdm", "scipy", "PIL", "espeakng_loader", "pytest", "jinja2"),
)
SCORES_S = 60
"""Kept of the whole time for the scores after the training."""
SHOWN = (
    *("self_reenactment/psnr", "self_reenactment/psnr_mouth", "self_reenactment/ssim"),
    *("cross_reenactment/pose_error", "cross_reenactment/mouth_correlation"),
)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large the check is on a device.

    Attributes:
        trained: preset that is trained.
        size: px of its pictures.
        people: of the synthetic set: train, val, test.
        expert_steps: of each face expert's training.
        presets: measured, stage 1's with stage 2's; those of `compiled` are compiled too.
        compiled: presets.
        encoder_share: share of the training in which the encoders learn alone.
        workers: loader processes.
        seconds: spent on each measured speed.
        trainer: conf/trainer.
    """

    trained: str
    size: int
    people: tuple[int, int, int]
    expert_steps: int
    presets: dict[str, str]
    compiled: tuple[str, ...]
    encoder_share: float
    workers: int
    seconds: float
    trainer: str


SCALES = {
    "cuda": Scale(
        trained="small",
        size=128,
        people=(160, 12, 16),
        expert_steps=500,
        presets={"small": "small", "paper": "base", "base": "base", "tiny": "tiny"},
        compiled=("small", "paper"),
        encoder_share=0.1,
        workers=8,
        seconds=1.0,
        trainer="gpu",
    ),
    "cpu": Scale(
        trained="tiny",
        size=64,
        people=(16, 4, 4),
        expert_steps=20,
        presets={"tiny": "tiny"},
        compiled=(),
        encoder_share=0.3,
        workers=0,
        seconds=0.5,
        trainer="cpu",
    ),
}


@dataclass(kw_only=True)
class Outcome:
    """What became of a part."""

    part: str
    status: str  # done, failed, left out
    seconds: float
    note: str = ""


@dataclass(kw_only=True)
class Check:
    """The parts so far, and how the next is run.

    Attributes:
        out: folder of everything.
        device: cuda or cpu.
        limit_s: of the whole check.
        environment: of the processes.
        outcomes: in the order in which they ended.
    """

    out: Path
    device: str
    limit_s: float
    environment: dict[str, str]
    outcomes: list[Outcome] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Time until the limit."""
        return self.limit_s - (time.monotonic() - self.started)

    def run(self, part: str, words: Sequence[str], *, most_s: float, keep_s: float = 0) -> bool:
        """Run a part; whether it was done.

        Args:
            part: name, and of its log.
            words: of the command, after `python`.
            most_s: after which it is ended.
            keep_s: of the time left that it may not touch.
        """
        log = self.out / "logs" / f"{part}.log"
        most_s = min(most_s, self.left_s - keep_s)
        if most_s < 5:
            return self.note(part, "left out", 0, "no time was left for it")
        began = time.monotonic()
        print(f"[{began - self.started:4.0f} s] {part}", flush=True)
        with log.open("w") as file:
            file.write(f"$ python {' '.join(words)}\n")
            file.flush()
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            code = _waited(process, most_s)
        note = ""
        if code is None:
            note = f"ended after {most_s:.0f} s: too slow"
        elif code:
            lines = [line for line in log.read_text().splitlines() if line.strip()]
            note = f"exit code {code}: {lines[-1][-200:]}"
        return self.note(part, "failed" if note else "done", time.monotonic() - began, note)

    def vasa(self, part: str, *words: str, most_s: float, keep_s: float = 0) -> bool:
        """The same of a vasa command."""
        return self.run(part, ["-m", "vasa.cli", *words], most_s=most_s, keep_s=keep_s)

    def note(self, part: str, status: str, seconds: float, note: str = "") -> bool:
        """Write down what became of a part."""
        self.outcomes.append(Outcome(part=part, status=status, seconds=seconds, note=note))
        if status != "done":
            print(f"    {part} {status}: {note}", flush=True)
        return status == "done"


def _waited(process: subprocess.Popen, most_s: float) -> int | None:
    """Exit code; None where it had to be ended, with all that it started."""
    try:
        return process.wait(most_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)  # a training saves itself
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return None


def make_data(check: Check, scale: Scale) -> bool:
    """A small synthetic set in out/data."""
    train, val, test = scale.people
    words = [f"people.train={train}", f"people.val={val}", f"people.test={test}"]
    workers = max(1, len(os.sched_getaffinity(0)) - 2)
    words += [f"output={check.out / 'data'}", f"size={scale.size}", f"workers={workers}"]
    return check.vasa("data", "synth", *words, "clips_per_person=1", "seconds=3", most_s=150)


def make_experts(check: Check, scale: Scale, data: Path) -> None:
    """The face experts of the losses and of the measurements, trained shortly."""
    for name in ("loss", "metric"):
        run = check.out / "runs" / f"expert_{name}"
        words = ["train", f"experiment=expert/{name}", f"data.root={data}", "logger=none"]
        words += [f"run_dir={run}", f"max_steps={scale.expert_steps}", "data.held_out_batches=4"]
        words += [f"trainer={scale.trainer}", f"data.num_workers={scale.workers}"]
        check.vasa(f"expert_{name}", *words, most_s=120)


def measure_speeds(check: Check, scale: Scale) -> None:
    """`vasa bench` at each size."""
    for face, motion in scale.presets.items():
        output = check.out / "bench" / f"{face}.jsonl"
        words = ["bench", "parts=[decode,motion,train_step]", f"output={output}"]
        words += [f"device={check.device}", f"model@stage1=face_{face}", f"seconds={scale.seconds}"]
        words += [f"model@motion=motion_{motion}", f"stage1_presets=[{face}]"]
        words += [f"stage2_presets=[{motion}]", f"compile={str(face in scale.compiled).lower()}"]
        check.vasa(f"bench_{face}", *words, most_s=150, keep_s=2 * SCORES_S)


def train(check: Check, scale: Scale, data: Path, seconds: float) -> Path | None:
    """Stage 1 for some seconds: a pilot says how many steps that is; the run folder if done."""
    words = ["train", f"experiment=stage1/{scale.trained}", f"trainer={scale.trainer}"]
    words += [f"data.root={data}", f"module.expert={check.out / 'runs' / 'expert_loss'}"]
    words += [f"data.num_workers={scale.workers}", "data.cache_gb=1.0", "logger=none"]
    pilot = check.out / "runs" / "pilot"
    alone, steps = 10, 40 if check.device == "cuda" else 16
    few = [f"max_steps={steps}", f"module.encoder_steps={alone}", "module.warmup_steps=5"]
    few += ["log_every=1", "sample_every=0", f"run_dir={pilot}"]
    if not check.vasa("pilot", *words, *few, most_s=90, keep_s=SCORES_S):
        return None
    times = [line["time_s"] for line in _lines(pilot / "metrics.jsonl")]
    alone_s = (times[alone - 1] - times[2]) / (alone - 3)
    step_s = (times[-1] - times[alone + 1]) / (steps - alone - 2)
    seconds = min(seconds, check.left_s - SCORES_S - 20)
    share = scale.encoder_share
    num = int(0.9 * seconds / (share * alone_s + (1 - share) * step_s))
    if num < 10:
        check.note("train", "left out", 0, f"{seconds:.0f} s are left, a step takes {step_s:.2f} s")
        return None
    run = check.out / "runs" / "stage1"
    rest = [f"max_steps={num}", f"module.encoder_steps={int(share * num)}", f"run_dir={run}"]
    rest += [f"module.warmup_steps={min(500, num // 20 + 1)}", f"sample_every={num}"]
    done = check.vasa("train", *words, *rest, most_s=1.5 * seconds + 30, keep_s=SCORES_S)
    return run if done else None


def score(check: Check, data: Path, stage1: Path, *, is_own: bool) -> None:
    """Held-out clips, with sheets."""
    kind = "real" if os.environ.get("VASA_WEIGHTS") and not is_own else "synth"
    words = [f"data={data}", f"stage1={stage1}", f"device={check.device}", f"evaluation={kind}"]
    if kind == "synth":
        words.append(f"expert={check.out / 'runs' / 'expert_metric'}")
    protocols = "instrument,self_reenactment,cross_reenactment,swaps"
    words += [f"evaluation.protocols=[{protocols}]", "evaluation.num_clips=12"]
    output = check.out / "evaluation" / "results.jsonl"
    if check.vasa("scores", "evaluate", *words, f"output={output}", most_s=200):
        shutil.copytree(output.parent / "eval" / "sheets", check.out / "sheets")


def describe(check: Check) -> dict:
    """Device, driver and versions, also into environment.json."""
    found: dict = {"device": check.device, "python": sys.version.split()[0]}
    query = "name,driver_version,memory.total"
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
        )
        found["nvidia_smi"] = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        found["nvidia_smi"] = None
    code = (
        "import json, torch; from vasa.training.run_folder import describe_environment as d; "
        f"e = d(device={check.device!r}); [e.pop(k) for k in ('diff', 'command', 'packages')]; "
        "e.update(cuda=torch.version.cuda, gpu=torch.cuda.get_device_name() "
        "if torch.cuda.is_available() else None); print(json.dumps(e))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=check.environment,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        found |= json.loads(done.stdout.splitlines()[-1])
    else:
        found["error"] = done.stderr.strip()[-500:]
    (check.out / "environment.json").write_text(json.dumps(found, indent=2) + "\n")
    return found


def gather(check: Check) -> list[dict]:
    """All rows of bench and scores in results.jsonl."""
    paths = sorted((check.out / "bench").glob("*.jsonl"))
    paths.append(check.out / "evaluation" / "results.jsonl")
    rows = [line for path in paths if path.is_file() for line in _lines(path)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (check.out / "results.jsonl").write_text(text)
    return rows


def summarise(check: Check, rows: list[dict], environment: dict, given: str) -> str:
    """summary.md."""
    lines = ["# GPU check", ""]
    if check.device == "cpu":
        lines += [
            "**A rehearsal on a processor, at the smallest size. No number here counts.**",
            "",
        ]
    commit = str(environment.get("commit") or "unknown")[:12]
    commit += "+changes" if environment.get("is_dirty") else ""
    versions = environment.get("versions", {})
    lines += [
        f"- device: {environment.get('nvidia_smi') or environment.get('processor')}",
        f"- Python {environment['python']}, torch {versions.get('torch')}, commit {commit}",
        f"- data: {given}",
        f"- {time.monotonic() - check.started:.0f} s in all",
        "",
        "| part | status | s | note |",
        "| --- | --- | --- | --- |",
    ]
    for one in check.outcomes:
        note = one.note.replace("|", "/")
        lines.append(f"| {one.part} | {one.status} | {one.seconds:.0f} | {note} |")
    speeds = [row for row in rows if not row["split"] and "gflop/" not in row["metric"]]
    speeds = [row for row in speeds if "parameters/" not in row["metric"]]
    lines += ["", "## Speed and memory", "", "| metric | value | unit | how |", "|---|---|---|---|"]
    for row in speeds:
        value = "-" if row["value"] is None else f"{row['value']:.4g}"
        lines.append(f"| `{row['metric']}` | {value} | {row['unit']} | {row['note']} |")
    scores = [row for row in rows if row["metric"] in SHOWN]
    lines += ["", "## Scores on held-out clips", ""]
    lines += ["| metric | value | control | control is |", "| --- | --- | --- | --- |"]
    for row in scores:
        control = "" if row["control"] is None else f"{row['control']:.3f}"
        value = "-" if row["value"] is None else f"{row['value']:.3f}"
        lines.append(f"| `{row['metric']}` | {value} | {control} | {row['control_name']} |")
    sheets = sorted((check.out / "sheets").glob("*.png"))
    lines += ["", *(f"![{sheet.stem}](sheets/{sheet.name})" for sheet in sheets)]
    text = "\n".join(lines) + "\n"
    (check.out / "summary.md").write_text(text)
    return text


def _lines(path: Path) -> list[dict]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def _environment(out: Path, wheels: Path | None) -> dict[str, str]:
    """The clone first, then what was there, then unpacked wheels; no service is called."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    if wheels is not None:
        site = out / "site"
        for wheel in sorted(wheels.glob("*.whl")):
            zipfile.ZipFile(wheel).extractall(site)
        paths.append(str(site))
    extra = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "WANDB_MODE": "disabled"}
    return {**os.environ, **extra, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}


def _missing(environment: dict[str, str]) -> list[str]:
    """Packages that the processes will not find."""
    folders = [path for path in environment["PYTHONPATH"].split(os.pathsep) if path]
    sys.path[:0] = [path for path in folders if path not in sys.path]
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def main(words: Sequence[str] | None = None) -> int:
    """All parts; exit code 0 only if all were done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-check"))
    parser.add_argument("--data", type=Path, help="face shards; without, a small set is made")
    parser.add_argument("--seconds", type=float, default=240, help="of training")
    parser.add_argument("--limit", type=float, default=570, help="seconds of everything")
    parser.add_argument("--device", choices=sorted(SCALES), default="cuda")
    parser.add_argument("--wheels", type=Path, help="packages that this Python lacks, as wheels")
    given = parser.parse_args(words)
    out, scale = given.out.resolve(), SCALES[given.device]
    for name in MADE:  # of an earlier check; out/data is taken again
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (out / "logs").mkdir(parents=True)
    environment = _environment(out, given.wheels)
    check = Check(out=out, device=given.device, limit_s=given.limit, environment=environment)
    if missing := _missing(environment):
        print(f"this Python lacks {', '.join(missing)}; install them, or give their wheels in a")
        print("folder (--wheels DIR, make: WHEELS=DIR); parts that need them fail", flush=True)
    described = describe(check)
    if check.device == "cuda" and not described.get("gpu"):
        why = described.get("error") or "PyTorch sees no CUDA device"
        print(f"expected a GPU: {why}; DEVICE=cpu (--device cpu) rehearses without one")
        return 2
    data = given.data.resolve() if given.data else out / "data"

    def prepare() -> None:
        if given.data or make_data(check, scale):
            make_experts(check, scale, data)

    beside = threading.Thread(target=prepare)
    beside.start()
    tests = ["-m", "pytest", "-q", "-rP", "-m", "gpu", "tests/gpu"]
    tests += ["-p", "no:cacheprovider", "-p", "no:logging"]
    if check.device == "cpu":
        environment["VASA_GPU_TESTS_ON"] = "cpu"
    check.run("tests", tests, most_s=200)
    beside.join()
    measure_speeds(check, scale)
    stage1 = train(check, scale, data, given.seconds)
    if stage1 is None:
        check.note("scores", "left out", 0, "nothing was trained")
    else:
        score(check, data, stage1, is_own=not given.data)
    named = str(given.data) if given.data else "made here: synthetic, vasa synth"
    print("\n" + summarise(check, gather(check), described, named))
    print(f"everything: {out}")
    return int(any(one.status != "done" for one in check.outcomes))


if __name__ == "__main__":
    sys.exit(main())
