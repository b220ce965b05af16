"""What the motion model is told: C = [X_pre, A_pre; A, g, d, e] (VASA-1 sec. 3.2).

Shapes: b batch, t frames of the window, k previous frames, f audio features, m motion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

CONDITION_NAMES = ("audio", "previous", "gaze", "distance", "emotion")


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Conditions of a batch of windows; None or a False mask stands for the learned null token.

    Attributes:
        audio: A, audio features of the window, `b t f`.
        audio_mask: frames whose audio is known, `b t`; None: all.
        motion_pre: X_pre, the last K frames of motion before the window, unnormalised, `b k m`.
        audio_pre: A_pre, their audio features, `b k f`; with `motion_pre` or not at all.
        pre_mask: previous frames that exist, `b k`; None: all.
        gaze: g = (theta, phi), main gaze in rad, `b 2`.
        gaze_mask: `b`; None: all.
        distance: d, head distance over the mean distance, `b 1`.
        distance_mask: `b`; None: all.
        emotion: e, weights of the eight emotions, `b 8`.
        emotion_mask: `b`; None: all.
        frame_mask: frames that belong to the clip (no padding), `b t`; None: all.
    """

    audio: Tensor | None = None
    audio_mask: Tensor | None = None
    motion_pre: Tensor | None = None
    audio_pre: Tensor | None = None
    pre_mask: Tensor | None = None
    gaze: Tensor | None = None
    gaze_mask: Tensor | None = None
    distance: Tensor | None = None
    distance_mask: Tensor | None = None
    emotion: Tensor | None = None
    emotion_mask: Tensor | None = None
    frame_mask: Tensor | None = None

    def has(self, name: str) -> bool:
        """Whether `name` is given at all; a mask may still hide it from some samples.

        Raises:
            ValueError: no condition is called so.
        """
        return self._value(name) is not None

    def without(self, name: str) -> "Conditions":
        """C | c = none: the same conditions without `name`, for every sample.

        Raises:
            ValueError: no condition is called so.
        """
        value = self._value(name)
        if value is None:
            return self
        shape = value.shape[:2] if name in ("audio", "previous") else value.shape[:1]
        mask = torch.zeros(shape, dtype=torch.bool, device=value.device)
        return replace(self, **{"pre_mask" if name == "previous" else f"{name}_mask": mask})

    def _value(self, name: str) -> Tensor | None:
        if name not in CONDITION_NAMES:
            raise ValueError(f"expected one of {', '.join(CONDITION_NAMES)}, got {name!r}")
        return self.motion_pre if name == "previous" else getattr(self, name)

    def with_full_masks(self) -> "Conditions":
        """The same conditions with every mask of a present value written out."""
        values: dict[str, Tensor] = {}
        for name, ndim in (("audio", 2), ("motion_pre", 2), ("gaze", 1), ("distance", 1)):
            self._fill(values, name, ndim)
        self._fill(values, "emotion", 1)
        return replace(self, **values)

    def _fill(self, values: dict[str, Tensor], name: str, ndim: int) -> None:
        value = getattr(self, name)
        mask_name = "pre_mask" if name == "motion_pre" else f"{name}_mask"
        if value is not None and getattr(self, mask_name) is None:
            values[mask_name] = torch.ones(
                value.shape[:ndim], dtype=torch.bool, device=value.device
            )

    @staticmethod
    def concatenate(parts: Sequence["Conditions"]) -> "Conditions":
        """One batch of several; a value must be present in all of them or in none."""
        full = [part.with_full_masks() for part in parts]
        merged: dict[str, Tensor] = {}
        for item in fields(Conditions):
            values = [getattr(part, item.name) for part in full]
            present = [value for value in values if value is not None]
            if present and len(present) < len(values):
                raise ValueError(f"expected `{item.name}` in all the parts or in none")
            if present:
                merged[item.name] = torch.cat(present)
        return Conditions(**merged)


@dataclass(frozen=True, kw_only=True)
class DropRates:
    """How often each condition is dropped in training (VASA-1 sec. 3.2 and 4.1).

    Attributes:
        audio: all of A.
        previous: X_pre and A_pre together; the first window of a clip has none.
        gaze: g.
        distance: d.
        emotion: e.
        audio_tail: the last frames of A (Unspecified in the paper: how often and how many).
        max_tail_frames: most frames dropped at the tail.
    """

    audio: float
    previous: float
    gaze: float
    distance: float
    emotion: float
    audio_tail: float
    max_tail_frames: int


def drop_conditions(
    conditions: Conditions, rates: DropRates, *, generator: torch.Generator
) -> Conditions:
    """Drop conditions at random, each sample and each condition on its own.

    Args:
        conditions: C with audio, previous frames, gaze, distance and emotion.
        rates: probabilities.
        generator: on the CPU; the draws depend on it and on the batch size alone.
    """
    full = conditions.with_full_masks()
    if full.audio is None or full.audio_mask is None:
        raise ValueError("expected conditions with audio")
    batch, num_frames = full.audio_mask.shape
    device = full.audio.device

    draws = torch.rand((len(CONDITION_NAMES) + 1, batch), generator=generator).to(device)
    lengths = torch.rand((batch,), generator=generator).to(device)
    kept = {name: draws[i] >= getattr(rates, name) for i, name in enumerate(CONDITION_NAMES)}
    tail = 1 + (lengths * min(rates.max_tail_frames, num_frames - 1)).long()
    tail = torch.where(draws[-1] < rates.audio_tail, tail, torch.zeros_like(tail))
    if full.frame_mask is None:
        ends = torch.full((batch,), num_frames, device=device)
    else:
        ends = full.frame_mask.sum(dim=1)
    heard = torch.arange(num_frames, device=device)[None] < (ends - tail)[:, None]

    masks = {"audio_mask": full.audio_mask & heard & kept["audio"][:, None]}
    if full.pre_mask is not None:
        masks["pre_mask"] = full.pre_mask & kept["previous"][:, None]
    for name in ("gaze", "distance", "emotion"):
        mask = getattr(full, f"{name}_mask")
        if mask is not None:
            masks[f"{name}_mask"] = mask & kept[name]
    return replace(full, **masks)
