"""Ten minutes of speech through `vasa generate`: does memory grow, does motion wander off?

usage: python experiments/013-ten-minutes/ten_minutes.py RUN OUT [REPEATS [KEY=VALUE ...]]

RUN is a finished run of experiments/000-quickstart/run.sh or one of its shape (stage1, stage2,
expert_metric). One minute of a held-out person's speech is said REPEATS (10) times over; what
follows goes to `vasa generate`. The video is kept in OUT; given again, only the tables are made.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.io import wavfile
from torch import Tensor

from vasa.data.schema import FPS, SAMPLE_RATE_HZ
from vasa.data.video import decode_mp4
from vasa.evaluation.clips import EvaluationClip, load_clips
from vasa.evaluation.drift import motion_drift
from vasa.evaluation.measuring import measure
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.report.tables import markdown_table
from vasa.evaluation.results import ResultRow, measured_row, write_rows
from vasa.evaluation.tiles import grid, save_png
from vasa.models.checkpoint import load_model
from vasa.training.run_folder import describe_environment
from vasa.types import FaceMeasurements

EXPERIMENT = Path(__file__).parent
MINUTE_S, WINDOW_S, NUM_SHOWN = 60, 5, 8
MINUTE = MINUTE_S * FPS
SEED = 0
SETTLED = 0.1
"""Share of the run after which memory is looked at: all networks have run by then."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Resident memory of `vasa generate` over its run: seconds since its start, MB."""

    time_s: list[float]
    mb: list[float]

    def growth(self) -> tuple[float, float, float]:
        """MB once settled, MB at the end, and MB a tenth of the run by a line through all since."""
        time_s, mb = np.array(self.time_s), np.array(self.mb)
        settled = time_s >= SETTLED * time_s[-1]
        slope = np.polyfit(time_s[settled] / time_s[-1] * 10, mb[settled], 1)[0]
        last = time_s >= (1 - SETTLED) * time_s[-1]
        first = settled & (time_s <= 2 * SETTLED * time_s[-1])
        return float(mb[first].mean()), float(mb[last].mean()), float(slope)


def minute_of_speech(out: Path, size: int) -> EvaluationClip:
    """A held-out person who talks for a minute, with its truth."""
    words = [f"output={out / 'minute'}", f"size={size}", f"seconds={MINUTE_S}", f"seed={SEED}"]
    people = ["people.train=1", "people.val=1", "people.test=1"]
    subprocess.run(["vasa", "synth", *words, *people], check=True)
    clips = load_clips(
        out / "minute", split="test", num_clips=1, max_seconds=MINUTE_S, image_size_px=size
    )
    return next(iter(clips))


