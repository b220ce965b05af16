"""The one place that defines what is logged: every name of metrics.jsonl, its unit and meaning.

Needs no torch: reports and tables read it too.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MACHINE = ("speed/", "device/")
"""What begins so is of the clock and the machine: it differs between equal runs."""


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A logged value.

    Attributes:
        name: as logged; {a,b} for one of several, <x> for any word.
        unit: of the value.
        meaning: in a line.
        better: lower, higher, or nothing where neither is.
        is_last: a line has the last value, not the mean over the steps that logged it.
        where: experiments that log it.
    """

    name: str
    unit: str
    meaning: str
    better: str = ""
    is_last: bool = False
    where: str = "all"

    def fits(self, name: str) -> bool:
        """Whether a name is one of this row's."""
        return re.fullmatch(_pattern(self.name), name) is not None


def _pattern(name: str) -> str:
    parts = re.split(r"(\{[^}]*\}|<\w+>)", name)
    return "".join(
        f"(?:{'|'.join(map(re.escape, part[1:-1].split(',')))})"
        if part.startswith("{")
        else r"\w+"
        if part.startswith("<")
        else re.escape(part)
        for part in parts
    )


ROWS: tuple[Logged, ...] = (
    Logged(name="train/loss", unit="", meaning="the weighted sum that is learned", better="lower"),
    Logged(
        name="train/gradient_norm{,_1}",
        unit="",
        meaning="2-norm of the gradient before clipping; _1 of the discriminator",
    ),
    Logged(
        name="train/learning_rate{,_1}",
        unit="",
        meaning="of the first parameter group; _1 of the discriminator",
        is_last=True,
    ),
    Logged(
        name="train/nonfinite_steps",
        unit="steps",
        meaning="left out so far for a loss or gradient that is not finite",
        better="lower",
        is_last=True,
    ),
    Logged(
        name="data/bad_<reason>",
        unit="clips",
        meaning="left out so far, by reason; not logged before the first",
        better="lower",
        is_last=True,
    ),
    Logged(name="speed/steps_per_s", unit="1/s", meaning="training steps", better="higher"),
    Logged(
        name="speed/samples_per_s",
        unit="1/s",
        meaning="rows of batches, of all processes",
        better="higher",
    ),
    Logged(
        name="speed/frames_per_s",
        unit="1/s",
        meaning="frames in them, of all processes",
        better="higher",
    ),
    Logged(
        name="speed/data_wait_share",
        unit="share",
        meaning="time between the end of a batch and the start of the next",
        better="lower",
    ),
    Logged(
        name="speed/tflops_per_s",
        unit="TFLOP/s",
        meaning="matrix products, convolutions and attention, a device",
        better="higher",
    ),
    Logged(
        name="speed/flops_utilisation",
        unit="share",
        meaning="of the device's peak (a table, or trainer.peak_tflops); GPUs",
        better="higher",
    ),
    Logged(name="device/memory_gb", unit="GB", meaning="resident memory of the first process"),
    Logged(
        name="device/gpu_memory_gb",
        unit="GB",
        meaning="most that tensors held since the last line",
    ),
    Logged(
        name="device/gpu_utilisation",
        unit="share",
        meaning="of the last moment; needs nvidia-ml-py",
        better="higher",
    ),
    Logged(
        name="train/{reconstruction,squared,mouth,eyes,perceptual,face_features,gaze_features}",
        unit="",
        meaning="distances of drawn drivers to real ones, whole or in parts",
        better="lower",
        where="stage1",
    ),
    Logged(
        name="train/{pose,landmarks,dynamics}",
        unit="",
        meaning="motion codes against labels",
        better="lower",
        where="stage1",
    ),
    Logged(
        name="train/{bottleneck,pose_leak,identity_leak}",
        unit="",
        meaning="prices on what z_dyn holds",
        better="lower",
        where="stage1",
    ),
    Logged(
        name="train/{consistency,cross_identity,transfer,cycle}",
        unit="",
        meaning="transfers within and between people",
        better="lower",
        where="stage1",
    ),
    Logged(
        name="train/{warp_size,warp_roughness}",
        unit="",
        meaning="of the warps",
        where="stage1",
    ),
    Logged(
        name="train/{adversarial,matching,discriminator}",
        unit="",
        meaning="the adversary; the discriminator knows nothing at 2",
        where="stage1",
    ),
    Logged(
        name="train/{pose,dyn}{,_velocity,_acceleration}",
        unit="",
        meaning="squared error of x0 and of its differences in time, standardised",
        better="lower",
        where="stage2",
    ),
    Logged(
        name="val/x0_loss_t{25,50,75,100}",
        unit="",
        meaning="loss on held-out windows at this percentage of the noise levels",
        better="lower",
        is_last=True,
        where="stage2",
    ),
    Logged(
        name="train/{targets,emotion,landmarks,identity,presence}",
        unit="",
        meaning="a loss for each head",
        better="lower",
        where="expert",
    ),
    Logged(
        name="val/{mouth_opening,mouth_width,gaze_theta,gaze_phi,blink,emotion}_r",
        unit="r",
        meaning="against labels of held-out people",
        better="higher",
        is_last=True,
        where="expert",
    ),
    Logged(
        name="val/pose_error_deg",
        unit="degrees",
        meaning="mean over angles of held-out people",
        better="lower",
        is_last=True,
        where="expert",
    ),
    Logged(
        name="val/{identity_auc,presence_accuracy}",
        unit="share",
        meaning="same person or not, face or not, told rightly",
        better="higher",
        is_last=True,
        where="expert",
    ),
    Logged(
        name="train/{among_all,within_clip}",
        unit="",
        meaning="contrastive loss over clips, and over moments of one",
        better="lower",
        where="syncnet",
    ),
    Logged(
        name="train/{match,mismatch}_distance",
        unit="distance",
        meaning="of pairs that belong together, and of those that don't",
        where="syncnet/published",
    ),
    Logged(name="train/temperature", unit="", meaning="of the contrast", where="syncnet, capp"),
    Logged(
        name="val/offset_accuracy{,_1}",
        unit="share",
        meaning="true offset found: exactly, within a frame",
        better="higher",
        is_last=True,
        where="syncnet",
    ),
    Logged(
        name="val/offset_chance",
        unit="share",
        meaning="val/offset_accuracy of a guess",
        is_last=True,
        where="syncnet",
    ),
    Logged(
        name="val/confidence",
        unit="distance",
        meaning="median less least over offsets",
        better="higher",
        is_last=True,
        where="syncnet",
    ),
    Logged(
        name="val/distance",
        unit="distance",
        meaning="least over offsets",
        better="lower",
        is_last=True,
        where="syncnet",
    ),
    Logged(
        name="train/matched",
        unit="share",
        meaning="of the batch's poses that find their sound",
        better="higher",
        where="capp",
    ),
    Logged(
        name="val/{capp,matched}",
        unit="cosine, share",
        meaning="held-out pairs; the share that find their sound",
        better="higher",
        is_last=True,
        where="capp",
    ),
    Logged(
        name="val/{capp_shuffled,loss_chance,matched_chance}",
        unit="",
        meaning="the same without a relation",
        is_last=True,
        where="capp",
    ),
    Logged(
        name="val/loss",
        unit="",
        meaning="contrastive loss of held-out windows",
        better="lower",
        is_last=True,
        where="capp",
    ),
)


def row_of(name: str) -> Logged | None:
    """What is known of a logged name; None where nothing is."""
    return next((row for row in ROWS if row.fits(name)), None)


def is_last(name: str) -> bool:
    """Whether a line has the last value of this name rather than a mean."""
    row = row_of(name)
    return name.startswith("val/") if row is None else row.is_last


def without_machine(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of metrics.jsonl without clock and machine: equal runs have it equal."""
    return {
        name: value
        for name, value in line.items()
        if name != "time_s" and not name.startswith(MACHINE)
    }


def markdown_table(rows: Iterable[Logged] = ROWS) -> str:
    """The table of docs/tracking.md."""
    lines = ["| name | unit | meaning | better | logged by |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        value = f"{row.meaning}{' (last value)' if row.is_last else ''}"
        lines.append(f"| `{row.name}` | {row.unit} | {value} | {row.better} | {row.where} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown_table())
