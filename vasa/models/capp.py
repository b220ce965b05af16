"""CAPP: does this head move with this sound? (VASA-1 sec. 4.2, contrastive audio-pose pretraining)

Two towers embed a window of head poses and the same window's sound into one space; the cosine of
the pair is the score. VASA-1 published neither code nor weights, so its numbers come from another
network on other data: values of this one are named CAPP(own).

What differs from the paper: the audio encoder stays frozen, and transformer layers on top of it
are trained in its place; the window is a setting (the paper's is 3 s).
Shapes: b batch, t frames of the window, f audio features, c channels, e embedding.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from vasa.models.motion_blocks import AudioContext
from vasa.models.motion_statistics import Standardiser
from vasa.models.motion_transformer import SpeechFeatures, timestep_features
from vasa.models.syncnet import SAMPLES_PER_FRAME
from vasa.types import InputError

NUM_POSE = 6


class Capp(nn.Module):
    """Pose tower and audio tower.

    Unspecified in the paper: what the pose tower is given, and how frames become one embedding.
    Given are poses less their mean over the window, and their change from frame to frame: where the
    head stands belongs to the camera and the person. Both are divided by constants of the training
    set, never by the window's own spread, so that too little and too much motion can be told from
    the right amount. Each frame's last token is projected to a few channels, and these, less their
    mean over the window, stand in order in the embedding: a cosine is then a correlation over
    moments, which no order of frames but the right one reaches, and which little data suffices to
    learn. With the mean left in, a still head agrees a little with any sound. Neighbouring moments
    are averaged first: a head follows its sound by a frame more or less, and the sound a frame
    aside shall not be as wrong as another's.

    Args:
        audio: the frozen encoder of the sound; kept, so that scoring hears what training heard.
        window: t, frames; what training cuts clips into and scoring compares.
        width: c of both towers.
        num_heads: attention heads.
        pose_layers: transformer layers of the pose tower, 6 in the paper.
        audio_layers: transformer layers on the audio encoder.
        audio_kernel_size: frames that one convolution before them sees, odd.
        audio_convolutions: such convolutions; log-mel features have not seen their surroundings.
        frame_channels: of each frame in the embedding; e = t x frame_channels.
        smooth_frames: that are averaged, around each; odd, 1 for none.
        dropout: in the transformer layers.
    """

    def __init__(
        self,
        *,
        audio: SpeechFeatures,
        window: int,
        width: int,
        num_heads: int,
        pose_layers: int,
        audio_layers: int,
        audio_kernel_size: int,
        audio_convolutions: int,
        frame_channels: int,
        smooth_frames: int,
        dropout: float,
    ) -> None:
        super().__init__()
        if smooth_frames < 1 or smooth_frames % 2 == 0:
            raise InputError(f"expected an odd smooth_frames, got {smooth_frames}")
        self.audio = audio
        self.window = window
        self.pose_scale = Standardiser(2 * NUM_POSE)
        self.audio_scale = Standardiser(audio.dim)
        self.pose_embed = nn.Linear(2 * NUM_POSE, width)
        self.audio_context = AudioContext(
            num_features=audio.dim,
            width=width,
            kernel_size=audio_kernel_size,
            num_layers=audio_convolutions,
        )
        shape = {
            "width": width,
            "num_heads": num_heads,
            "frame_channels": frame_channels,
            "smooth_frames": smooth_frames,
            "dropout": dropout,
        }
        self.pose_tower = _Tower(num_layers=pose_layers, **shape)
        self.audio_tower = _Tower(num_layers=audio_layers, **shape)

    def embed_pose(self, pose: Tensor, valid: Tensor | None = None) -> Tensor:
        """Embed windows of head motion.

        Args:
            pose: yaw, pitch, roll (rad), tx, ty (half pictures), log scale, `b t 6`.
            valid: frames whose pose can be trusted, `b t`; the others are not looked at.

        Returns:
            L2-normalised embeddings `b e`; those of other window lengths cannot be compared.
        """
        if valid is None:
            valid = torch.ones(pose.shape[:2], dtype=torch.bool, device=pose.device)
        tokens = self.pose_embed(self.pose_scale(pose_features(pose, valid)))
        return self.pose_tower(tokens, valid)

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Embed the sound of windows; nothing beyond a window is heard.

        Args:
            audio: mono at 16 kHz in [-1, 1], `b n`, n = 640 t.

        Returns:
            L2-normalised embeddings `b e`.

        Raises:
            InputError: a length that is not a whole number of frames.
        """
        num_frames, rest = divmod(audio.shape[-1], SAMPLES_PER_FRAME)
        if rest or not num_frames:
            raise InputError(
                f"expected {SAMPLES_PER_FRAME} audio samples a frame, got {audio.shape[-1]} samples"
            )
        return self.embed_features(self.audio(audio))

    def embed_features(self, features: Tensor) -> Tensor:
        """Embed what the audio encoder makes of windows' sound, `b t f` to `b e`."""
        valid = torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
        tokens = self.audio_context.embed(self.audio_scale(features))
        return self.audio_tower(self.audio_context(tokens, valid), valid)


class _Tower(nn.Module):
    """A transformer over a window's tokens, whose outputs stand in order in one unit vector."""

    def __init__(
        self,
        *,
        width: int,
        num_heads: int,
        num_layers: int,
        frame_channels: int,
        smooth_frames: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.width = width
        self.smooth_frames = smooth_frames
        layer = nn.TransformerEncoderLayer(
            width,
            num_heads,
            dim_feedforward=4 * width,
            dropout=dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, frame_channels)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Tokens `b t c` to unit vectors `b e`; frames that are not valid leave zeros."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        tokens = tokens + timestep_features(places, num_channels=self.width).to(tokens.dtype)
        tokens = self.layers(tokens, src_key_padding_mask=~valid)
        frames, keep = self.project(self.norm(tokens)), valid[..., None].to(tokens.dtype)
        mean = (frames * keep).sum(dim=1, keepdim=True) / keep.sum(dim=1, keepdim=True).clamp(min=1)
        frames = self._smoothed((frames - mean) * keep) * keep
        return functional.normalize(rearrange(frames, "b t c -> b (t c)"), dim=-1)

    def _smoothed(self, frames: Tensor) -> Tensor:
        """Means over neighbours, fewer at the window's ends, `b t c`."""
        means = functional.avg_pool1d(
            frames.transpose(1, 2),
            self.smooth_frames,
            stride=1,
            padding=self.smooth_frames // 2,
            count_include_pad=False,
        )
        return means.transpose(1, 2)


def pose_features(pose: Tensor, valid: Tensor) -> Tensor:
    """Poses less their mean over valid frames, and their change from the frame before.

    Args:
        pose: `b t 6`.
        valid: `b t`; other frames, and changes from or to them, are 0.

    Returns:
        `b t 12`.
    """
    keep = valid[..., None].to(pose.dtype)
    mean = (pose * keep).sum(dim=1, keepdim=True) / keep.sum(dim=1, keepdim=True).clamp(min=1)
    change = (pose[:, 1:] - pose[:, :-1]) * keep[:, 1:] * keep[:, :-1]
    change = functional.pad(change, (0, 0, 1, 0))
    return torch.cat(((pose - mean) * keep, change), dim=-1)
