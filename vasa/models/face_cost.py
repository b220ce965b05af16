"""What a face autoencoder costs: parameters and floating-point operations, without running it.

Two operations a multiply-add. Convolutions and matrix products are counted by PyTorch's
`FlopCounterMode`, which knows nothing of norms, activations, softmax and interpolation; neither
does this. Reading a volume or a picture at places is estimated here, apart.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vasa.models.face_autoencoder import POSE_DIM, FaceAutoencoder
from vasa.types import FaceLatents


@dataclass(frozen=True, kw_only=True)
class FaceCost:
    """Cost of one picture.

    Attributes:
        parameters: numbers of each part, by its name in the autoencoder.
        encode_gflop: of each part in `encode`, which a portrait goes through once.
        decode_gflop: of each part in `decode`, for one motion.
        encode_sampling_gflop: estimate of what `encode` spends on reading at places.
        decode_sampling_gflop: the same of `decode`.
    """

    parameters: dict[str, int]
    encode_gflop: dict[str, float]
    decode_gflop: dict[str, float]
    encode_sampling_gflop: float
    decode_sampling_gflop: float


def face_cost(net: FaceAutoencoder) -> FaceCost:
    """Parameters and operations of encoding one picture and of drawing one motion of it."""
    counted = copy.deepcopy(net).to("meta").eval().requires_grad_(False)
    image = torch.zeros(1, 3, net.image_size, net.image_size, device="meta")
    encode = _count(counted, counted.encode, image)
    decode = _count(counted, counted.decode, blank_latents(counted, num_motions=1))
    return FaceCost(
        parameters={
            name: sum(parameter.numel() for parameter in part.parameters())
            for name, part in net.named_children()
        },
        encode_gflop=encode[0],
        decode_gflop=decode[0],
        encode_sampling_gflop=encode[1],
        decode_sampling_gflop=decode[1],
    )


def blank_latents(net: FaceAutoencoder, *, num_motions: int) -> FaceLatents:
    """Latents of zeros, of the shapes that `net.decode` takes: one face in some motions."""
    channels, depth, height, width = net.volume_size
    device = next(net.parameters()).device

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(*shape, device=device)

    return FaceLatents(
        app_volume=zeros(1, channels, depth + 1, height, width),
        z_id=zeros(1, net.z_id_dim),
        z_pose=zeros(num_motions, POSE_DIM),
        z_dyn=zeros(num_motions, net.z_dyn_dim),
    )


def _sampling_operations(taps: int) -> Any:
    """Reading c channels at n places as weighted sums of some neighbours: 2 c n taps."""

    def operations(source: Any, grid: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        places = 1
        for side in grid[:-1]:
            places *= side
        return 2 * taps * source[1] * places

    return operations


class _Call(nn.Module):
    """A method of a network as a module: the counter names parts from the module it enters."""

    def __init__(self, net: nn.Module, work: Any) -> None:
        super().__init__()
        self.net = net
        self.work = work

    def forward(self, given: Any) -> Any:
        return self.work(given)


def _count(net: nn.Module, work: Any, given: Any) -> tuple[dict[str, float], float]:
    """GFLOP of each part, and of sampling by all of them."""
    aten = torch.ops.aten
    sampling = {aten.grid_sampler_2d: 4, aten.grid_sampler_3d: 8}
    mapping = {op: _sampling_operations(taps) for op, taps in sampling.items()}
    counter = FlopCounterMode(display=False, custom_mapping=mapping)
    with torch.no_grad(), counter:
        _Call(net, work)(given)
    counts = counter.get_flop_counts()
    sampled = sum(counts["Global"].get(op, 0) for op in sampling)
    parts = {}
    for name, _ in net.named_children():
        inside = counts.get(f"_Call.net.{name}", {})
        if found := sum(inside[op] for op in inside if op not in sampling):
            parts[name] = found / 1e9
    return parts, sampled / 1e9