def generated(run: Path, out: Path, clip: EvaluationClip, repeats: int, extra: list[str]) -> Memory:
    """The video, OUT/long.mp4, and how much memory it took to make."""
    record = out / "memory.json"
    if record.is_file():
        return Memory(**json.loads(record.read_text()))
    face = (clip.source() * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(face).save(out / "face.png")
    wavfile.write(out / "long.wav", SAMPLE_RATE_HZ, np.tile(clip.audio.numpy(), repeats))
    words = ["vasa", "generate", f"image={out / 'face.png'}", f"audio={out / 'long.wav'}"]
    words += [f"{name}={run / name}" for name in ("stage1", "stage2")]
    words += [f"expert={run / 'expert_metric'}", f"output={out / 'long.mp4'}", f"seed={SEED}"]
    began, looks = time.monotonic(), []
    process = subprocess.Popen([*words, *extra])
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
        if resident:
            looks.append((time.monotonic() - began, int(resident[0]) / 1024))
        time.sleep(0.5)
    if process.returncode:
        sys.exit(f"vasa generate ended with code {process.returncode}")
    found = Memory(time_s=[at for at, _ in looks], mb=[mb for _, mb in looks])
    record.write_text(json.dumps(asdict(found)))
    return found


def seen(expert: Any, frames: Tensor) -> FaceMeasurements:
    """What frames `t c h w` show."""
    return measure(expert, frames.float() / 255, batch_size=32)


def minutes(video: Path, repeats: int) -> tuple[Tensor, Tensor]:
    """The first and the last minute's frames, uint8 `t c h w`."""
    frames = torch.from_numpy(decode_mp4(video.read_bytes())).permute(0, 3, 1, 2)
    if len(frames) != repeats * MINUTE:
        sys.exit(f"expected {repeats * MINUTE} frames in {video}, got {len(frames)}")
    return frames[:MINUTE], frames[-MINUTE:]


def as_motion(found: FaceMeasurements) -> Tensor:
    """Head, mouth, gaze and lids as one track, `t m`."""
    parts = (found.pose, found.mouth, found.gaze, found.blink[:, None])
    return torch.cat([part.double() for part in parts], dim=1)


def correlation(first: Tensor, second: Tensor) -> float:
    """r over frames."""
    return float(torch.corrcoef(torch.stack((first.double(), second.double())))[0, 1])


def rows_of(
    clip: EvaluationClip,
    first: FaceMeasurements,
    last: FaceMeasurements,
    memory: Memory,
    stamp: dict[str, Any],
) -> Iterator[ResultRow]:
    """Lips, drift and memory."""
    truth = clip.mouth[:, 0]
    for name, found in (("first", first), ("last", last)):
        own = correlation(found.mouth[:, 0], truth)
        late = correlation(found.mouth[:, 0], truth.roll(5 * FPS))
        yield measured_row(
            metric=f"ten_minutes/mouth_correlation_{name}", value=own, unit="r", n=MINUTE,
            note=f"{name} minute against the truth; against the truth 5 s aside {late:.3f}",
            stamp=stamp, higher_is_better=True,
        )  # fmt: skip
    drift = motion_drift(
        torch.cat((as_motion(first), as_motion(last))), window_s=WINDOW_S, minute_s=MINUTE_S
    )
    note = f"without drift {drift.expected:.3f}; windows of {WINDOW_S} s of the last minute"
    yield measured_row(
        metric="ten_minutes/mean_inside", value=drift.mean_inside, unit="share", n=MINUTE,
        note=f"{note} whose mean lies within the first minute's", stamp=stamp,
        higher_is_better=True,
    )  # fmt: skip
    yield measured_row(
        metric="ten_minutes/deviation_inside", value=drift.std_inside, unit="share", n=MINUTE,
        note=f"{note} whose deviation lies within the first minute's", stamp=stamp,
        higher_is_better=True,
    )  # fmt: skip
    yield measured_row(
        metric="ten_minutes/largest_shift", value=drift.largest_shift, unit="deviations", n=MINUTE,
        note="of head, mouth, gaze and lids: last minute's mean less the first's", stamp=stamp,
        higher_is_better=False,
    )  # fmt: skip
    yield measured_row(
        metric="ten_minutes/scale", value=drift.scale, unit="ratio", n=MINUTE,
        note="median of the last minute's deviations over the first's; 1 is best", stamp=stamp,
    )  # fmt: skip
    start, end, slope = memory.growth()
    for name, value, about in (
        ("mb_second_tenth", start, "resident, mean of the second tenth of the run"),
        ("mb_last_tenth", end, "resident, mean of the last tenth of the run"),
        ("mb_per_tenth", slope, "slope of a line from the second tenth on"),
    ):
        yield measured_row(
            metric=f"ten_minutes/{name}", value=value, unit="MB", n=len(memory.mb), note=about,
            stamp=stamp, higher_is_better=False,
        )  # fmt: skip
    yield measured_row(
        metric="ten_minutes/seconds", value=memory.time_s[-1], unit="s", n=1,
        note="by the clock, of the whole command", stamp=stamp, higher_is_better=False,
    )  # fmt: skip


def stamp_of(repeats: int, extra: list[str]) -> dict[str, Any]:
    """What was run where."""
    environment = describe_environment(device="cpu")
    words = [str(repeats), *extra] if extra or repeats != 10 else []
    return {
        "command": " ".join(["python experiments/013-ten-minutes/ten_minutes.py RUN OUT", *words]),
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "device": environment["device"],
        "seed": SEED,
    }


def main(run: Path, out: Path, repeats: int, extra: list[str]) -> None:
    """Write the video, results, table and sheet."""
    out.mkdir(parents=True, exist_ok=True)
    expert: Any = load_model(run / "expert_metric").requires_grad_(False)
    size = int(load_model(run / "stage1").image_size)
    clip = minute_of_speech(out, size)
    memory = generated(run, out, clip, repeats, extra)
    first, last = minutes(out / "long.mp4", repeats)
    with torch.inference_mode():
        stamp = stamp_of(repeats, extra)
        rows = list(rows_of(clip, seen(expert, first), seen(expert, last), memory, stamp))
    write_rows(EXPERIMENT / "results.jsonl", rows)
    shown = torch.linspace(0, MINUTE - 1, NUM_SHOWN).long()
    pictures = [list(part[shown].float() / 255) for part in (first, last)]
    header = [f"{int(at) // FPS} s" for at in shown]
    labels = ("first minute", "last minute")
    save_png(EXPERIMENT / "minutes.png", grid(pictures, header=header, labels=labels))
    commit = str(stamp["commit"])[:12] + ("+changes" if stamp["is_dirty"] else "")
    text = f"Commit {commit}, seed {SEED}, {stamp['machine']}, {stamp['date'][:10]}, {repeats} min."
    put_between(EXPERIMENT / "README.md", "table", f"{text}\n\n{markdown_table(rows)}\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: ten_minutes.py RUN OUT [REPEATS [KEY=VALUE ...]]")
    number = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    main(Path(sys.argv[1]), Path(sys.argv[2]), number, sys.argv[4:])
