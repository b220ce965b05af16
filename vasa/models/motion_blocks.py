"""Blocks of the motion transformer.

Shapes: b batch, s positions, c channels, n heads, d channels of a head.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F


class AudioContext(nn.Module):
    """Audio features of a frame with those of the frames around it.

    Unspecified in the paper: it feeds Wav2Vec2 features, which have seen their surroundings.
    Log-mel features have not, hence residual convolutions over time, which also give the
    coarticulation of neighbouring sounds a short way into the frame.

    Args:
        num_features: audio features of a frame.
        width: c.
        kernel_size: frames seen by one convolution, odd.
        num_layers: convolutions.
    """

    def __init__(self, *, num_features: int, width: int, kernel_size: int, num_layers: int) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"expected an odd audio kernel size, got {kernel_size}")
        self.embed = nn.Linear(num_features, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(num_layers))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, kernel_size, padding=kernel_size // 2)
            for _ in range(num_layers)
        )

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Mix embedded features over time; positions that are not valid count as zeros.

        Args:
            tokens: embedded audio, `b s c`.
            valid: True = belongs to the clip, `b s`.
        """
        keep = rearrange(valid.to(tokens.dtype), "b s -> b s 1")
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            context = rearrange(norm(tokens) * keep, "b s c -> b c s")
            context = rearrange(convolution(context), "b c s -> b s c")
            tokens = tokens + F.gelu(context)
        return tokens


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward part, both under adaptive layer norm.

    The modulation starts at zero: at first the block passes its input on.

    Args:
        width: c.
        num_heads: n.
    """

    def __init__(self, *, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(modulation.weight)
        nn.init.zeros_(modulation.bias)
        self.modulate = nn.Sequential(nn.SiLU(), modulation)

    def forward(
        self, tokens: Tensor, modulation: Tensor, valid: Tensor, rotary: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Transform `b s c`; positions that are not valid are never attended to.

        Args:
            tokens: `b s c`.
            modulation: embedding of the conditions of the whole window, `b c`.
            valid: `b s`.
            rotary: of `rotary_tables`.
        """
        changes = rearrange(self.modulate(modulation), "b (p c) -> p b 1 c", p=6)
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = changes
        normed = self.attention_norm(tokens) * (1 + scale_1) + shift_1
        tokens = tokens + gate_1 * self._attend(normed, valid, rotary)
        normed = self.feed_norm(tokens) * (1 + scale_2) + shift_2
        return tokens + gate_2 * self.feed(normed)

    def _attend(self, tokens: Tensor, valid: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        query, key, value = rearrange(
            self.query_key_value(tokens), "b s (p n d) -> p b n s d", p=3, n=self.num_heads
        )
        attended = attend(
            rotate(query, rotary), rotate(key, rotary), value, rearrange(valid, "b s -> b 1 1 s")
        )
        return self.attention_out(rearrange(attended, "b n s d -> b s (n d)"))


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V over the positions that `mask` allows, `b n s d`.

    Written out on a CPU: for windows of this length the backward pass of PyTorch's fused kernel
    takes four times as long there in bfloat16.
    """
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    scores = (query @ rearrange(key, "b n s d -> b n d s")) * query.shape[-1] ** -0.5
    return scores.masked_fill(~mask, float("-inf")).softmax(dim=-1).to(value.dtype) @ value


def rotary_tables(
    *, num_positions: int, num_channels: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary position embedding (Su et al. 2021), each `s d/2`."""
    half = num_channels // 2
    frequencies = 10_000.0 ** (-torch.arange(half, device=device, dtype=torch.float32) / half)
    positions = torch.arange(num_positions, device=device, dtype=torch.float32)
    angles = positions[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(values: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate channel pairs (i, i + d/2) of `b n s d` by their position's angles."""
    cos, sin = (table.to(values.dtype) for table in rotary)
    first, second = values.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)
