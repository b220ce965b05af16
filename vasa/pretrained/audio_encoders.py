"""Speech features of pretrained networks, at the video's rate by exact timing.

Both networks give 50 vectors a second, two for each video frame; their mean is the frame's.
Shapes: b batch, n samples, t frames, f features.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn import functional as F

from vasa.data.audio_features import SoundContext, fit_to_frames
from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.pretrained.expert import FrozenExpert
from vasa.pretrained.registry import WEIGHTS_VARIABLE, file_sha256, weight_folders
from vasa.types import InputError

MEL_FRAMES_PER_FRAME = 4
WAV2VEC2_FILE = "wav2vec2_fairseq_base_ls960.pth"
WAV2VEC2_MARGIN = 40
BOUNDED = SoundContext(before_frames=50, after_samples=10 * SAMPLES_PER_FRAME, is_exact=False)
"""What a network that attends to all of a clip is given where sound comes bit by bit.

2 s before and 0.4 s after; more look-ahead is more delay. Layer 3 of Whisper tiny.en on two speech
clips of 6 s, 10 frames at a time: cosine with the features of the whole clip 0.95 and 0.97 on
average, at least 0.88; with 1 s after 0.96 and 0.98, at least 0.93; with 0.2 s 0.94 and 0.96, at
least 0.81. Not measured for Wav2Vec2.
"""


class _WhisperEncoder(FrozenExpert):
    name = "whisper_tiny_en"

    @torch.no_grad()
    def hidden(self, audio: Tensor, *, chunk: int, overlap: int) -> Tensor:
        """All layers over a clip of any length, `b 5 2t 384`.

        The spectrogram is scaled on the whole clip; the network then sees `chunk` video frames at
        a time and `overlap` more on either side.
        """
        with self.steadily(audio) as (net, steady):
            mel = net.log_mel(steady)
        num_frames = mel.shape[-1] // MEL_FRAMES_PER_FRAME
        pieces = []
        for start in range(0, num_frames, chunk):
            stop = min(start + chunk, num_frames)
            first, last = max(0, start - overlap), min(num_frames, stop + overlap)
            part = mel[..., first * MEL_FRAMES_PER_FRAME : last * MEL_FRAMES_PER_FRAME]
            hidden = self.call(part)[1]
            pieces.append(hidden[:, :, 2 * (start - first) : 2 * (stop - first)])
        return torch.cat(pieces, dim=2)


@dataclass(frozen=True, kw_only=True)
class WhisperTiny:
    """A layer of the Whisper tiny.en encoder (Radford et al. 2022), MIT.

    Attributes:
        layer: 0 for the convolutional stem, 1 to 4 for the blocks.
        chunk_frames: video frames that one pass of the network gives.
        overlap_frames: frames of context on either side of them.
    """

    layer: int
    chunk_frames: int
    overlap_frames: int

    @property
    def dim(self) -> int:
        """f."""
        return 384

    @property
    def context(self) -> SoundContext:
        """See `BOUNDED`."""
        return BOUNDED

    @cached_property
    def _expert(self) -> _WhisperEncoder:
        return _WhisperEncoder()

    def describe(self) -> str:
        """Settings and weights in one line."""
        return (
            f"whisper_tiny_en(layer={self.layer}, chunk={self.chunk_frames}, "
            f"overlap={self.overlap_frames}, sha256={_WhisperEncoder.describe()['sha256'][:16]})"
        )

    def __call__(self, audio: Tensor) -> Tensor:
        """Sound `b n` to features `b t f`.

        Raises:
            InputError: the weights are missing.
        """
        hidden = self._expert.hidden(
            fit_to_frames(audio), chunk=self.chunk_frames, overlap=self.overlap_frames
        )
        return reduce(hidden[:, self.layer], "b (t two) f -> b t f", "mean", two=2)


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2:
    """A layer of Wav2Vec2 base (Baevski et al. 2020), the paper's audio features, MIT.

    The network is torchaudio's; its weights are torchaudio's file `wav2vec2_fairseq_base_ls960.pth`
    in a folder of VASA_WEIGHTS, or where torchaudio itself downloads it to. Unspecified in the
    paper: which layer, and how features come to 25 a second.

    Attributes:
        layer: 1 to 12.
    """

    layer: int

    @property
    def dim(self) -> int:
        """f."""
        return 768

    @property
    def context(self) -> SoundContext:
        """See `BOUNDED`."""
        return BOUNDED

    @cached_property
    def _net(self) -> nn.Module:
        from torchaudio.models import wav2vec2_base

        return load_wav2vec2(require_wav2vec2(), wav2vec2_base())

    def describe(self) -> str:
        """Settings and weights in one line."""
        digest = file_sha256(require_wav2vec2())
        return f"wav2vec2_base(layer={self.layer}, sha256={digest[:16]})"

    def __call__(self, audio: Tensor) -> Tensor:
        """Sound `b n` to features `b t f`.

        Raises:
            InputError: the weights are missing.
        """
        return wav2vec2_features(self._net.to(audio.device), audio, layer=self.layer)


@torch.no_grad()
def wav2vec2_features(net: Any, audio: Tensor, *, layer: int) -> Tensor:
    """Features `b t f` of a torchaudio Wav2Vec2 model.

    Its stem sees 400 samples every 320; with 40 zeros on either side vector j is centred on
    sample 320 j + 160, so that two vectors belong to each video frame exactly.
    """
    padded = F.pad(fit_to_frames(audio.float()), (WAV2VEC2_MARGIN, WAV2VEC2_MARGIN))
    with torch.autocast(audio.device.type, enabled=False):
        layers, _ = net.extract_features(padded, num_layers=layer)
    return rearrange(layers[-1], "b (t two) f -> b t two f", two=2).mean(dim=2)


def require_wav2vec2() -> Path:
    """The weights' file: in the folders of all weights, or where torchaudio's bundle puts it.

    Raises:
        InputError: it is in none of the folders.
    """
    folders = [*weight_folders(), Path(torch.hub.get_dir()) / "checkpoints"]
    for folder in folders:
        if (folder / WAV2VEC2_FILE).is_file():
            return folder / WAV2VEC2_FILE
    raise InputError(
        f"expected the weights of Wav2Vec2 base, file {WAV2VEC2_FILE}, in one of "
        f"[{', '.join(map(str, folders))}], found none; it is torchaudio's WAV2VEC2_BASE bundle "
        "(fairseq's wav2vec 2.0 base, licence: MIT): on a machine with a network "
        "torchaudio.pipelines.WAV2VEC2_BASE.get_model() downloads it to the last of these; copy it "
        f"into another and set {WEIGHTS_VARIABLE}, or use audio_encoder=log_mel"
    )


def load_wav2vec2(path: Path, net: nn.Module) -> nn.Module:
    """`net` with the file's weights, in evaluation mode.

    Raises:
        InputError: the file does not fit the network.
    """
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"expected Wav2Vec2 base weights in {path}: {reason}") from error
    return net.eval().requires_grad_(False)
