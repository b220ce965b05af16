"""How far landmarks are off, in units of the face: the NME of face alignment."""

from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMean

OUTER_EYE_CORNERS = (36, 45)
MIN_INTEROCULAR_PX = 1.0
"""Below it a face is seen from the side or not found at all, and no unit to measure in."""


def frame_nme(result: Tensor, target: Tensor) -> Tensor:
    """Normalised mean error of each frame, as 300-W scores it (Sagonas et al. 2016).

        NME = 100 mean_i |p_i - q_i| / |q_36 - q_45|

    Args:
        result: iBUG-68 points p in pixels, `t 68 2`.
        target: points q, whose outer eye corners give the unit, `t 68 2`.

    Returns:
        Percent of the inter-ocular distance, `t`.
    """
    first, second = OUTER_EYE_CORNERS
    result, target = result.double(), target.double()
    unit = (target[:, first] - target[:, second]).norm(dim=-1).clamp_min(MIN_INTEROCULAR_PX)
    return 100 * (result - target).norm(dim=-1).mean(dim=-1) / unit


class LandmarkNme(ClipMean):
    """Mean over clips of the mean frame NME, % of the inter-ocular distance; 0 up, lower is better.

    Both sets of landmarks should come from one detector, so that its own bias falls out.
    """

    higher_is_better = False

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: `t 68 2` px twice."""
        self.add_value(frame_nme(result, target).mean())
