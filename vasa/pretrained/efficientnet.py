"""EfficientNet-lite0's features of pictures: what "FD(effnet-lite0)" compares, which is not FID."""

from torch import Tensor
from torch.nn.functional import interpolate

from vasa.pretrained.expert import FrozenExpert

INPUT_SIZE = 224


class EfficientNetFeatures(FrozenExpert):
    """What an ImageNet EfficientNet-lite0 sees before its classifier.

    Stands where FID has InceptionV3 (Heusel et al. 2017), on a scale of its own: only distances of
    this very file compare.
    """

    name = "efficientnet_lite0"

    def __call__(self, images: Tensor) -> Tensor:
        """Features `b 1280` of pictures `b 3 h w` in [0, 1].

        Other sizes than 224 px are scaled, bilinearly and with antialiasing.
        """
        if images.shape[-2:] != (INPUT_SIZE, INPUT_SIZE):
            size = (INPUT_SIZE, INPUT_SIZE)
            images = interpolate(images.float(), size=size, mode="bilinear", antialias=True)
        features, _ = self.call(images)
        return features
