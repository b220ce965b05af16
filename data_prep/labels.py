"""Labels of a prepared clip, from landmarks at the source's resolution and from its crops."""

import numpy as np
import torch
from torch import Tensor

from data_prep.crop import SteadyCrop
from data_prep.landmark_backends import LandmarkBackend
from data_prep.picture_quality import sharpness
from data_prep.track import to_images
from vasa.data.controls import head_distance, main_gaze, mean_emotion
from vasa.data.schema import EMOTIONS, FaceLabels
from vasa.pretrained.emotion import EmotionNet
from vasa.pretrained.face_shape import blink_amount, gaze_angles, held_while_shut, mouth_shape
from vasa.pretrained.head_pose import fit_head
from vasa.pretrained.landmarks import Blendshapes


def carried_into_crop(landmarks: np.ndarray, crop: SteadyCrop, *, size: int) -> np.ndarray:
    """Landmarks `t 478 3` in pixels of the source, in pixels of the crop at `size`."""
    corner = np.array([*crop.centre, 0], np.float32) - [crop.side / 2, crop.side / 2, 0]
    return ((landmarks - corner) * (size / crop.side)).astype(np.float32)


@torch.no_grad()
def face_labels(
    landmarks: np.ndarray,
    valid: np.ndarray,
    frames: np.ndarray,
    crop: SteadyCrop,
    *,
    backend: LandmarkBackend,
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
        backend: of the 68 landmarks.
        blendshapes: expression network.
        emotion: emotion network.
        emotion_every: frames between its runs.
    """
    num, size = len(frames), frames.shape[1]
    points = torch.from_numpy(landmarks).float()
    in_crop = carried_into_crop(landmarks, crop, size=size)
    fit = fit_head(points)
    centre = torch.tensor(crop.centre).expand(num, 2)
    pose = fit.pose(centre=centre, side=torch.full((num,), crop.side))
    blink = blink_amount(blendshapes(points))
    gaze = held_while_shut(gaze_angles(fit.to_head(points)), blink)
    return FaceLabels(
        landmarks=backend(frames, in_crop),
        pose=pose.numpy().astype(np.float32),
        gaze=gaze.numpy().astype(np.float32),
        blink=blink.numpy().astype(np.float32),
        emotion=_emotion(frames, torch.from_numpy(in_crop), emotion, every=emotion_every),
        quality=sharpness(frames).astype(np.float32),
        valid=valid.astype(bool),
        mouth=mouth_shape(points).numpy().astype(np.float32),
    )


def _emotion(frames: np.ndarray, in_crop: Tensor, net: EmotionNet, *, every: int) -> np.ndarray:
    num = len(frames)
    keys = sorted({*range(0, num, every), num - 1})
    found = net(to_images(frames[keys]), in_crop[keys]).numpy()
    weights = [np.interp(np.arange(num), keys, found[:, i]) for i in range(len(EMOTIONS))]
    return np.stack(weights, axis=-1).astype(np.float32)


def label_measures(labels: FaceLabels) -> dict[str, float]:
    """What the labels say of a clip as a whole: columns of the index."""
    judged = labels.valid if labels.valid.any() else np.ones(len(labels.valid), dtype=bool)
    yaw, pitch, roll = np.degrees(labels.pose[judged, :3].mean(axis=0))
    theta, phi = np.degrees(main_gaze(labels.gaze[judged]))
    return {
        "yaw_deg": float(yaw),
        "pitch_deg": float(pitch),
        "roll_deg": float(roll),
        "gaze_theta_deg": float(theta),
        "gaze_phi_deg": float(phi),
        "head_distance": float(head_distance(labels.pose[judged])[0]),
    }


def label_controls(labels: FaceLabels) -> dict[str, list[float]]:
    """Main gaze (rad), head distance and mean emotion of a clip (VASA-1 sec. 3.2)."""
    judged = labels.valid if labels.valid.any() else np.ones(len(labels.valid), dtype=bool)
    return {
        "main_gaze": main_gaze(labels.gaze[judged]).tolist(),
        "head_distance": head_distance(labels.pose[judged]).tolist(),
        "mean_emotion": mean_emotion(labels.emotion[judged]).tolist(),
    }
