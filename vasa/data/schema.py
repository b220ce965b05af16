"""The face shard's schema: what one prepared clip holds.

Members of a sample: `mp4` face crop, `flac` 16 kHz mono, `npz` labels a frame, `json` the rest.
Shapes: t frames, h w picture, 68 iBUG landmarks.
"""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

FPS = 25
SAMPLE_RATE_HZ = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS
SPLITS = ("train", "val", "test")
EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
REGIONS = (
    "background",
    "skin",
    "hair",
    "eyes",
    "brows",
    "lips",
    "mouth_interior",
    "neck",
)
"""Names of the values 0, 1, ... in `FaceLabels.regions`."""


@dataclass(frozen=True, kw_only=True)
class FaceLabels:
    """Labels of every frame of a clip.

    Attributes:
        landmarks: iBUG-68 points in pixels of the crop (edge coordinates), `t 68 2`.
        pose: yaw, pitch, roll (rad), tx, ty (half pictures), log scale, `t 6`.
        gaze: theta, phi (rad) relative to the head, `t 2`.
        blink: 0 open to 1 closed, mean of both eyes, `t`.
        emotion: weights of `EMOTIONS`, `t 8`.
        quality: sharpness, higher is sharper, `t`.
        valid: False where the labels cannot be trusted, `t`.
        mouth: inner-lip gap and corner distance over the outer-eye-corner distance,
            in the head's own frame, `t 2`.
        phoneme: phoneme spoken in the frame (synthetic clips only), `t`.
        regions: label map of `REGIONS` (synthetic clips only), `t h w`.
    """

    landmarks: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    blink: np.ndarray
    emotion: np.ndarray
    quality: np.ndarray
    valid: np.ndarray
    mouth: np.ndarray
    phoneme: np.ndarray | None = None
    regions: np.ndarray | None = None

    def __post_init__(self) -> None:
        num_frames = len(self.pose)
        shapes: dict[str, tuple[int, ...]] = {
            "landmarks": (num_frames, 68, 2),
            "pose": (num_frames, 6),
            "gaze": (num_frames, 2),
            "blink": (num_frames,),
            "emotion": (num_frames, len(EMOTIONS)),
            "quality": (num_frames,),
            "valid": (num_frames,),
            "mouth": (num_frames, 2),
        }
        for name, shape in shapes.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"expected labels.{name} of shape {shape}, got {found}")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The labels present, by name, as they are stored."""
        arrays = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: array for name, array in arrays.items() if array is not None}


@dataclass(frozen=True, kw_only=True)
class FaceClip:
    """One face clip: pictures, sound, labels and where they come from.

    Attributes:
        key: `<speaker>/<video>/<clip>`.
        speaker: the person; a person is in one split only.
        split: one of `SPLITS`.
        source: the set the clip comes from.
        licence: the licence of its footage.
        frames: RGB pictures, uint8 `t h w 3`, 25 fps.
        audio: mono float32 in [-1, 1] at 16 kHz, exactly 640 samples a frame.
        labels: labels of every frame.
        extra: whatever else describes the clip, JSON values only.
    """

    key: str
    speaker: str
    split: str
    source: str
    licence: str
    frames: np.ndarray
    audio: np.ndarray
    labels: FaceLabels
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"expected split to be one of {SPLITS}, got {self.split!r}")
        num_frames = len(self.frames)
        if len(self.labels.pose) != num_frames:
            raise ValueError(
                f"expected labels of {num_frames} frames in {self.key}, got {len(self.labels.pose)}"
            )
        if len(self.audio) != num_frames * SAMPLES_PER_FRAME:
            raise ValueError(
                f"expected {num_frames * SAMPLES_PER_FRAME} audio samples for {num_frames} frames "
                f"in {self.key}, got {len(self.audio)}"
            )
