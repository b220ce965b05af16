"""Videos of every method for every clip, through one codec, made and read once.

All frames, the real ones included, are written as H.264 by the project's writer and read back
before anybody scores them: compression alone moves scores. Videos and what was read off them are
kept by what they depend on, so that a killed run goes on and another method added to a comparison
costs that method alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from vasa.evaluation.clip_reader import ClipReader
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.coding import VideoFiles, facts_hash, read_coded
from vasa.evaluation.method_settings import GENERATED
from vasa.evaluation.methods.method import Frames, Method, Missing
from vasa.evaluation.methods.real import Real
from vasa.evaluation.stopwatch import Stopwatch
from vasa.evaluation.video_readings import Heard, VideoReader, VideoReadings

READINGS_VERSION = 3
"""Of `VideoReadings`: those of another version are read anew."""
Draw = Callable[[EvaluationClip, Tensor], Tensor]
"""A clip and motion `t m` to pictures of its source in that motion, uint8 `t c h w`."""


class Uncoded(Real):
    """The clip's frames as the set holds them, past the codec: shows what the codec does."""

    name = "uncoded"


@dataclass(frozen=True, kw_only=True)
class MethodReadings:
    """What one method's videos show.

    Attributes:
        name: of the method.
        videos: readings of each sample, by clip key.
        missing: why there is no video, by clip key.
    """

    name: str
    videos: dict[str, list[VideoReadings]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


class MethodVideos:
    """Makes, keeps and reads videos.

    Args:
        files: where they are kept.
        clips: that are scored.
        reader: everybody who scores, loaded when the first video is read.
        draw: stage 1.
        reader_facts: what readings depend on besides: the scoring networks.
        stopwatch: of each part.

    Attributes:
        num_read: videos that were read in this start.
        num_generated: videos that networks made in this start.
    """

    def __init__(
        self,
        *,
        files: VideoFiles,
        clips: ClipReader,
        reader: Callable[[], VideoReader],
        draw: Draw,
        reader_facts: dict[str, Any],
        stopwatch: Stopwatch,
    ) -> None:
        self.stopwatch = stopwatch
        self.num_read = 0
        self.num_generated = 0
        self.files = files
        self.clips = clips
        self.reader = reader
        self.draw = draw
        self.reader_facts = reader_facts | {"readings": READINGS_VERSION}
        self._heard: tuple[int, Heard] | None = None

    def readings(
        self, methods: Sequence[Method], *, track: Callable[[Iterable], Iterable]
    ) -> list[MethodReadings]:
        """What the videos of all methods show, clip by clip, so that each is decoded once."""
        found = [MethodReadings(name=method.name) for method in methods]
        for index in track(range(len(self.clips))):
            key = self.clips.keys[index]
            for method, one in zip(methods, found, strict=True):
                samples = [self._one(method, index, sample) for sample in range(method.num_samples)]
                if reasons := [each.reason for each in samples if isinstance(each, Missing)]:
                    one.missing[key] = reasons[0]
                else:
                    one.videos[key] = [each for each in samples if isinstance(each, VideoReadings)]
        return found

    def _one(self, method: Method, index: int, sample: int) -> VideoReadings | Missing:
        mp4 = self.file(method, index, sample)
        path = mp4.parent / f"read-{facts_hash(self.reader_facts)}" / f"{mp4.stem}.npz"
        excuse = mp4.with_suffix(".missing")
        if path.is_file():
            return VideoReadings.load(path)
        if excuse.is_file():
            return Missing(reason=excuse.read_text())
        video = self._video(method, index, sample, mp4)
        if isinstance(video, Missing):
            mp4.parent.mkdir(parents=True, exist_ok=True)
            excuse.write_text(video.reason)
            return video
        reader = self.reader()
        if self._heard is None or self._heard[0] != index:
            with self.stopwatch.part("listening"):
                self._heard = (index, reader.hear(self.clips.clip(index)))
        readings = reader.read(video, self._heard[1])
        readings.save(path)
        self.num_read += 1
        return readings

    def file(self, method: Method, index: int, sample: int) -> Path:
        """Where a video is kept; it need not be there."""
        return self.files.path(method, self.clips.keys[index], sample)

    def _video(self, method: Method, index: int, sample: int, path: Path) -> Tensor | Missing:
        if not path.is_file():
            with self.stopwatch.part("reading clips"):
                clip = self.clips.clip(index)
            is_generated = method.name in GENERATED
            with self.stopwatch.part("generating" if is_generated else "copying"):
                given = method(clip, sample=sample)
                if isinstance(given, Missing):
                    return given
                is_drawn = isinstance(given, Frames)
                frames = given.frames if is_drawn else self.draw(clip, given.motion)
            self.num_generated += is_generated
            if isinstance(method, Uncoded):
                return frames
            with self.stopwatch.part("codec"):
                self.files.write(path, frames, clip.audio)
        with self.stopwatch.part("codec"):
            return read_coded(path)
