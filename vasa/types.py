"""Values that cross package borders: latents, measurements, and the user's mistakes.

Shapes: b batch, c channels, d depth, h height, w width, k identity, m dynamics, e embedding.
"""

from dataclasses import dataclass, replace

from torch import Tensor


class InputError(ValueError):
    """The user's mistake: what was expected, what came, what to do. The CLI exits with code 2."""


@dataclass(frozen=True, kw_only=True)
class FaceLatents:
    """What stage 1 says of one face (VASA-1 sec. 3.1).

    Attributes:
        app_volume: canonical appearance volume V_app, `b c d h w`.
        z_id: identity code, `b k`.
        z_pose: yaw, pitch, roll (rad), tx, ty (half pictures), log scale, `b 6`.
        z_dyn: holistic facial dynamics, `b m`.
    """

    app_volume: Tensor
    z_id: Tensor
    z_pose: Tensor
    z_dyn: Tensor

    def with_motion(self, *, z_pose: Tensor, z_dyn: Tensor) -> "FaceLatents":
        """The same face in another motion; the appearance may stay a batch of one."""
        return replace(self, z_pose=z_pose, z_dyn=z_dyn)


@dataclass(frozen=True, kw_only=True)
class FaceMeasurements:
    """What a face expert reads off a picture; none of it comes from the generator.

    Attributes:
        identity: L2-normalised embedding, `b e`.
        pose: yaw, pitch, roll (rad), tx, ty (half pictures), log scale, `b 6`.
        mouth: inner-lip gap and corner distance over the outer-eye-corner distance, `b 2`.
        gaze: theta, phi (rad) relative to the head, `b 2`.
        blink: 0 open to 1 closed, `b`.
        presence: logit, above 0 where there is a face, `b`.
        landmarks: iBUG-68 points in pixels of the picture (edge coordinates), `b 68 2`; None where
            an expert finds none.
        emotion: weights of the eight emotions, `b 8`; None where an expert reads none.
    """

    identity: Tensor
    pose: Tensor
    mouth: Tensor
    gaze: Tensor
    blink: Tensor
    presence: Tensor
    landmarks: Tensor | None = None
    emotion: Tensor | None = None
