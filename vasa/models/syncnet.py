"""SyncNet: do these lips move with this sound? (Chung and Zisserman, "Out of time", ACCV-W 2016)

Two towers embed five frames of the lower face and the matching 0.2 s of sound; distances of the
two embeddings over time shifts give S_C and S_D (VASA-1 sec. 4.2). What differs from the paper:
a smaller net, RGB frames, log-mel in place of MFCC, GroupNorm, unit-length embeddings. Its numbers
are therefore named S_C(own), never S_C of the published weights.
"""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from vasa.types import InputError

WINDOW_FRAMES = 5
SAMPLES_PER_FRAME = 640
HOP_SAMPLES = 160
MELS_PER_FRAME = SAMPLES_PER_FRAME // HOP_SAMPLES
WINDOW_MELS = WINDOW_FRAMES * MELS_PER_FRAME
_FFT_SAMPLES = 512
_STFT_SAMPLES = 400
_LOG_FLOOR = 1e-6


def mel_filters(*, num_mels: int, low_hz: float, high_hz: float) -> Tensor:
    """Triangular filters on the HTK mel scale, mel = 2595 log10(1 + hz / 700), `mels bins`."""
    low, high = 2595 * np.log10(1 + np.array([low_hz, high_hz]) / 700)
    mel_edges = np.linspace(low, high, num_mels + 2)
    edges = 700 * (10 ** (mel_edges / 2595) - 1)
    bins = np.linspace(0, 8_000, _FFT_SAMPLES // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return torch.from_numpy(np.maximum(0, np.minimum(rising, falling))).float()


class LogMel(nn.Module):
    """Log-mel energies every 10 ms; mel frame k is centred on samples [160 k, 160 (k + 1))."""

    filters: Tensor
    taper: Tensor

    def __init__(self, *, num_mels: int) -> None:
        super().__init__()
        filters = mel_filters(num_mels=num_mels, low_hz=60.0, high_hz=7_600.0)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("taper", torch.hann_window(_STFT_SAMPLES), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """`b n` at 16 kHz to natural-log mel energies less the clip's mean, `b n/160 mels`.

        The clip's mean spectrum is taken off, so that neither loudness, microphone nor voice
        reaches the net, but only what changes in time.
        """
        edge = (_STFT_SAMPLES - HOP_SAMPLES) // 2
        pieces = functional.pad(audio, (edge, edge)).unfold(-1, _STFT_SAMPLES, HOP_SAMPLES)
        power = torch.fft.rfft(pieces * self.taper, n=_FFT_SAMPLES).abs().square()
        log_mel = (power @ self.filters.T + _LOG_FLOOR).log()
        return log_mel - log_mel.mean(dim=1, keepdim=True)


class SyncNet(nn.Module):
    """Embeds windows of lower-face frames and of sound into one space.

    Args:
        size: side in pixels at which the face crop is read; others are resized.
        top: rows of the crop above this fraction are cut off (the mouth side is kept).
        visual_widths: channels after each halving of the picture.
        audio_widths: channels of the audio tower's convolutions.
        num_mels: mel bands.
        hidden: width of the layer before each embedding.
        embedding_dim: length of the embeddings.
        groups: groups of every GroupNorm; divides each width.
    """

    least_frames = WINDOW_FRAMES

    def __init__(
        self,
        *,
        size: int,
        top: float,
        visual_widths: Sequence[int],
        audio_widths: Sequence[int],
        num_mels: int,
        hidden: int,
        embedding_dim: int,
        groups: int,
    ) -> None:
        super().__init__()
        self.size = size
        self.first_row = round(top * size)
        self.log_mel = LogMel(num_mels=num_mels)
        self.frame_net = _conv_net(in_channels=3, widths=visual_widths, groups=groups)
        halvings = 2 ** len(visual_widths)
        rows, columns = -(-(size - self.first_row) // halvings), -(-size // halvings)
        self.frame_features = nn.Linear(visual_widths[-1] * rows * columns, hidden)
        self.video_head = nn.Sequential(
            nn.Linear(hidden * WINDOW_FRAMES, hidden), nn.SiLU(), nn.Linear(hidden, embedding_dim)
        )
        self.audio_net = _conv_net(in_channels=1, widths=audio_widths, groups=groups)
        halvings = 2 ** len(audio_widths)
        flat = audio_widths[-1] * -(-WINDOW_MELS // halvings) * -(-num_mels // halvings)
        self.audio_head = nn.Sequential(
            nn.Linear(flat, hidden), nn.SiLU(), nn.Linear(hidden, embedding_dim)
        )

    def embed_video(self, clip: Tensor) -> Tensor:
        """Embed every window of five frames.

        Args:
            clip: face crops, RGB in [0, 1], `b t c h w`, t >= 5.

        Returns:
            L2-normalised embeddings of frames i .. i + 4, `b t-4 e`.

        Raises:
            InputError: fewer than five frames.
        """
        if clip.shape[1] < WINDOW_FRAMES:
            raise InputError(f"expected at least {WINDOW_FRAMES} frames, got {clip.shape[1]}")
        frames = rearrange(clip, "b t c h w -> (b t) c h w")
        if frames.shape[-2:] != (self.size, self.size):
            frames = functional.interpolate(
                frames, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True
            )
        maps = self.frame_net(frames[..., self.first_row :, :] * 2 - 1)
        features = functional.silu(self.frame_features(maps.flatten(1)))
        features = rearrange(features, "(b t) f -> b t f", b=len(clip))
        windows = rearrange(features.unfold(1, WINDOW_FRAMES, 1), "b t f w -> b t (w f)")
        return functional.normalize(self.video_head(windows), dim=-1)

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Embed the sound of every window of five frames.

        Args:
            audio: mono at 16 kHz in [-1, 1], `b n`, n = 640 t, t >= 5.

        Returns:
            L2-normalised embeddings of samples [640 i, 640 (i + 5)), `b t-4 e`.

        Raises:
            InputError: a length that is not a whole number of frames, or fewer than five.
        """
        num_frames, rest = divmod(audio.shape[-1], SAMPLES_PER_FRAME)
        if rest or num_frames < WINDOW_FRAMES:
            raise InputError(
                f"expected {SAMPLES_PER_FRAME} audio samples a frame and at least "
                f"{WINDOW_FRAMES} frames, got {audio.shape[-1]} samples"
            )
        windows = self.log_mel(audio).unfold(1, WINDOW_MELS, MELS_PER_FRAME)
        maps = self.audio_net(rearrange(windows, "b t f m -> (b t) 1 m f") / 4)
        embedding = functional.normalize(self.audio_head(maps.flatten(1)), dim=-1)
        return rearrange(embedding, "(b t) e -> b t e", b=len(audio))


def _conv_net(*, in_channels: int, widths: Sequence[int], groups: int) -> nn.Sequential:
    """Strided 3x3 convolutions with GroupNorm and SiLU, one halving each."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [
            nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(groups, width),
            nn.SiLU(),
        ]
        in_channels = width
    return nn.Sequential(*layers)
