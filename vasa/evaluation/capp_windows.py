"""Windows of clips as CAPP embeds them, on the network's device; embeddings come to the CPU.

Shapes: t frames of a clip, n windows, w frames of a window, e embedding.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.data.pose_windows import LEAST_VALID
from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.evaluation.protocols.probes import random_twin
from vasa.models.capp import Capp


@dataclass(frozen=True, kw_only=True)
class CappScorer:
    """A Capp on a device, and the windows that it is to score.

    Attributes:
        net: in evaluation mode.
        device: where it computes.
        margin_frames: kept free at both ends of a clip, so that every shift of the sound finds the
            same windows of poses.
        stride_frames: between the starts of windows.
    """

    net: Capp
    device: torch.device
    margin_frames: int
    stride_frames: int

    def untrained(self, *, seed: int) -> "CappScorer":
        """The same with random weights; the inputs' means and deviations stay."""
        twin = random_twin(build=lambda: _reset(deepcopy(self.net).cpu()), seed=seed)
        assert isinstance(twin, Capp)
        return CappScorer(
            net=twin.to(self.device),
            device=self.device,
            margin_frames=self.margin_frames,
            stride_frames=self.stride_frames,
        )

    @property
    def least_frames(self) -> int:
        """Frames of the shortest clip that can be scored."""
        return self.net.window + 2 * self.margin_frames

    def starts(self, valid: Tensor) -> Tensor:
        """First frames of the windows scored in a clip whose trusted frames are `valid`, `n`; none
        in one of under `least_frames`.
        """
        stop = len(valid) - self.margin_frames - self.net.window + 1
        starts = torch.arange(self.margin_frames, max(stop, self.margin_frames), self.stride_frames)
        shares = [valid[start : start + self.net.window].double().mean() for start in starts]
        return starts[torch.tensor([share >= LEAST_VALID for share in shares], dtype=torch.bool)]

    def sound(self, audio: Tensor) -> Tensor:
        """Embeddings of the sound of the windows at every frame of a clip `640t`, `t-w+1 e`."""
        windows = audio.unfold(0, SAMPLES_PER_FRAME * self.net.window, SAMPLES_PER_FRAME)
        return _in_parts(self.net.embed_audio, windows, device=self.device)

    def motion(self, pose: Tensor, valid: Tensor, *, starts: Tensor, scale: float = 1.0) -> Tensor:
        """Embeddings of head motion, `n e`.

        Args:
            pose: of the clip, `t 6`.
            valid: `t`.
            starts: first frames of the windows, `n`.
            scale: of the differences of poses: p_i becomes p_0 + scale (p_i - p_0).
        """
        frames = starts[:, None] + torch.arange(self.net.window)
        windows = pose[frames]
        first = windows[:, :1]
        windows = first + scale * (windows - first)
        together = torch.cat((windows, valid[frames][..., None].to(windows.dtype)), dim=-1)
        return _in_parts(
            lambda part: self.net.embed_pose(part[..., :-1], part[..., -1] > 0),
            together,
            device=self.device,
        )


def _in_parts(
    embed: Callable[[Tensor], Tensor], windows: Tensor, *, device: torch.device
) -> Tensor:
    return torch.cat([embed(part.to(device)).float().cpu() for part in windows.split(64)])


def _reset(net: Capp) -> Capp:
    for module in net.modules():
        reset = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
        if reset is not None:
            reset()
    return net
