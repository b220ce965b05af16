"""Probes of the codes: what each holds and what leaks into it.

z_dyn should tell mouth, blink and gaze, and should not tell head pose or person; z_pose should tell
head pose alone, z_id the person alone (VASA-1 sec. 3.1). A probe, linear and where it is asked for
a small MLP, is fitted on training people, its penalty (or when to stop) chosen on validation
people, and scored on held-out people. Beside it: the same probe on the code of the same network
with random weights; for the person: chance. The other way round, a probe from known factors to a
code says which share of the code they explain.

Where each person has one clip of someone talking, a clip's own emotion and main gaze tell the
person too: true dynamics alone name one of 24 in 42% of frames. That z_dyn holds nothing of the
person shows only on people in independent states (`vasa synth motion=independent`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.metrics.clip_metric import ClipMetric, ShareOfFrames
from vasa.evaluation.metrics.mlp_probe import fit_mlp
from vasa.evaluation.metrics.probe import R2, OneHotR2, fit_probe
from vasa.evaluation.protocols.reenactment import Autoencoder, driver_motion
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.types import InputError

FACTORS: dict[str, tuple[Callable[[EvaluationClip], Tensor], str]] = {
    "mouth_opening": (lambda clip: clip.mouth[:, :1], "z_dyn"),
    "mouth_width": (lambda clip: clip.mouth[:, 1:], "z_dyn"),
    "blink": (lambda clip: clip.blink[:, None], "z_dyn"),
    "gaze": (lambda clip: clip.gaze, "z_dyn"),
    "yaw": (lambda clip: clip.pose[:, 0:1], "z_pose"),
    "pitch": (lambda clip: clip.pose[:, 1:2], "z_pose"),
    "roll": (lambda clip: clip.pose[:, 2:3], "z_pose"),
}
"""Ground truth `t d` of each factor, and the code that should hold it; the person is z_id's."""

CAUSES: dict[str, tuple[Callable[[EvaluationClip], Tensor], str]] = {
    "pose": (lambda clip: clip.pose[:, :3], "z_pose"),
    "expression": (
        lambda clip: torch.cat((clip.mouth, clip.blink[:, None], clip.gaze), dim=1),
        "z_dyn",
    ),
}
"""Known factors `t d` that a code is predicted from, and the code that they should explain."""

CODES = ("z_dyn", "z_pose", "z_id")

RANDOM = "the same network with random weights"


