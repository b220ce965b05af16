"""Whether motion wanders off over many windows: the end of a long speech against its beginning.

Shapes: t frames, m motion, w windows.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from vasa.data.schema import FPS


@dataclass(frozen=True, kw_only=True)
class MotionDrift:
    """The last minute's windows against the spread of the first minute's.

    Attributes:
        mean_inside: share of the last minute's windows and dimensions whose mean lies between the
            least and the largest of the first minute, 0 to 1; higher is better.
        std_inside: the same of the standard deviations.
        expected: both shares where nothing drifts, (w - 1) / (w + 1).
        largest_shift: over dimensions, |mean of the last minute - mean of the first|, in standard
            deviations of the first; lower is better.
        scale: median over dimensions of the last minute's deviation over the first's; 1 is best.
    """

    mean_inside: float
    std_inside: float
    expected: float
    largest_shift: float
    scale: float


def motion_drift(motion: Tensor, *, window_s: float, minute_s: float = 60.0) -> MotionDrift:
    """Drift of long motion.

    What is said differs between minutes and moves the head and lips otherwise: the fairest speech
    is one minute said over and over.

    Args:
        motion: [z_pose, z_dyn], `t m`.
        window_s: length of the windows that are compared.
        minute_s: length of the beginning and of the end.

    Raises:
        ValueError: the motion is shorter than both.
    """
    length, window = round(minute_s * FPS), round(window_s * FPS)
    num = length // window
    if len(motion) < 2 * length or num < 2:
        raise ValueError(
            f"expected {2 * minute_s:g} s of motion and windows of at most half of {minute_s:g} s, "
            f"got {len(motion) / FPS:g} s and {window_s:g} s"
        )
    first, last = motion[:length].double(), motion[-length:].double()

    def windows(part: Tensor) -> Tensor:
        return rearrange(part[: num * window], "(w t) m -> w t m", w=num)

    spread = first.std(dim=0).clamp(min=1e-12)
    return MotionDrift(
        mean_inside=_share_inside(windows(first).mean(dim=1), windows(last).mean(dim=1)),
        std_inside=_share_inside(windows(first).std(dim=1), windows(last).std(dim=1)),
        expected=(num - 1) / (num + 1),
        largest_shift=float(((last.mean(dim=0) - first.mean(dim=0)).abs() / spread).max()),
        scale=float((last.std(dim=0) / spread).median()),
    )


def _share_inside(first: Tensor, last: Tensor) -> float:
    """Share of `last` within the range of `first`, each dimension by itself, `w m`."""
    low, high = torch.aminmax(first, dim=0)
    return float(((last >= low) & (last <= high)).double().mean())
