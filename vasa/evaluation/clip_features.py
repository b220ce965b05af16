"""Short clips out of videos, drawn by a seed, and the features by which I3D describes them.

Shapes: t frames, f features, n clips of either half.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.evaluation.methods.method import clip_seed
from vasa.pretrained.i3d import I3dFeatures

FVD_FRAMES = 25
"""Of a clip, as FVD_25's (VASA-1 sec. 4.2)."""


@dataclass(frozen=True, kw_only=True)
class ClipFeatures:
    """Who describes short clips, and which ones of a video.

    Attributes:
        name: as the results call it.
        judge: `name:<hash>` of the weights.
        of: videos `b t 3 h w` in [0, 1] to features `b f`, on the CPU.
        per_half: clips of either half of a video, at most.
        seed: by which they are drawn.
    """

    name: str
    judge: str
    of: Callable[[Tensor], Tensor]
    per_half: int
    seed: int

    def starts(self, key: str, num_frames: int) -> Tensor:
        """First frames of the clips of a video's first and second half, `2 n`, in drawn order.

        The same for all methods. Clips lie wholly in one half, so that clips of different halves
        share no frame; there are none where a half is shorter than a clip.
        """
        half = num_frames // 2
        places = max(0, half - FVD_FRAMES + 1)
        generator = torch.Generator().manual_seed(clip_seed(self.seed, key))
        drawn = [torch.randperm(places, generator=generator)[: self.per_half] for _ in range(2)]
        return torch.stack((drawn[0], num_frames - half + drawn[1]))

    def halves(self, images: Tensor, *, key: str, batch_size: int) -> Tensor:
        """Features `2 n f` of a video `t 3 h w` in [0, 1].

        Args:
            images: the video.
            key: of its clip.
            batch_size: frames at once.
        """
        starts = self.starts(key, len(images))
        if starts.numel() == 0:
            return torch.zeros(2, 0, 1)
        at_once = max(1, batch_size // FVD_FRAMES)
        parts = [
            self.of(torch.stack([images[start : start + FVD_FRAMES] for start in batch.tolist()]))
            for batch in starts.flatten().split(at_once)
        ]
        return torch.cat(parts).unflatten(0, (2, -1))

    def facts(self) -> dict[str, str | int]:
        """All that features depend on but the video."""
        return {
            "judge": self.judge,
            "per_half": self.per_half,
            "seed": self.seed,
            "frames": FVD_FRAMES,
        }


def i3d_features(*, max_rows: int, num_clips: int, seed: int, device: torch.device) -> ClipFeatures:
    """I3D, and enough clips of each of so many videos for `max_rows` of either half.

    Their number is a power of two, so that one video more or less rarely changes it.

    Raises:
        InputError: I3D's file is missing or another one.
    """
    network = I3dFeatures()
    return ClipFeatures(
        name="I3D",
        judge=f"i3d:{network.describe()['sha256'][:8]}",
        of=lambda video: network(video.to(device)).cpu(),
        per_half=2 ** math.ceil(math.log2(max(1, max_rows / num_clips))),
        seed=seed,
    )
