"""What stage 1's training can be told; conf/experiment/stage1 holds the values."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stage1Weights:
    """Weights of the losses.

    Each loss is logged, also at weight 0; those that only larger sizes use cost nothing at weight 0
    but a look without gradients every `log_unused_every` steps. Two are not: without a
    discriminator (`discriminator: null`, as at tiny and small) or before it plays, there is nobody
    to ask for `adversarial` and `matching`, and there is no such number. `mouth` and `eyes` are
    no terms of the sum but weights of pixels in `reconstruction` and `squared`; what is logged
    under their names, as often as a look, is the L1 of the region alone.

    Attributes:
        reconstruction: weighted L1.
        squared: weighted squared error.
        perceptual: features of the loss expert.
        pose: pose code against labels.
        landmarks: places that the pose is read from, against labels.
        consistency: VASA-1's transfer consistency.
        cross_identity: VASA-1's cross-identity term, on the embedding of `module.identity`.
        transfer: measured pose, mouth, gaze and blink of results and of transfers.
        dynamics: mouth, gaze and blink read linearly off the dynamics code, against labels.
        bottleneck: information in the dynamics code.
        pose_leak: head pose that a linear probe finds in the dynamics code.
        identity_leak: person that it finds; 0 where the frames of a clip share more than the person
            (an emotion, a main gaze), which would go with it.
        face_features: features of `module.identity` (MegaPortraits takes VGGFace's).
        gaze_features: features of the face expert, on the eyes alone.
        cycle: MegaPortraits' large-margin cosine over dynamics codes.
        adversarial: hinge against the discriminator.
        matching: the discriminator's features.
        warp_size: magnitude of the non-rigid offsets of source and driver, and of the driver's
            residual.
        warp_roughness: their differences between neighbours.
        mouth: region weight of the mouth in the reconstruction.
        eyes: region weight of the eyes.
    """

    reconstruction: float
    squared: float
    perceptual: float
    pose: float
    landmarks: float
    consistency: float
    cross_identity: float
    transfer: float
    dynamics: float
    bottleneck: float
    pose_leak: float
    identity_leak: float
    face_features: float
    gaze_features: float
    cycle: float
    adversarial: float
    matching: float
    warp_size: float
    warp_roughness: float
    mouth: float
    eyes: float


@dataclass(frozen=True, kw_only=True)
class DriverAugmentation:
    """How the dynamics encoder's view is spoiled.

    Attributes:
        flow_knots: control points a side of the smooth warp.
        flow_amplitude: its size, half pictures.
        colour: strength of the colour jitter.
        pose_noise: noise on the pose that places the crops, in units of `POSE_UNITS`.
        code_noise: noise on the dynamics code, the bottleneck's sigma.
    """

    flow_knots: int
    flow_amplitude: float
    colour: float
    pose_noise: float
    code_noise: float


@dataclass(frozen=True, kw_only=True)
class AdversarySettings:
    """How generator and discriminator play.

    Attributes:
        start_step: before it there is no discriminator: it would win against blurred pictures.
        lr: the discriminator's highest learning rate; the rest is as the generator's.
    """

    start_step: int
    lr: float


@dataclass(frozen=True, kw_only=True)
class ForegroundSettings:
    """Where losses on pictures act (`vasa.losses.foreground.head_weights`).

    Attributes:
        floor: weight of what is not head; 1 for no foreground weighting.
        crown: height of the head above the landmarks.
        dilation: how far the head's hull is grown.
        softness: width of its edge.
    """

    floor: float
    crown: float
    dilation: float
    softness: float
