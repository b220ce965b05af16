"""Perceptual features: "perceptual(squeezenet)", which is not LPIPS, and networks like it."""

from pathlib import Path
from typing import Protocol

from torch import Tensor

from vasa.pretrained.expert import FrozenExpert
from vasa.pretrained.vgg import VGG19Features
from vasa.types import InputError

PERCEPTUAL_NETWORKS = ("vgg19", "squeezenet")
"""Besides them, stage 1 can look through its own face expert (`perceptual: face_expert`)."""


class PerceptualNetwork(Protocol):
    """A frozen network that perceptual losses look through; differentiable in the picture."""

    def __call__(self, images: Tensor, /) -> list[Tensor]:
        """Feature maps `b c h w`, fine to coarse, of pictures `b 3 h w` in [0, 1]."""
        ...

    def describe(self) -> dict[str, str]:
        """What a result names: the network, its file, checksum and licence."""
        ...


class SqueezeNetFeatures(FrozenExpert):
    """Seven feature maps of an ImageNet SqueezeNet 1.1 (LPIPS's taps, other weights)."""

    name = "squeezenet_features"

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Feature maps of pictures `b 3 h w` in [0, 1], sides at least 17."""
        return list(self.call(images))

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Squared difference of channel-normalised features, mean over places and taps, `b`.

        0 for the same picture, lower is nearer; differentiable in both. Reacts strongly to noise.
        """
        total = first.new_zeros(len(first))
        taps = list(zip(self(first), self(second), strict=True))
        for one, other in taps:
            one = one / one.norm(dim=1, keepdim=True).clamp_min(1e-10)
            other = other / other.norm(dim=1, keepdim=True).clamp_min(1e-10)
            total = total + (one - other).square().sum(dim=1).mean(dim=(1, 2))
        return total / len(taps)


def make_perceptual(name: str, weights: str | Path | None = None) -> PerceptualNetwork:
    """The network that a configuration names; none stands in for another.

    Args:
        name: one of `PERCEPTUAL_NETWORKS`.
        weights: vgg19: its file, or None to look in VASA_WEIGHTS; squeezenet: None.

    Raises:
        InputError: an unknown name, weights that are missing, or weights where none are taken.
    """
    if name == "vgg19":
        return VGG19Features(path=None if weights is None else Path(weights))
    if name == "squeezenet":
        if weights is not None:
            raise InputError(
                f"expected no weights for squeezenet, which is looked up in VASA_WEIGHTS, got "
                f"{weights}; leave them out"
            )
        return SqueezeNetFeatures()
    raise InputError(
        f"expected a perceptual network of {(*PERCEPTUAL_NETWORKS, 'face_expert')}, got {name!r}"
    )
