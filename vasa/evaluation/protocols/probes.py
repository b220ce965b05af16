"""Linear probes of the dynamics code: what it holds and what leaks into it.

z_dyn should tell mouth, blink and gaze, and should not tell head pose or person (VASA-1 sec.
3.1). A probe is fitted on training people, its penalty chosen on validation people, and scored on
held-out people. Beside it: the same probe on the code of the same network with random weights.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.metrics.clip_metric import ClipMetric, MeanOverClips
from vasa.evaluation.metrics.probe import R2, fit_probe
from vasa.evaluation.protocols.reenactment import Autoencoder, driver_motion
from vasa.evaluation.results import Bootstrap, ResultRow

FACTORS: dict[str, tuple[Callable[[EvaluationClip], Tensor], bool]] = {
    "mouth_opening": (lambda clip: clip.mouth[:, :1], True),
    "mouth_width": (lambda clip: clip.mouth[:, 1:], True),
    "blink": (lambda clip: clip.blink[:, None], True),
    "gaze": (lambda clip: clip.gaze, True),
    "yaw": (lambda clip: clip.pose[:, 0:1], False),
    "pitch": (lambda clip: clip.pose[:, 1:2], False),
    "roll": (lambda clip: clip.pose[:, 2:3], False),
}
"""Ground truth `t d` of each factor, and whether z_dyn should hold it."""

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


def dynamics_codes(
    net: Autoencoder,
    clips: Sequence[EvaluationClip],
    *,
    frame_stride: int,
    batch_size: int,
    track: Callable[[Iterable], Iterable],
) -> tuple[list[Tensor], list[Tensor]]:
    """z_dyn `t m` of every clip, and the frames they come from."""
    codes, frames = [], []
    for clip in track(clips):
        indices = clip.valid.nonzero().flatten()[::frame_stride]
        frames.append(indices)
        codes.append(driver_motion(net, clip.images(indices), batch_size=batch_size)[1].float())
    return codes, frames


def factor_r2(
    factor: Callable[[EvaluationClip], Tensor],
    *,
    train: tuple[Sequence[EvaluationClip], list[Tensor], list[Tensor]],
    val: tuple[Sequence[EvaluationClip], list[Tensor], list[Tensor]],
    test: tuple[Sequence[EvaluationClip], list[Tensor], list[Tensor]],
) -> R2:
    """R2 on held-out people of a probe; each part is (clips, codes, frame indices)."""

    def targets(part) -> list[Tensor]:
        clips, _, frames = part
        return [factor(clip)[indices] for clip, indices in zip(clips, frames, strict=True)]

    probe = fit_probe(
        torch.cat(train[1]),
        torch.cat(targets(train)),
        validation_features=torch.cat(val[1]),
        validation_targets=torch.cat(targets(val)),
    )
    metric = R2()
    for codes, truth in zip(test[1], targets(test), strict=True):
        metric.update(probe(codes), truth)
    return metric


def identity_probe(
    codes: Sequence[Tensor], speakers: Sequence[str]
) -> tuple[ClipMetric, ClipMetric]:
    """How far a code names the person: one-hot R2 and accuracy on unseen frames.

    Fitted on each clip's first half, penalty chosen on the third quarter, scored on the last, so
    that the same people stand on both sides.

    Args:
        codes: `t m` of each clip.
        speakers: the person of each clip.
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
    probe = fit_probe(
        torch.cat(fit[0]),
        torch.cat(fit[1]),
        validation_features=torch.cat(val[0]),
        validation_targets=torch.cat(val[1]),
    )
    r2, accuracy = OneHotR2(), MeanOverClips()
    for code, truth in zip(*test, strict=True):
        predictions = probe(code)
        r2.update(predictions, truth)
        hits = predictions.argmax(dim=-1) == truth.argmax(dim=-1)
        accuracy.update(hits.double().mean())
    return r2, accuracy


class OneHotR2(ClipMetric):
    """1 - SSE / SST of one-hot targets over all outputs together; up to 1, lower leaks less."""

    higher_is_better = False

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Adds one clip: `t people` twice; SST is taken against the uniform guess."""
        uniform = 1 / targets.shape[1]
        self.add_clip(
            torch.stack((((predictions - targets) ** 2).sum(), ((targets - uniform) ** 2).sum()))
        )

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        return 1 - totals[..., 0] / totals[..., 1]


def probes(
    *,
    autoencoder: Autoencoder,
    random_autoencoder: Autoencoder,
    train_clips: Sequence[EvaluationClip],
    val_clips: Sequence[EvaluationClip],
    test_clips: Sequence[EvaluationClip],
    frame_stride: int,
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `probe/z_dyn/<factor>_r2` and `probe/z_dyn/identity_accuracy`.

    Args:
        autoencoder: stage 1.
        random_autoencoder: the same shape with random weights (`random_twin`).
        train_clips: of people the probe is fitted on.
        val_clips: of people its penalty is chosen on.
        test_clips: of held-out people.
        frame_stride: every so many frames are used.
        batch_size: frames at once.
        bootstrap: how intervals are made.
        track: wraps the loops over clips.
    """
    split = test_clips[0].split
    parts = {"train": train_clips, "val": val_clips, "test": test_clips}
    scores: list[dict[str, ClipMetric]] = []
    for net in (autoencoder, random_autoencoder):
        coded = {
            name: (
                clips,
                *dynamics_codes(
                    net,
                    clips,
                    frame_stride=frame_stride,
                    batch_size=batch_size,
                    track=track,
                ),
            )
            for name, clips in parts.items()
        }
        found: dict[str, ClipMetric] = {
            f"{name}_r2": factor_r2(factor, **coded) for name, (factor, _) in FACTORS.items()
        }
        found["identity_r2"], found["identity_accuracy"] = identity_probe(
            coded["test"][1], [clip.speaker for clip in test_clips]
        )
        scores.append(found)
    wanted = {f"{name}_r2": is_wanted for name, (_, is_wanted) in FACTORS.items()}
    num_people = len({clip.speaker for clip in test_clips})
    notes = {
        "identity_r2": "one-hot, on unseen frames of the clips the probe was fitted on",
        "identity_accuracy": f"chance is {1 / num_people:.3f} ({num_people} people); unseen frames",
    }
    return [
        bootstrap.row(
            metric=f"probe/z_dyn/{name}",
            measured=metric,
            control=scores[1][name],
            control_name=RANDOM,
            split=split,
            unit="accuracy" if name.endswith("accuracy") else "R2",
            higher_is_better=wanted.get(name, False),
            note=notes.get(
                name,
                f"ridge fitted on {len(train_clips)} train clips, penalty from "
                f"{len(val_clips)} val clips; should be " + ("high" if wanted.get(name) else "low"),
            ),
        )
        for name, metric in scores[0].items()
    ]
