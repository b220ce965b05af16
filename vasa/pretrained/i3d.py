"""I3D's features of 25-frame clips: what FVD_25 compares (VASA-1 sec. 4.2).

FVD is of Unterthiner et al. 2018; the network is I3D (Carreira and Zisserman 2017) trained on
Kinetics-400, and its features are the 400 numbers before the softmax. The file is the TorchScript
port of StyleGAN-V (github.com/universome/stylegan-v, src/metrics/frechet_video_distance.py), which
gives the TensorFlow original's numbers; it is the same in most projects that publish an FVD.
"""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate

from vasa.pretrained.expert import FrozenExpert

INPUT_SIZE = 224
MIN_FRAMES = 10
"""I3D's last pooling has no place left of fewer."""


class I3dFeatures(FrozenExpert):
    """I3D before its softmax, called as `net(video, rescale=False, resize=False, ...)`.

    The network wants 224 px and values in [-1, 1], in the layout `b c t h w`. Its own options make
    them of 8-bit videos: `rescale=True` takes x / 255 * 2 - 1, `resize=True` scales to 224 px.
    Both are done here, from pictures in [0, 1], and the network is told to leave its input alone:

        x -> 224 x 224 px, bilinear (align_corners=False, no antialiasing) -> 2 x - 1

    as JunyaoHu/common_metrics_on_video_quality (fvd/styleganv/fvd.py) does with square videos. With
    `rescale=False` nothing inside checks the range. LatentSync (bytedance/LatentSync, eval/fvd.py,
    eval/eval_fvd.py) hands over [0, 1] so, grey pictures of half the contrast to this network: its
    numbers are on another scale. The port's author names the range in universome/fvd-comparison,
    issue 4.
    """

    name = "i3d"

    def __call__(self, video: Tensor) -> Tensor:
        """Features `b 400`, float32.

        Args:
            video: RGB in [0, 1], 25 frames a second, `b t 3 h w`, ten frames or more, any size.
        """
        assert video.shape[1] >= MIN_FRAMES, f"{video.shape[1]} frames are too few for I3D"
        num = len(video)
        frames = rearrange(video, "b t c h w -> (b t) c h w").float()
        if frames.shape[-2:] != (INPUT_SIZE, INPUT_SIZE):
            frames = interpolate(
                frames, size=(INPUT_SIZE, INPUT_SIZE), mode="bilinear", align_corners=False
            )
        scaled = rearrange(2 * frames - 1, "(b t) c h w -> b c t h w", b=num).contiguous()
        with torch.no_grad():
            return self.call(scaled, rescale=False, resize=False, return_features=True)
