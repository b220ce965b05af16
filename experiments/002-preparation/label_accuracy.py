"""How far the labels of `vasa prep` are from the truth, on synthetic clips prepared as if real.

usage: python experiments/002-preparation/label_accuracy.py RAW SET OUT.json [README]

RAW: `vasa synth format=clips`; SET: `vasa prep data=folder input=RAW`. Writes a record a label to
OUT.json, and a table between README's `<!-- labels -->` marks. Frames are matched by `first_frame`;
the truth is carried into the crop by its centre and side. Frames that are not `valid` are left out.

Errors are label - truth, angles wrapped. Each is given three times, because what a label means
differs from the truth by constants:

- as it is;
- `centred`: without the mean error of the set, one constant for all (it is fitted on what it is
  judged on, but is 1 number against 60 clips);
- `within`: without each clip's own mean error: motion alone, a person's own zero left out.

Where the definitions differ:

- pitch: zero is where the people of the face template hold their heads; the rendered head's zero is
  its own vertical axis.
- translation: the label's origin is between the ears at the height of the nose bridge, the truth's
  is the middle of the rendered head. That is one offset in the head, so in the picture it turns
  and grows with the head: `..., origins joined` takes out that offset (3 numbers for the set).
- scale: one unit is half a steady crop around the template, or half the picture for the rendered
  head.
- gaze: the label's phi is zero for a pupil 0.075 slits above the corners, the truth's on their
  line; the label's eyeball has a radius of 0.4 slits sideways and 0.25 up and down, the rendered
  one about 0.55.
- blink: a blendshape's activation, stretched so that a shut eye reads 1, against the share of the
  slit that is closed.
- mouth: 3D distances of mesh points against the drawn distances in the head's plane; the corners of
  the drawn lips and eyes are not exactly where the network puts its points.
- landmarks: the mesh points next to the 68 of iBUG against points of the drawn geometry; along the
  jaw they are different points. A frame's error is the root mean square over its points.

Controls: `shuffled`, the error against the truth of another clip; `constant`, that of always saying
the set's mean truth; `constant within`, that of always saying the clip's. A label is worth nothing
where its (centred, within) error is not clearly below them.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vasa.data.shard_members import read_members
from vasa.data.shards import read_index, read_labels
from vasa.evaluation.metrics.clip_metric import bootstrap_interval
from vasa.evaluation.report.marks import put_between
from vasa.geometry.rotation import rotation_from_angles
from vasa.training.run_folder import describe_environment

NUM_RESAMPLES, SEED = 2000, 0
PARTS = {
    "all 68": range(68),
    "jaw": range(17),
    "brows": range(17, 27),
    "nose": range(27, 36),
    "eyes": range(36, 48),
    "mouth": range(48, 68),
}
OUTER_EYE_CORNERS = (36, 45)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A label and its truth in every clip.

    Attributes:
        name: what a row of the table is called.
        unit: of both.
        labels, truths: an array `t k` a clip.
        period: of angles, in the unit; None for anything else.
        num_points: points whose coordinates the k numbers are; 1 for a plain number.
    """

    name: str
    unit: str
    labels: tuple[np.ndarray, ...]
    truths: tuple[np.ndarray, ...]
    period: float | None = None
    num_points: int = 1


@dataclass(frozen=True, kw_only=True)
class Score:
    """One row; see the module for the kinds of error. Numbers are in `unit`.

    Attributes:
        name, unit: of the label.
        mae, ci_low, ci_high: mean absolute error and its 95% bootstrap interval over clips.
        median, p95: of the absolute error over frames.
        bias: mean error; None for points.
        centred, within: mean absolute error without the set's, without the clip's, mean error.
        r, r_low, r_high: Pearson over all frames, with its interval; None where one stands still.
        r_within: mean over clips of the clip's Pearson (clips where neither side stands still).
        slope: least squares of label on truth within clips; below 1 the label moves too little.
        shuffled, constant, constant_within: controls.
    """

    name: str
    unit: str
    mae: float
    ci_low: float
    ci_high: float
    median: float
    p95: float
    bias: float | None
    centred: float
    within: float
    r: float | None
    r_low: float | None
    r_high: float | None
    r_within: float | None
    slope: float | None
    shuffled: float
    constant: float
    constant_within: float


