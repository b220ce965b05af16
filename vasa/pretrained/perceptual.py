"""Perceptual features: "perceptual(squeezenet)", which is not LPIPS."""

from torch import Tensor

from vasa.pretrained.expert import FrozenExpert


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
