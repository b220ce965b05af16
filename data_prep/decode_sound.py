"""Sound of foreign clips: 16 kHz mono, with the pictures.

It starts at the first picture's time, so that picture i owns samples [640 i, 640 (i + 1)).
"""

from pathlib import Path

import av
import av.error
import numpy as np

from data_prep.container import audio_stream, opened, opened_at
from data_prep.decode import MAX_GAP_S, first_picture_time
from data_prep.drops import Dropped, Reason
from vasa.data.audio import mono_resampler, mono_samples
from vasa.data.schema import SAMPLE_RATE_HZ

MAX_SOUND_SHIFT_S = 0.015
"""Sound this far off its timestamps is moved; less is the jitter of a container's clock."""
_SOUND_LEAD_S = 0.5  # a decoder's first block after a jump may be incomplete


def read_sound(path: Path, *, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """The clip's sound from its first picture's time on: mono float32 at 16 kHz, `n`.

    Timestamps rule: what is missing in the middle is silence, so that the rest stays with the
    pictures.

    Args:
        path: the file.
        start_s: where to begin, seconds from the first picture.
        end_s: where to end; None for the end.

    Raises:
        Dropped: no sound track, or it cannot be decoded.
    """
    with opened(path) as container:
        if not container.streams.audio:
            raise Dropped(Reason.NO_AUDIO, "no audio stream")
    begin = first_picture_time(path) + start_s
    until = np.inf if end_s is None else begin - start_s + end_s
    placed: _PlacedSound | None = None
    with opened_at(path, begin - _SOUND_LEAD_S if start_s > 0 else None, kind="audio") as clip:
        try:
            for frame in clip.decode(audio_stream(clip)):
                time = frame.time
                placed = placed or _PlacedSound(begin=begin, start=begin if time is None else time)
                if time is not None and time > until:
                    break
                placed.add(frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise Dropped(Reason.UNDECODABLE, f"audio: {error}") from error
    if placed is None:
        raise Dropped(Reason.NO_AUDIO, "the audio stream is empty")
    sound = placed.finish()
    return sound if end_s is None else sound[: round((end_s - start_s) * SAMPLE_RATE_HZ)]


class _PlacedSound:
    """Blocks of sound put where their timestamps say, from a time on.

    Args:
        begin: time of the result's first sample (s).
        start: time of the first block.
    """

    def __init__(self, *, begin: float, start: float) -> None:
        self._blocks: list[np.ndarray] = []
        self._heard = start  # where the sound so far ends
        self._skip = 0
        self._kind: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None
        self._add_silence(start - begin)

    def add(self, frame: av.AudioFrame) -> None:
        shift = 0.0 if frame.time is None else frame.time - self._heard
        if shift < -MAX_SOUND_SHIFT_S:
            return  # this time was heard already
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shift > MAX_SOUND_SHIFT_S or kind != self._kind:
            self._flush()
            self._resampler = mono_resampler()
            self._kind = kind
        if shift > MAX_SOUND_SHIFT_S:
            self._add_silence(shift)
            self._heard += shift
        self._heard += frame.samples / frame.sample_rate
        frame.pts = None  # the resampler would fill small gaps of a jittery clock
        assert self._resampler is not None, "a block has a kind"
        self._extend(self._resampler.resample(frame))

    def finish(self) -> np.ndarray:
        """All of it: mono float32."""
        self._flush()
        return np.concatenate(self._blocks or [np.zeros(0)]).astype(np.float32, copy=False)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._extend(self._resampler.resample(None))
            self._resampler = None

    def _extend(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            block = mono_samples(frame)
            cut = min(self._skip, len(block))
            self._skip -= cut
            self._blocks.append(block[cut:])

    def _add_silence(self, seconds: float) -> None:
        """Less than none is what comes before the first picture: left out."""
        if seconds > MAX_GAP_S:
            raise Dropped(Reason.UNDECODABLE, f"audio: timestamps jump by {seconds:.0f} s")
        num = round(seconds * SAMPLE_RATE_HZ)
        cut = min(max(num, 0), self._skip)
        self._skip += max(-num, 0) - cut
        self._blocks.append(np.zeros(max(num, 0) - cut, np.float32))