def difference(first: np.ndarray, second: np.ndarray, period: float | None) -> np.ndarray:
    """first - second, in [-period / 2, period / 2) where there is a period."""
    plain = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return plain if period is None else (plain + period / 2) % period - period / 2


def length(error: np.ndarray, num_points: int) -> np.ndarray:
    """Size of errors `t k`, `t`: absolute value, or root mean square over points."""
    return np.sqrt((error**2).sum(axis=1) / num_points)


def pearson(sums: torch.Tensor) -> torch.Tensor:
    """r from the sums n, x, y, xx, yy, xy `... 6`."""
    n, x, y, xx, yy, xy = sums.unbind(-1)
    spread = ((xx - x * x / n) * (yy - y * y / n)).clamp_min(0).sqrt()
    return (xy - x * y / n) / spread


def _sums(x: np.ndarray, y: np.ndarray) -> list[float]:
    return [len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()]


def _interval(sums: list[list[float]], reduce: Any) -> tuple[float, float]:
    return bootstrap_interval(
        torch.tensor(sums, dtype=torch.float64),
        reduce=reduce,
        num_resamples=NUM_RESAMPLES,
        seed=SEED,
    )


def _finite(value: float) -> float | None:
    """None for an r of something that stands still."""
    return value if np.isfinite(value) else None


def _mean_length(errors: list[np.ndarray], num_points: int) -> float:
    return float(np.concatenate([length(error, num_points) for error in errors]).mean())


def _shuffled(pair: Pair) -> list[np.ndarray]:
    """Errors against the truth of the clip that follows in a random order: never the own one."""
    order = np.random.default_rng(SEED).permutation(len(pair.labels))
    other = dict(zip(order, np.roll(order, 1), strict=True))
    errors = []
    for i, label in enumerate(pair.labels):
        truth = pair.truths[other[i]]
        num = min(len(label), len(truth))
        errors.append(difference(label[:num], truth[:num], pair.period))
    return errors


