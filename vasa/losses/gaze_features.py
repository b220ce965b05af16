"""The gaze term of the perceptual losses (MegaPortraits eq. 4, L_gaze)."""

from collections.abc import Callable

import torch
from torch import Tensor

from vasa.losses.perceptual import Features, perceptual_loss
from vasa.models.face_expert import EYES, cut_out

_LEAST_ACROSS = 0.15


def eye_crops(image: Tensor, landmarks: Tensor, *, crop_px: int, reach: float) -> Tensor:
    """Upright squares around both eyes; differentiable in the picture.

    Their x axis is the line between the eyes' middles, so that a roll of the head leaves the crops
    as they are; in a profile, where that line shrinks, they keep a least size.

    Args:
        image: `b c h w`, square.
        landmarks: iBUG-68 points in half pictures, `b 68 2`; no gradient flows into them.
        crop_px: side of a crop, px.
        reach: half of a crop's side in distances of the eyes' middles; 0.35 holds an eye and brow.

    Returns:
        The eyes on the picture's left, then those on its right, `(2 b) c crop_px crop_px`.
    """
    middles = [landmarks.detach()[:, eye].mean(dim=1).to(image) for eye in EYES]
    across = middles[1] - middles[0]
    length = torch.hypot(across[:, :1], across[:, 1:]).clamp(min=1e-6)
    across = across * (_LEAST_ACROSS / length).clamp(min=1)
    crops = [
        cut_out(image, centre=middle, across=across, size=(crop_px, crop_px), reach=reach)
        for middle in middles
    ]
    return torch.cat(crops)


def gaze_feature_loss(
    result: Tensor,
    target: Tensor,
    landmarks: Tensor,
    features: Features,
    *,
    crop_px: int,
    reach: float,
    is_relative: bool = True,
    across: Callable[[Tensor], Tensor] = lambda mean: mean,
) -> Tensor:
    """L_gaze (MegaPortraits eq. 4): distance of the eyes in a network's features.

    The paper's network is a VGG16 distilled from RT-GENE and RT-BENE, gaze and blink estimators
    that see the face; its weights are not public. What stands in for it: the perceptual distance
    of both eyes' crops, at the same places of both pictures, in the features of whichever network
    is given. It answers to pupils and lids as it does to lashes and make-up; a result names the
    network. The gaze as an angle is in `vasa.losses.motion_transfer`.

    Args:
        result: `b 3 h w`; gradients flow through it.
        target: `b 3 h w`; none do.
        landmarks: the target's iBUG-68 points in half pictures, `b 68 2`.
        features: pictures to a list of maps.
        crop_px: side of a crop, px; not much under the eyes' own, or lines are lost.
        reach: half of a crop's side in distances of the eyes' middles.
        is_relative: as in `perceptual_loss`.
        across: as in `perceptual_loss`.
    """
    found = eye_crops(result, landmarks, crop_px=crop_px, reach=reach)
    aim = eye_crops(target, landmarks, crop_px=crop_px, reach=reach)
    return perceptual_loss(found, aim, features, is_relative=is_relative, across=across)
