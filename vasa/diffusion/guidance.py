"""Classifier-free guidance with one scale a condition."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, Self

import torch
from einops import rearrange, repeat
from torch import Tensor


class GuidedConditions(Protocol):
    """What guidance asks of conditions; `vasa.models.conditions.Conditions` is one."""

    def has(self, name: str) -> bool:
        """Whether one of them is given; of one that is not, `without` changes nothing."""
        ...

    def without(self, name: str) -> Self:
        """The same conditions with one of them replaced by none."""
        ...

    @staticmethod
    def concatenate(parts: Sequence["GuidedConditions"]) -> "GuidedConditions":
        """One batch of several."""
        ...


class MotionDenoiser(Protocol):
    """H; `vasa.models.motion_transformer.MotionTransformer` is one."""

    def given(
        self, conditions: GuidedConditions, *, batch: int, num_frames: int
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """H(., ., C): x_t `b t m` and timesteps `b` to x0, with what C alone decides done once."""
        ...


def guided_x0(
    model: MotionDenoiser,
    x_t: Tensor,
    t: Tensor,
    conditions: GuidedConditions,
    *,
    scales: Mapping[str, float],
) -> Tensor:
    """Guided estimate of x0 (VASA-1 eq. 2).

    X_hat0 = (1 + sum_c lambda_c) H(X_t, t, C) - sum_c lambda_c H(X_t, t, C | c = none)

    All variants go through the model as one batch. A condition of scale 0 costs nothing, nor does
    one that is not given: its variant is C itself, and its terms cancel. With no others left this
    is the plain model.

    Args:
        model: H.
        x_t: noisy motion, `b t m`.
        t: timesteps, `b`.
        conditions: C.
        scales: lambda_c by the condition's name.

    Returns:
        X_hat0, `b t m`.
    """
    return Guidance(model, conditions, scales=scales)(x_t, t)


class Guidance:
    """`guided_x0` of the same conditions at many timesteps; what they ask for is put together once.

    Args:
        model: H.
        conditions: C.
        scales: lambda_c by the condition's name.
    """

    def __init__(
        self, model: MotionDenoiser, conditions: GuidedConditions, *, scales: Mapping[str, float]
    ) -> None:
        active = {
            name: scale for name, scale in scales.items() if scale != 0 and conditions.has(name)
        }
        self._model = model
        self._lambdas = list(active.values())
        self._conditions = conditions
        self._denoise: Callable[[Tensor, Tensor], Tensor] | None = None
        if active:
            variants = [conditions, *(conditions.without(name) for name in active)]
            self._conditions = conditions.concatenate(variants)

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        """X_hat0 of noisy motion `b t m` at timesteps `b`."""
        count = 1 + len(self._lambdas)
        if self._denoise is None:
            batch, num_frames, _ = x_t.shape
            self._denoise = self._model.given(
                self._conditions, batch=count * batch, num_frames=num_frames
            )
        if not self._lambdas:
            return self._denoise(x_t, t)
        outputs = self._denoise(
            repeat(x_t, "b t m -> (v b) t m", v=count), repeat(t, "b -> (v b)", v=count)
        )
        outputs = rearrange(outputs, "(v b) t m -> v b t m", v=count)
        lambdas = torch.tensor(self._lambdas, dtype=x_t.dtype, device=x_t.device)
        dropped = torch.einsum("v,vbtm->btm", lambdas, outputs[1:])
        return (1 + lambdas.sum()) * outputs[0] - dropped
