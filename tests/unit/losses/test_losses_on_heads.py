"""Losses that look for places on a face, on rendered heads whose truth is known."""

import numpy as np
import pytest
import torch

from data_prep.synth.identity import sample_identity
from data_prep.synth.landmarks import landmarks
from data_prep.synth.render import Renderer
from data_prep.synth.state import FaceState
from vasa.data.schema import REGIONS
from vasa.losses.foreground import head_weights
from vasa.losses.gaze_features import gaze_feature_loss
from vasa.losses.perceptual import perceptual_loss
from vasa.pretrained.perceptual import SqueezeNetFeatures

SIZE = 96
STRAIGHT = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
TURNED = (0.45, 0.1, 0.15, 0.05, 0.02, -0.05)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(who=sample_identity(seed=0, person=0), size=SIZE)


def drawn(renderer: Renderer, **factors) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Picture `1 3 h w`, landmarks `1 68 2` in half pictures, regions `1 h w`."""
    state = FaceState(**{name: np.asarray(value) for name, value in factors.items()})
    found = renderer.render(state)
    points = landmarks(who=renderer.who, tables=renderer.tables, state=state, size=SIZE)
    return (
        torch.from_numpy(found.image).permute(2, 0, 1)[None].float() / 255,
        torch.from_numpy(points)[None] * (2 / SIZE) - 1,
        torch.from_numpy(found.regions.astype(np.int64))[None],
    )


@pytest.mark.parametrize("pose", [STRAIGHT, TURNED])
def test_landmarks_alone_find_most_of_a_head(renderer, pose):
    _, points, regions = drawn(renderer, pose=np.array(pose))
    truth = ((regions != 0) & (regions != REGIONS.index("neck")))[:, None]
    found = head_weights(points, SIZE, crown=1.1, dilation=0.05, softness=1e-3, floor=0.0) > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.75
    assert (found & truth).sum() / truth.sum() > 0.8
    shifted = found.roll(SIZE // 4, dims=-1)
    assert (shifted & truth).sum() / (shifted | truth).sum() < 0.6


def test_looking_elsewhere_costs_more_at_the_eyes_than_speaking(renderer, weights_dir, monkeypatch):
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    network = SqueezeNetFeatures()
    target, points, _ = drawn(renderer)
    costs = {
        name: (
            gaze_feature_loss(picture, target, points, network, crop_px=48, reach=0.35).item(),
            perceptual_loss(picture, target, network).item(),
        )
        for name, picture in {
            "same": target,
            "aside": drawn(renderer, gaze=(0.4, 0.0))[0],
            "a little aside": drawn(renderer, gaze=(0.1, 0.0))[0],
            "shut": drawn(renderer, blink=1.0)[0],
            "mouth open": drawn(renderer, opening=0.25)[0],
        }.items()
    }
    at_eyes = {name: cost[0] for name, cost in costs.items()}
    assert at_eyes["same"] == 0
    assert at_eyes["a little aside"] < at_eyes["aside"]
    assert min(at_eyes["aside"], at_eyes["shut"]) > 5 * at_eyes["mouth open"]
    # the whole picture's distance says the contrary: that is why the eyes have their own
    assert costs["mouth open"][1] > costs["aside"][1]