def random_twin(*, build: Callable[[], torch.nn.Module], seed: int) -> torch.nn.Module:
    """A network that has learned nothing, in evaluation mode.

    Args:
        build: makes a freshly initialised one.
        seed: of the initialisation; the global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        twin = build()
    return twin.eval().requires_grad_(False)


@dataclass(frozen=True, kw_only=True)
class CodedClips:
    """Clips with one code of their probed frames.

    Attributes:
        clips: of one split.
        codes: `t k` of each clip.
        frames: the frames they come from, `t` of each clip.
    """

    clips: Sequence[EvaluationClip]
    codes: list[Tensor]
    frames: list[Tensor]

    def truth(self, factor: Callable[[EvaluationClip], Tensor]) -> list[Tensor]:
        """A factor in the same frames, `t d` of each clip."""
        pairs = zip(self.clips, self.frames, strict=True)
        return [factor(clip)[indices] for clip, indices in pairs]


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """How probes are fitted.

    Attributes:
        mlp_steps: of an MLP's training.
        seed: of its first weights.
    """

    mlp_steps: int
    seed: int


def coded_clips(
    net: Autoencoder,
    clips: Sequence[EvaluationClip],
    *,
    codes: Sequence[str],
    frame_stride: int,
    batch_size: int,
    track: Callable[[Iterable], Iterable],
) -> dict[str, CodedClips]:
    """The named codes of every clip; the appearance path is run for z_id alone."""
    frames: list[Tensor] = []
    found: dict[str, list[Tensor]] = {code: [] for code in codes}
    for clip in track(clips):
        indices = clip.valid.nonzero().flatten()[::frame_stride]
        images = clip.images(indices)
        frames.append(indices)
        z_pose, z_dyn = driver_motion(net, images, batch_size=batch_size)
        values: dict[str, Tensor] = {"z_pose": z_pose, "z_dyn": z_dyn}
        if "z_id" in codes:
            parts = [net.encode(batch).z_id for batch in images.split(batch_size)]
            values["z_id"] = torch.cat(parts)
        for code in codes:
            found[code].append(values[code].float().cpu())
    return {code: CodedClips(clips=clips, codes=found[code], frames=frames) for code in codes}


def _fit(
    fitted_on: tuple[list[Tensor], list[Tensor]],
    *,
    chosen_on: tuple[list[Tensor], list[Tensor]],
    mlp: ProbeSettings | None,
) -> Callable[[Tensor], Tensor]:
    """A ridge or an MLP from (features, targets) of clips."""
    features, targets = torch.cat(fitted_on[0]), torch.cat(fitted_on[1])
    held_features, held_targets = torch.cat(chosen_on[0]), torch.cat(chosen_on[1])
    if mlp is None:
        return fit_probe(
            features, targets, validation_features=held_features, validation_targets=held_targets
        )
    return fit_mlp(
        features,
        targets,
        validation_features=held_features,
        validation_targets=held_targets,
        steps=mlp.mlp_steps,
        seed=mlp.seed,
    )


def probe_r2(
    inputs: Mapping[str, list[Tensor]],
    targets: Mapping[str, list[Tensor]],
    *,
    mlp: ProbeSettings | None = None,
) -> R2:
    """R2 on held-out people of a ridge, or of an MLP.

    Args:
        inputs: what is read, `t k` of each clip, by `train`, `val` and `test`.
        targets: what is told from it, `t d`.
        mlp: None: a ridge.
    """
    probe = _fit(
        (inputs["train"], targets["train"]), chosen_on=(inputs["val"], targets["val"]), mlp=mlp
    )
    metric = R2()
    for values, truth in zip(inputs["test"], targets["test"], strict=True):
        metric.update(probe(values), truth)
    return metric


def identity_probe(
    codes: Sequence[Tensor], speakers: Sequence[str], *, mlp: ProbeSettings | None = None
) -> tuple[ClipMetric, ClipMetric]:
    """How far a code names the person: one-hot R2 and accuracy on unseen frames.

    Fitted on each clip's first half, penalty chosen on the third quarter, scored on the last, so
    that the same people stand on both sides.

    Args:
        codes: `t m` of each clip.
        speakers: the person of each clip.
        mlp: None: a ridge.
    """
    people = sorted(set(speakers))
    labels = [people.index(speaker) for speaker in speakers]

    def part(first: float, last: float) -> tuple[list[Tensor], list[Tensor]]:
        cut = [code[int(len(code) * first) : int(len(code) * last)] for code in codes]
        one_hot = torch.eye(len(people), dtype=torch.float64)
        return cut, [
            one_hot[label].expand(len(code), -1) for code, label in zip(cut, labels, strict=True)
        ]

    fit, val, test = part(0, 0.5), part(0.5, 0.75), part(0.75, 1)
    probe = _fit(fit, chosen_on=val, mlp=mlp)
    r2, accuracy = OneHotR2(), ShareOfFrames()
    for code, truth in zip(*test, strict=True):
        predictions = probe(code)
        r2.update(predictions, truth)
        accuracy.update(predictions.argmax(dim=-1) == truth.argmax(dim=-1))
    return r2, accuracy


def _code_scores(
    parts: Mapping[str, CodedClips], *, mlp: ProbeSettings | None
) -> dict[str, ClipMetric]:
    """Every score of one code, by the row's name after `probe/<code>/`."""
    kinds = {"": None} if mlp is None else {"": None, "mlp_": mlp}
    codes = {name: part.codes for name, part in parts.items()}
    speakers = [clip.speaker for clip in parts["test"].clips]
    scores: dict[str, ClipMetric] = {}
    for kind, settings in kinds.items():
        for name, (factor, _) in FACTORS.items():
            truth = {key: part.truth(factor) for key, part in parts.items()}
            scores[f"{name}_{kind}r2"] = probe_r2(codes, truth, mlp=settings)
        r2, accuracy = identity_probe(codes["test"], speakers, mlp=settings)
        scores[f"identity_{kind}r2"], scores[f"identity_{kind}accuracy"] = r2, accuracy
    if mlp is not None:
        for kind, settings in kinds.items():
            for name, (cause, _) in CAUSES.items():
                known = {key: part.truth(cause) for key, part in parts.items()}
                scores[f"from_{name}_{kind}r2"] = probe_r2(known, codes, mlp=settings)
    return scores


