"""Classifier-free guidance with one scale a condition."""

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

import torch
from einops import rearrange, repeat
from torch import Tensor


class GuidedConditions(Protocol):
    """What guidance asks of conditions; `vasa.models.conditions.Conditions` is one."""

    def without(self, name: str) -> Self:
        """The same conditions with one of them replaced by none."""
        ...

    @staticmethod
    def concatenate(parts: Sequence["GuidedConditions"]) -> "GuidedConditions":
        """One batch of several."""
        ...


class MotionDenoiser(Protocol):
    """H(x_t, t, conditions) -> x0."""

    def __call__(self, x_t: Tensor, t: Tensor, conditions: GuidedConditions) -> Tensor: ...


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

    All variants go through the model as one batch; a condition of scale 0 costs nothing, and with
    all scales 0 this is the plain model.

    Args:
        model: H.
        x_t: noisy motion, `b t m`.
        t: timesteps, `b`.
        conditions: C.
        scales: lambda_c by the condition's name.

    Returns:
        X_hat0, `b t m`.
    """
    active = {name: scale for name, scale in scales.items() if scale != 0}
    if not active:
        return model(x_t, t, conditions)
    variants = [conditions, *(conditions.without(name) for name in active)]
    count = len(variants)
    outputs = model(
        repeat(x_t, "b t m -> (v b) t m", v=count),
        repeat(t, "b -> (v b)", v=count),
        conditions.concatenate(variants),
    )
    outputs = rearrange(outputs, "(v b) t m -> v b t m", v=count)
    lambdas = torch.tensor(list(active.values()), dtype=x_t.dtype, device=x_t.device)
    dropped = torch.einsum("v,vbtm->btm", lambdas, outputs[1:])
    return (1 + lambdas.sum()) * outputs[0] - dropped
