"""A deeper SyncNet whose windows may be longer than five frames.

VGG-like towers: two 3x3 convolutions a size (Simonyan and Zisserman 2015). As in Chung and
Zisserman 2016 the first convolution sees five frames at once, so that motion is seen in pixels;
what it gives for consecutive frames is shared by all windows that hold them. Longer windows (16
frames in LatentSync's StableSyncNet) hold more of a word. GroupNorm is of one place in time, so
that lips are embedded alike in any clip, and needs no large batch.
"""

from collections.abc import Sequence

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from vasa.models.published_syncnet import resized
from vasa.models.syncnet import MELS_PER_FRAME, SAMPLES_PER_FRAME, LogMel
from vasa.types import InputError

STEM_FRAMES = 5


class DeepSyncNet(nn.Module):
    """Embeds windows of lower-face frames and of sound into one space.

    Args:
        size: side in pixels at which the face crop is read; others are resized.
        top: rows of the crop above this fraction are cut off (the mouth side is kept).
        window_frames: of a window, 5 or more.
        visual_widths: channels after each halving of the picture.
        audio_widths: channels after each halving of the window's mel picture.
        num_mels: mel bands.
        hidden: width of the layers before each embedding.
        embedding_dim: length of the embeddings.
        groups: groups of every GroupNorm; divides each width.

    Raises:
        InputError: windows of fewer than five frames.
    """

    def __init__(
        self,
        *,
        size: int,
        top: float,
        window_frames: int,
        visual_widths: Sequence[int],
        audio_widths: Sequence[int],
        num_mels: int,
        hidden: int,
        embedding_dim: int,
        groups: int,
    ) -> None:
        super().__init__()
        if window_frames < STEM_FRAMES:
            raise InputError(
                f"expected window_frames of at least {STEM_FRAMES}, got {window_frames}"
            )
        self.size = size
        self.first_row = round(top * size)
        self.least_frames = window_frames
        self.log_mel = LogMel(num_mels=num_mels)
        first = visual_widths[0]
        self.stem = nn.Conv3d(3, first, STEM_FRAMES, stride=(1, 2, 2), padding=(0, 2, 2))
        self.stem_norm = nn.Sequential(nn.GroupNorm(groups, first), nn.SiLU())
        self.frame_net = _tower(first, visual_widths[1:], groups=groups)
        flat = visual_widths[-1] * _size_after(
            size - self.first_row, size, halvings=len(visual_widths)
        )
        self.frame_features = nn.Sequential(nn.Linear(flat, hidden), nn.SiLU())
        self.num_places = window_frames - STEM_FRAMES + 1
        self.video_head = _head(hidden * self.num_places, hidden, embedding_dim)
        self.audio_net = _tower(1, audio_widths, groups=groups)
        flat = audio_widths[-1] * _size_after(
            window_frames * MELS_PER_FRAME, num_mels, halvings=len(audio_widths)
        )
        self.audio_head = _head(flat, hidden, embedding_dim)

    def embed_video(self, clip: Tensor) -> Tensor:
        """Embed every window of w frames.

        Args:
            clip: face crops, RGB in [0, 1], `b t c h w`, t >= w.

        Returns:
            L2-normalised embeddings of frames i .. i + w - 1, `b t-w+1 e`.

        Raises:
            InputError: fewer frames than a window.
        """
        num_clips, num_frames = clip.shape[:2]
        if num_frames < self.least_frames:
            raise InputError(f"expected at least {self.least_frames} frames, got {num_frames}")
        frames = resized(rearrange(clip, "b t c h w -> (b t) c h w"), self.size)
        mouths = frames[..., self.first_row :, :] * 2 - 1
        moving = self.stem(rearrange(mouths, "(b t) c h w -> b c t h w", b=num_clips))
        maps = self.frame_net(self.stem_norm(rearrange(moving, "b c t h w -> (b t) c h w")))
        features = self.frame_features(maps.flatten(1))
        features = rearrange(features, "(b t) f -> b t f", b=num_clips)
        windows = rearrange(features.unfold(1, self.num_places, 1), "b t f w -> b t (w f)")
        return functional.normalize(self.video_head(windows), dim=-1)

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Embed the sound of every window of w frames.

        Args:
            audio: mono at 16 kHz in [-1, 1], `b n`, n = 640 t, t >= w.

        Returns:
            L2-normalised embeddings of samples [640 i, 640 (i + w)), `b t-w+1 e`.

        Raises:
            InputError: a length that is not a whole number of frames, or fewer than a window.
        """
        num_frames, rest = divmod(audio.shape[-1], SAMPLES_PER_FRAME)
        if rest or num_frames < self.least_frames:
            raise InputError(
                f"expected {SAMPLES_PER_FRAME} audio samples a frame and at least "
                f"{self.least_frames} frames, got {audio.shape[-1]} samples"
            )
        steps = self.least_frames * MELS_PER_FRAME
        windows = self.log_mel(audio).unfold(1, steps, MELS_PER_FRAME)
        maps = self.audio_net(rearrange(windows, "b t f m -> (b t) 1 m f") / 4)
        embedding = functional.normalize(self.audio_head(maps.flatten(1)), dim=-1)
        return rearrange(embedding, "(b t) e -> b t e", b=len(audio))


def _tower(inner: int, widths: Sequence[int], *, groups: int) -> nn.Sequential:
    """For each width two 3x3 convolutions with GroupNorm and SiLU, the first of which halves."""
    layers: list[nn.Module] = []
    for outer in widths:
        for stride in (2, 1):
            layers += [
                nn.Conv2d(inner, outer, 3, stride=stride, padding=1, bias=False),
                nn.GroupNorm(groups, outer),
                nn.SiLU(),
            ]
            inner = outer
    return nn.Sequential(*layers)


def _size_after(rows: int, columns: int, *, halvings: int) -> int:
    """Places of a map after so many halvings, rounded up."""
    return -(-rows // 2**halvings) * -(-columns // 2**halvings)


def _head(inner: int, hidden: int, embedding_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inner, hidden), nn.SiLU(), nn.Linear(hidden, embedding_dim))
