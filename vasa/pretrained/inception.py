"""InceptionV3's features of pictures: what FID compares (Heusel et al. 2017).

The file is the TorchScript port of TensorFlow's Inception of 2015-12-05 that StyleGAN2-ADA and
StyleGAN3 measure with (NVlabs/stylegan3, metrics/frechet_inception_distance.py); torchvision's
Inception is another network, and distances of it are not FID.
"""

import torch
from torch import Tensor

from vasa.pretrained.expert import FrozenExpert


class InceptionFeatures(FrozenExpert):
    """InceptionV3's last pooling, called as `net(images, return_features=True)`.

    The network wants 0 ... 255 in the layout `b c h w`, scales to 299 x 299 px (bilinearly, without
    antialiasing) and to [-1, 1] itself. Pictures in [0, 1] are rounded to whole 8-bit values first,
    as StyleGAN's metrics store them; the network makes floats of them at once, so that they are
    handed over as floats.
    """

    name = "inception"

    def __call__(self, images: Tensor) -> Tensor:
        """Features `b 2048`, float32, of pictures `b 3 h w` in [0, 1], any size."""
        with torch.no_grad():
            return self.call((images.float() * 255).round().clamp(0, 255), return_features=True)
