"""Labels of a prepared clip, from landmarks at the source's resolution and from its crops."""

import numpy as np
import torch
import torch.nn.functional as F

from data_prep.crop import SteadyCrop
from data_prep.track import to_images
from vasa.data.schema import EMOTIONS, FaceLabels
from vasa.pretrained.emotion import EmotionNet
from vasa.pretrained.face_shape import blink_amount, gaze_angles, mouth_shape
from vasa.pretrained.head_pose import fit_head
from vasa.pretrained.landmarks import Blendshapes, ibug68

SHARPNESS_HALF = 0.02
"""Root of the Laplacian's variance at which quality is 1/2."""


def sharpness(frames: np.ndarray) -> np.ndarray:
    """Quality in [0, 1), higher is sharper: v / (v + 0.02), v the root of the Laplacian's variance.

    Args:
        frames: uint8 `t h w 3`, crops of one size; the measure depends on that size.
    """
    grey = to_images(frames).mean(dim=1, keepdim=True)
    kernel = torch.tensor([[[[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]]])
    spread = F.conv2d(grey, kernel).std(dim=(1, 2, 3))
    return (spread / (spread + SHARPNESS_HALF)).numpy()


@torch.no_grad()
def face_labels(
    landmarks: np.ndarray,
    valid: np.ndarray,
    frames: np.ndarray,
    crop: SteadyCrop,
    *,
    blendshapes: Blendshapes,
    emotion: EmotionNet,
    emotion_every: int,
) -> FaceLabels:
    """Labels of a span.

    Args:
        landmarks: pixels of the source, `t 478 3`, finite.
        valid: where the landmarks were measured, `t`.
        frames: the crops, uint8 `t size size 3`.
        crop: where they come from.
        blendshapes: expression network.
        emotion: emotion network.
        emotion_every: frames between its runs.
    """
    num, size = len(frames), frames.shape[1]
    points = torch.from_numpy(landmarks).float()
    centre = torch.tensor(crop.centre)
    in_crop = torch.cat((points[..., :2] - centre + crop.side / 2, points[..., 2:]), dim=-1)
    in_crop = in_crop * (size / crop.side)
    fit = fit_head(points)
    pose = fit.pose(centre=centre.expand(num, 2), side=torch.full((num,), crop.side))
    keys = sorted({*range(0, num, emotion_every), num - 1})
    found = emotion(to_images(frames[keys]), in_crop[keys]).numpy()
    weights = [np.interp(np.arange(num), keys, found[:, i]) for i in range(len(EMOTIONS))]
    return FaceLabels(
        landmarks=ibug68(in_crop)[..., :2].numpy().astype(np.float32),
        pose=pose.numpy().astype(np.float32),
        gaze=gaze_angles(fit.to_head(points)).numpy().astype(np.float32),
        blink=blink_amount(blendshapes(points)).numpy().astype(np.float32),
        emotion=np.stack(weights, axis=-1).astype(np.float32),
        quality=sharpness(frames).astype(np.float32),
        valid=valid.astype(bool),
        mouth=mouth_shape(points).numpy().astype(np.float32),
    )