def score(pair: Pair) -> Score:
    """All numbers of one row."""
    points = pair.num_points
    both = list(zip(pair.labels, pair.truths, strict=True))
    errors = [difference(label, truth, pair.period) for label, truth in both]
    sizes = [length(error, points) for error in errors]
    bias = np.concatenate(errors).mean(axis=0)
    mean = np.concatenate(pair.truths).mean(axis=0)
    low, high = _interval(
        [[size.sum(), len(size)] for size in sizes], lambda s: s[..., 0] / s[..., 1]
    )
    r = r_low = r_high = r_within = slope = None
    if points == 1:
        flat = [(label[:, 0].astype(float), truth[:, 0].astype(float)) for label, truth in both]
        # r does not depend on the origin, its rounding does
        origin = [np.concatenate([item[i] for item in flat]).mean() for i in (0, 1)]
        sums = [_sums(item[0] - origin[0], item[1] - origin[1]) for item in flat]
        r = _finite(float(pearson(torch.tensor(sums, dtype=torch.float64).sum(dim=0))))
        r_low, r_high = (_finite(value) for value in _interval(sums, pearson))
        moving = [item for item in flat if min(item[0].std(), item[1].std()) > 1e-6]
        if moving:
            r_within = float(np.mean([np.corrcoef(*item)[0, 1] for item in moving]))
            x, y = (np.concatenate([item[i] - item[i].mean() for item in moving]) for i in (0, 1))
            slope = float((x * y).sum() / (y * y).sum())
    return Score(
        name=pair.name,
        unit=pair.unit,
        mae=_mean_length(errors, points),
        ci_low=low,
        ci_high=high,
        median=float(np.median(np.concatenate(sizes))),
        p95=float(np.percentile(np.concatenate(sizes), 95)),
        bias=float(bias[0]) if points == 1 else None,
        centred=_mean_length([error - bias for error in errors], points),
        within=_mean_length([error - error.mean(axis=0) for error in errors], points),
        r=r,
        r_low=r_low,
        r_high=r_high,
        r_within=r_within,
        slope=slope,
        shuffled=_mean_length(_shuffled(pair), points),
        constant=_mean_length([truth - mean for truth in pair.truths], points),
        constant_within=_mean_length([truth - truth.mean(axis=0) for truth in pair.truths], points),
    )


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Labels and truth of a clip by name, both in the crop; valid frames only."""

    labels: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]


def truth_in_crop(
    truth: dict[str, np.ndarray], *, size: int, centre: np.ndarray, side: float
) -> dict[str, np.ndarray]:
    """Truth given in a picture of `size` px, as seen in a square of it around `centre` (px).

    Translation comes out in half crops, log scale with the crop's half as unit, landmarks in crops.
    """
    pose = np.array(truth["pose"], np.float64)
    pose[:, 3:5] = ((pose[:, 3:5] + 1) * size / 2 - centre) / (side / 2)
    pose[:, 5] += np.log(size / side)
    points = (truth["landmarks"] - centre + side / 2) / side
    return {**truth, "pose": pose, "landmarks": points}


def read_clips(raw: Path, prepared: Path) -> tuple[list[Clip], int, int]:
    """Prepared clips with their truth; how many raw clips there are, and frames in them."""
    files = {path.stem: path for path in sorted(raw.rglob("*.npz"))}
    size = json.loads((raw / "config.json").read_text())["size"]
    clips: list[Clip] = []
    row: Any
    for row in read_index(prepared).itertuples():
        members = read_members(prepared, row)
        details, labels = json.loads(members["json"]), read_labels(members["npz"])
        video = details["key"].split("/")[1]
        if video not in files:
            sys.exit(f"expected the truth of every clip in {raw}, found no {video}.npz")
        first, num = details["first_frame"], len(labels.pose)
        with np.load(files[video]) as arrays:
            whole = {name: arrays[name] for name in ("pose", "gaze", "blink", "mouth", "landmarks")}
        if first + num > len(whole["pose"]):
            sys.exit(f"expected {first + num} frames of truth in {files[video]}; another set?")
        truth = truth_in_crop(
            {name: array[first : first + num] for name, array in whole.items()},
            size=size,
            centre=np.array(details["crop_centre_px"]),
            side=details["crop_px"],
        )
        found = {name: getattr(labels, name) for name in truth}
        found["landmarks"] = labels.landmarks / row.height
        if labels.valid.any():
            clips.append(
                Clip(
                    labels={name: array[labels.valid] for name, array in found.items()},
                    truth={name: array[labels.valid] for name, array in truth.items()},
                )
            )
    if len(clips) < 2:
        sys.exit(f"expected 2 or more prepared clips in {prepared}, got {len(clips)}")
    frames = [len(np.load(path)["blink"]) for path in files.values()]
    return clips, len(files), sum(frames)


def join_origins(clips: list[Clip]) -> tuple[list[np.ndarray], np.ndarray]:
    """Label translations `t 2` moved to the truth's origin, and the offset in the head `3`.

    The offset d is the least-squares one of label - truth = s R d, in head units of the truth.
    """
    turns = []
    for clip in clips:
        pose = torch.from_numpy(clip.truth["pose"])
        matrix = rotation_from_angles(pose[:, :3])[:, :2] * pose[:, 5].exp()[:, None, None]
        turns.append(matrix.numpy())
    gaps = [clip.labels["pose"][:, 3:5] - clip.truth["pose"][:, 3:5] for clip in clips]
    matrix = np.concatenate(turns).reshape(-1, 3)
    offset = np.linalg.lstsq(matrix, np.concatenate(gaps).reshape(-1), rcond=None)[0]
    moved = [c.labels["pose"][:, 3:5] - t @ offset for c, t in zip(clips, turns, strict=True)]
    return moved, offset


def pairs(clips: list[Clip]) -> list[Pair]:
    """The rows of the table, in its units."""

    def number(name: str, unit: str, key: str, column: int | None, factor: float = 1) -> Pair:
        def column_of(array: np.ndarray) -> np.ndarray:
            return factor * (array if column is None else array[:, column]).reshape(-1, 1)

        return Pair(
            name=name,
            unit=unit,
            labels=tuple(column_of(clip.labels[key]) for clip in clips),
            truths=tuple(column_of(clip.truth[key]) for clip in clips),
            period=360.0 if unit == "deg" else None,
        )

    degrees = float(np.rad2deg(1))
    rows = [number(n, "deg", "pose", i, degrees) for i, n in enumerate(("yaw", "pitch", "roll"))]
    moved, _ = join_origins(clips)
    for axis, name in enumerate(("translation x", "translation y")):
        plain = number(name, "% of crop", "pose", 3 + axis, 50)
        joined = tuple(50 * array[:, axis, None] for array in moved)
        rows += [
            plain,
            Pair(
                name=f"{name}, origins joined",
                unit=plain.unit,
                labels=joined,
                truths=plain.truths,
            ),
        ]
    rows += [
        number("log scale", "", "pose", 5),
        number("gaze theta", "deg", "gaze", 0, degrees),
        number("gaze phi", "deg", "gaze", 1, degrees),
        number("blink", "0 to 1", "blink", None),
        number("mouth opening", "eye distances", "mouth", 0),
        number("mouth width", "eye distances", "mouth", 1),
    ]
    for name, part in PARTS.items():
        index = list(part)
        rows.append(
            Pair(
                name=f"landmarks, {name}",
                unit="% of crop",
                labels=tuple(
                    100 * c.labels["landmarks"][:, index].reshape(-1, 2 * len(index)) for c in clips
                ),
                truths=tuple(
                    100 * c.truth["landmarks"][:, index].reshape(-1, 2 * len(index)) for c in clips
                ),
                num_points=len(index),
            )
        )
    return rows


def measure(raw: Path, prepared: Path) -> dict[str, Any]:
    """Everything that the table says, and what was measured."""
    clips, num_raw, num_raw_frames = read_clips(raw, prepared)
    left, right = OUTER_EYE_CORNERS
    apart = [c.truth["landmarks"][:, left] - c.truth["landmarks"][:, right] for c in clips]
    environment = describe_environment(device="cpu")
    return {
        "clips": len(clips),
        "raw_clips": num_raw,
        "frames": sum(len(clip.truth["pose"]) for clip in clips),
        "raw_frames": num_raw_frames,
        "eye_distance": float(np.linalg.norm(np.concatenate(apart), axis=1).mean()),
        "origin_offset": [float(value) for value in join_origins(clips)[1]],
        "synth": json.loads((raw / "config.json").read_text()),
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "scores": [asdict(score(pair)) for pair in pairs(clips)],
    }


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.{2 if unit in ('deg', '% of crop') else 3}f}"


def table(found: dict[str, Any]) -> str:
    """The measurement as Markdown."""
    x, y, z = found["origin_offset"]
    commit = (found["commit"] or "unknown")[:12] + ("+changes" if found["is_dirty"] else "")
    heads = "unit | error | 95% CI | median | 95th % | bias | centred | within | r | 95% CI |"
    controls = "shuffled | constant | constant within"
    lines = [
        f"{found['clips']} of {found['raw_clips']} clips found "
        f"({found['clips'] / found['raw_clips']:.0%}), {found['frames']} of {found['raw_frames']} "
        f"frames ({found['frames'] / found['raw_frames']:.0%}); seed {found['synth']['seed']}, "
        f"commit {commit}, {found['machine']}, {found['date'][:10]}. Mean distance of the outer "
        f"eye corners: {found['eye_distance']:.1%} of the crop. The label's origin lies at "
        f"({x:.3f}, {y:.3f}, {z:.3f}) of the rendered head's units.",
        "",
        f"| label | {heads} r within | slope within | {controls} |",
        "| --- |" + " --- |" * 15,
    ]
    for row in found["scores"]:

        def cell(key: str, row: dict = row) -> str:
            return _number(row[key], row["unit"])

        lines.append(
            f"| {row['name']} | {row['unit']} | {cell('mae')} | {cell('ci_low')} … "
            f"{cell('ci_high')} | {cell('median')} | {cell('p95')} | {cell('bias')} | "
            f"{cell('centred')} | {cell('within')} | {_number(row['r'], '')} | "
            + ("" if row["r_low"] is None else f"{row['r_low']:.3f} … {row['r_high']:.3f}")
            + f" | {_number(row['r_within'], '')} | {_number(row['slope'], '')} | "
            f"{cell('shuffled')} | {cell('constant')} | {cell('constant_within')} |"
        )
    return "\n".join(lines) + "\n"


def publish(found: dict[str, Any], readme: Path) -> None:
    """Replace what stands between the marks of `readme`."""
    put_between(readme, "labels", table(found))


def main(words: list[str]) -> None:
    """Measure, write the record, and the table where a README is named."""
    if len(words) not in (3, 4):
        sys.exit(__doc__)
    found = measure(Path(words[0]), Path(words[1]))
    Path(words[2]).write_text(json.dumps(found, indent=1) + "\n")
    print(table(found), end="")
    if len(words) == 4:
        publish(found, Path(words[3]))


if __name__ == "__main__":
    main(sys.argv[1:])
