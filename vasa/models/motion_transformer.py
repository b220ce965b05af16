"""H(X_t, t, C): the transformer that denoises motion (VASA-1 sec. 3.2).

Shapes: b batch, s = k + t positions, k previous frames, t frames of the window, c channels,
f audio features, m motion.
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from vasa.diffusion.schedule import NoiseSchedule
from vasa.models.conditions import Conditions
from vasa.models.motion_blocks import AudioContext, TransformerBlock, rotary_tables
from vasa.models.motion_statistics import MotionStatistics, Standardiser

NUM_EMOTIONS = 8


class SpeechFeatures(Protocol):
    """An audio encoder (`vasa.data.audio_features.AudioEncoder`), as far as it matters here."""

    @property
    def dim(self) -> int:
        """f."""
        ...

    def describe(self) -> str:
        """Name, settings and weights in one line."""
        ...

    def __call__(self, audio: Tensor) -> Tensor:
        """Sound `b n` to features `b t f`."""
        ...


class MotionTransformer(nn.Module):
    """H: a transformer encoder over the frames of [X_pre, X_t], told of C.

    As in the paper, the network is a transformer encoder that predicts x0. Unspecified in the
    paper: how C enters. Here frame i's token is the sum of its motion and of its audio with local
    context, so that lip sync needs no attention to be found; timestep, gaze, distance and emotion
    modulate the blocks (adaptive layer norm, DiT, Peebles and Xie 2023). Positions are rotary,
    hence relative: windows of other lengths work. Every absent condition has a learned null token.

    Statistics of the training split are buffers, so they travel with the weights: `x_t` and the
    result are standardised motion, `Conditions` hold plain values.

    Args:
        num_motion: m, dimensions of [z_pose, z_dyn].
        audio: the encoder of the speech that it hears; it is not run here, but kept, so that
            inference hears the same.
        window: W, frames of a window in training; what inference cuts audio into.
        num_previous: K.
        schedule: of the noise that it removes.
        width: c.
        num_layers: transformer blocks.
        num_heads: attention heads.
        audio_kernel_size: frames that one convolution of the audio context sees, odd.
        audio_layers: convolutions of the audio context.
    """

    stage1_digest: Tensor

    def __init__(
        self,
        *,
        num_motion: int,
        audio: SpeechFeatures,
        window: int,
        num_previous: int,
        schedule: NoiseSchedule,
        width: int,
        num_layers: int,
        num_heads: int,
        audio_kernel_size: int,
        audio_layers: int,
    ) -> None:
        super().__init__()
        self.num_motion = num_motion
        self.audio = audio
        self.window = window
        self.num_previous = num_previous
        self.schedule = schedule
        self.width = width
        self.num_heads = num_heads

        self.motion_scale = Standardiser(num_motion)
        self.audio_scale = Standardiser(audio.dim)
        self.gaze_scale = Standardiser(2)
        self.distance_scale = Standardiser(1)
        self.register_buffer("stage1_digest", torch.zeros(32, dtype=torch.uint8))

        self.embed_noisy = nn.Linear(num_motion, width)
        self.embed_previous = nn.Linear(num_motion, width)
        self.audio_context = AudioContext(
            num_features=audio.dim,
            width=width,
            kernel_size=audio_kernel_size,
            num_layers=audio_layers,
        )
        self.embed_gaze = _mlp(2, width)
        self.embed_distance = _mlp(1, width)
        self.embed_emotion = _mlp(NUM_EMOTIONS, width)
        self.embed_timestep = _mlp(width, width)
        self.null_audio = _null_token(width)
        self.null_previous = _null_token(width)
        self.null_gaze = _null_token(width)
        self.null_distance = _null_token(width)
        self.null_emotion = _null_token(width)

        self.blocks = nn.ModuleList(
            TransformerBlock(width=width, num_heads=num_heads) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.predict = nn.Linear(width, num_motion)
        nn.init.zeros_(self.predict.bias)

    @property
    def stage1_hash(self) -> str:
        """Hash of the stage-1 net whose codes this model speaks; zeros before training."""
        return bytes(self.stage1_digest.tolist()).hex()

    def set_statistics(self, statistics: MotionStatistics) -> None:
        """Take over the training split's means, deviations and stage-1 hash."""
        self.motion_scale.set(statistics.motion_mean, statistics.motion_std)
        self.audio_scale.set(statistics.audio_mean, statistics.audio_std)
        self.gaze_scale.set(statistics.gaze_mean, statistics.gaze_std)
        self.distance_scale.set(statistics.distance_mean, statistics.distance_std)
        digest = torch.tensor(list(bytes.fromhex(statistics.stage1_hash)), dtype=torch.uint8)
        self.stage1_digest.copy_(digest)

    def normalise(self, motion: Tensor) -> Tensor:
        """Motion in its own units to standardised, `b t m`."""
        return self.motion_scale(motion)

    def denormalise(self, motion: Tensor) -> Tensor:
        """Standardised motion to its own units, `b t m`."""
        return self.motion_scale.inverse(motion)

    def forward(self, x_t: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        """Predict x0.

        Args:
            x_t: noisy standardised motion of the window, `b t m`.
            t: diffusion timesteps, `b`.
            conditions: C, in plain units.

        Returns:
            x0, standardised, `b t m`; what padded frames hold means nothing.
        """
        batch, num_frames, _ = x_t.shape
        return self.given(conditions, batch=batch, num_frames=num_frames)(x_t, t)

    def given(
        self, conditions: Conditions, *, batch: int, num_frames: int
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """H(., ., C), as `forward`, with all that no timestep changes made once for all steps.

        Args:
            conditions: C, in plain units.
            batch: b.
            num_frames: t of the window.
        """
        device = self.null_audio.device
        valid = self._valid(conditions, batch, num_frames, device)
        previous = F.pad(self._previous_tokens(conditions, batch), (0, 0, 0, num_frames))
        heard = previous + self._audio_tokens(conditions, batch, num_frames, valid)
        asked = self._controls(conditions, batch)
        rotary = rotary_tables(
            num_positions=self.num_previous + num_frames,
            num_channels=self.width // self.num_heads,
            device=device,
        )

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            tokens = heard + F.pad(self.embed_noisy(x_t), (0, 0, self.num_previous, 0))
            timesteps = self.embed_timestep(timestep_features(t, num_channels=self.width))
            for block in self.blocks:
                tokens = block(tokens, timesteps + asked, valid, rotary)
            return self.predict(self.norm(tokens[:, self.num_previous :]))

        return denoise

    def _valid(
        self, conditions: Conditions, batch: int, num_frames: int, device: torch.device
    ) -> Tensor:
        """Positions that may be attended to: all but padding, `b s`."""
        previous = torch.ones((batch, self.num_previous), dtype=torch.bool, device=device)
        window = conditions.frame_mask
        if window is None:
            window = torch.ones((batch, num_frames), dtype=torch.bool, device=device)
        return torch.cat((previous, window), dim=1)

    def _previous_tokens(self, conditions: Conditions, batch: int) -> Tensor:
        null = repeat(self.null_previous, "c -> b k c", b=batch, k=self.num_previous)
        if conditions.motion_pre is None:
            return null
        tokens = self.embed_previous(self.motion_scale(conditions.motion_pre))
        return _where(conditions.pre_mask, tokens, null)

    def _audio_tokens(
        self, conditions: Conditions, batch: int, num_frames: int, valid: Tensor
    ) -> Tensor:
        previous = self._embed_audio(
            conditions.audio_pre, conditions.pre_mask, batch, self.num_previous
        )
        window = self._embed_audio(conditions.audio, conditions.audio_mask, batch, num_frames)
        return self.audio_context(torch.cat((previous, window), dim=1), valid)

    def _embed_audio(
        self, features: Tensor | None, mask: Tensor | None, batch: int, length: int
    ) -> Tensor:
        null = repeat(self.null_audio, "c -> b l c", b=batch, l=length)
        if features is None:
            return null
        return _where(mask, self.audio_context.embed(self.audio_scale(features)), null)

    def _controls(self, conditions: Conditions, batch: int) -> Tensor:
        """Gaze, distance and emotion, `b c`."""
        total = torch.zeros((), device=self.null_gaze.device)
        parts = (
            (conditions.gaze, conditions.gaze_mask, self.gaze_scale, "gaze"),
            (conditions.distance, conditions.distance_mask, self.distance_scale, "distance"),
            (conditions.emotion, conditions.emotion_mask, nn.Identity(), "emotion"),
        )
        for value, mask, scale, name in parts:
            null = repeat(getattr(self, f"null_{name}"), "c -> b c", b=batch)
            embed = getattr(self, f"embed_{name}")
            total = total + (null if value is None else _where(mask, embed(scale(value)), null))
        return total


def timestep_features(t: Tensor, *, num_channels: int) -> Tensor:
    """Sines and cosines of the timestep at geometric frequencies, `b c`."""
    half = num_channels // 2
    steps = torch.arange(half, device=t.device, dtype=torch.float32)
    angles = t.float()[:, None] * torch.exp(-math.log(10_000.0) * steps / half)
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


def _null_token(width: int) -> nn.Parameter:
    return nn.Parameter(0.02 * torch.randn(width))


def _mlp(num_inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(num_inputs, width), nn.SiLU(), nn.Linear(width, width))


def _where(mask: Tensor | None, values: Tensor, null: Tensor) -> Tensor:
    if mask is None:
        return values
    return torch.where(rearrange(mask, "... -> ... 1"), values, null.to(values.dtype))