def probes(
    *,
    autoencoder: Autoencoder,
    random_autoencoder: Autoencoder,
    train_clips: Sequence[EvaluationClip],
    val_clips: Sequence[EvaluationClip],
    test_clips: Sequence[EvaluationClip],
    frame_stride: int,
    codes: Sequence[str],
    mlp_steps: int,
    seed: int,
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `probe/<code>/<factor>_r2` and `probe/<code>/identity_accuracy`.

    With MLPs also `..._mlp_r2`, and `from_pose_r2` and `from_expression_r2`: the share of the
    code's own variance that these known factors explain.

    Args:
        autoencoder: stage 1.
        random_autoencoder: the same shape with random weights (`random_twin`).
        train_clips: of people the probe is fitted on.
        val_clips: of people its penalty is chosen on.
        test_clips: of held-out people.
        frame_stride: every so many frames are used.
        codes: some of `CODES`.
        mlp_steps: of a small MLP's training; 0: linear probes alone.
        seed: of the MLPs.
        batch_size: frames at once.
        bootstrap: how intervals are made.
        track: wraps the loops over clips.
    """
    if unknown := set(codes) - set(CODES):
        raise InputError(
            f"expected probe_codes to be some of {', '.join(CODES)}, got {', '.join(unknown)}"
        )
    mlp = ProbeSettings(mlp_steps=mlp_steps, seed=seed) if mlp_steps else None
    splits = {"train": train_clips, "val": val_clips, "test": test_clips}
    scores: list[dict[str, dict[str, ClipMetric]]] = []
    for net in (autoencoder, random_autoencoder):
        coded = {
            name: coded_clips(
                net,
                clips,
                codes=codes,
                frame_stride=frame_stride,
                batch_size=batch_size,
                track=track,
            )
            for name, clips in splits.items()
        }
        scores.append(
            {
                code: _code_scores({name: part[code] for name, part in coded.items()}, mlp=mlp)
                for code in codes
            }
        )
    bootstrap = bootstrap.over(clip.speaker for clip in test_clips)
    num_people = len({clip.speaker for clip in test_clips})
    rows = []
    for code in codes:
        for name, metric in scores[0][code].items():
            beside = scores[1][code][name]
            is_accuracy = name.endswith("accuracy")
            note = _note(name, code, num_train=len(train_clips), num_val=len(val_clips))
            if is_accuracy:
                note += f"; {RANDOM}: {float(beside.compute()):.3f}"
            rows.append(
                bootstrap.row(
                    metric=f"probe/{code}/{name}",
                    measured=metric,
                    control=1 / num_people if is_accuracy else beside,
                    control_name=f"chance ({num_people} people)" if is_accuracy else RANDOM,
                    split=test_clips[0].split,
                    unit="accuracy" if is_accuracy else "R2",
                    higher_is_better=_is_wanted(name, code),
                    note=note,
                )
            )
    return rows


def _is_wanted(name: str, code: str) -> bool:
    """Whether a code should hold what a row's name says."""
    known = name.removeprefix("from_")
    homes = {"identity": "z_id"} | {key: home for key, (_, home) in (FACTORS | CAUSES).items()}
    return any(known.startswith(key) and home == code for key, home in homes.items())


def _note(name: str, code: str, *, num_train: int, num_val: int) -> str:
    wanted = "should be " + ("high" if _is_wanted(name, code) else "low")
    if name.startswith("identity"):
        kind = "one-hot, " if name.endswith("r2") else ""
        return f"{kind}on unseen frames of the clips the probe was fitted on; {wanted}"
    kind, chosen = ("MLP", "stopped by") if "_mlp_" in name else ("ridge", "penalty from")
    text = f"{kind} fitted on {num_train} train clips, {chosen} {num_val} val clips; {wanted}"
    if name.startswith("from_"):
        text = f"share of {code} that these factors explain; {text}"
    return text
