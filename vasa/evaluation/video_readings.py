"""What is read off one video, once: measurements, sync, head motion with sound, features.

Shapes: t frames, f features, s shifts.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.evaluation.capp_windows import CappScorer
from vasa.evaluation.clip_features import ClipFeatures
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.frame_features import FrameFeatures
from vasa.evaluation.measuring import Instrument, in_batches, measure
from vasa.evaluation.metrics.capp import CappScore
from vasa.evaluation.metrics.identity import frame_similarity
from vasa.evaluation.metrics.landmarks import lip_points
from vasa.evaluation.protocols.sync import SyncEmbedder
from vasa.evaluation.stopwatch import Stopwatch
from vasa.models.sync_score import sync_result
from vasa.models.syncnet import WINDOW_FRAMES

MIN_SYNC_FRAMES = WINDOW_FRAMES + 3


@dataclass(frozen=True, kw_only=True)
class VideoReadings:
    """One video.

    Attributes:
        pose: yaw, pitch, roll (rad), tx, ty (half pictures), log scale, `t 6`.
        mouth: opening and width, eye distances, `t 2`.
        lips: points seen from the eyes, eye distances, `t 20 2`; empty where the expert finds none.
        gaze: rad, `t 2`.
        blink: `t`.
        presence: logit of a face, `t`.
        likeness: cosine of each frame's identity and the source picture's, `t`.
        features: of every few frames, `n f`.
        inception: InceptionV3's of the same frames, `n f`; empty where FID is not asked for.
        clips: I3D's of 25-frame clips of the first and of the second half, `2 n f`; empty where FVD
            is not asked for or the video is too short.
        shift_distances: of SyncNet, `s`; empty where the video is too short.
        capp: mean over windows, ``; NaN without CAPP or where the video is too short.
        truth: the label of the mouth's opening, `t`.
        valid: where that label can be trusted, `t`.
    """

    pose: Tensor
    mouth: Tensor
    lips: Tensor
    gaze: Tensor
    blink: Tensor
    presence: Tensor
    likeness: Tensor
    features: Tensor
    inception: Tensor
    clips: Tensor
    shift_distances: Tensor
    capp: Tensor
    truth: Tensor
    valid: Tensor

    def save(self, path: Path) -> None:
        """Writes an npz, aside and then in place."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez(file, **{item.name: getattr(self, item.name).numpy() for item in fields(self)})
        part.replace(path)

    @staticmethod
    def load(path: Path) -> "VideoReadings":
        """What `save` wrote."""
        with np.load(path) as arrays:
            return VideoReadings(**{name: torch.from_numpy(arrays[name]) for name in arrays.files})


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What of a clip all its videos are compared with, embedded once.

    Attributes:
        clip: whose sound and labels these are.
        sync: SyncNet's embeddings of the sound, `t e`.
        capp: CAPP's, a window at every frame, `n e`; None without CAPP.
        identity: of the source picture, `e`.
    """

    clip: EvaluationClip
    sync: Tensor
    capp: Tensor | None
    identity: Tensor


@dataclass(frozen=True, kw_only=True)
class VideoReader:
    """Everybody who scores videos.

    Attributes:
        instrument: the measuring expert.
        features: who describes frames.
        syncnet: embeds lips and sound; never a loss of what it scores.
        capp: scores head motion; None: left out.
        frame_stride: frames between those whose features are kept.
        batch_size: frames at once.
        inception: describes frames for FID; None: left out.
        i3d: describes short clips for FVD; None: left out.
        stopwatch: of each part.
    """

    instrument: Instrument
    features: FrameFeatures
    syncnet: SyncEmbedder
    capp: CappScorer | None
    frame_stride: int
    batch_size: int
    inception: FrameFeatures | None = None
    i3d: ClipFeatures | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def hear(self, clip: EvaluationClip) -> Heard:
        """Embeds a clip's sound and source picture."""
        sound = None
        if self.capp is not None and len(clip.pose) >= self.capp.net.window:
            sound = self.capp.sound(clip.audio)
        return Heard(
            clip=clip,
            sync=self.syncnet.embed_audio(clip.audio[None])[0],
            capp=sound,
            identity=measure(self.instrument, clip.source()[None], batch_size=1).identity[0],
        )

    def read(self, video: Tensor, heard: Heard) -> VideoReadings:
        """Reads a video, uint8 `t c h w`, that is to say what was heard."""
        clip = heard.clip
        length = min(len(video), len(clip.frames), len(clip.audio) // SAMPLES_PER_FRAME)
        images = video[:length].float() / 255
        with self.stopwatch.part("measuring faces"):
            seen = measure(self.instrument, images, batch_size=self.batch_size)
        likeness = frame_similarity(seen.identity, heard.identity)
        with self.stopwatch.part("features of frames"):
            features, inception = (
                torch.zeros(0, 1)
                if one is None
                else in_batches(one.of, images[:: self.frame_stride], batch_size=self.batch_size)
                for one in (self.features, self.inception)
            )
        with self.stopwatch.part("features of short clips"):
            clips = torch.zeros(2, 0, 1)
            if self.i3d is not None:
                clips = self.i3d.halves(images, key=clip.key, batch_size=self.batch_size)
        with self.stopwatch.part("scoring sync"):
            distances = self._sync(images, heard.sync)
        return VideoReadings(
            pose=seen.pose,
            mouth=seen.mouth,
            lips=torch.zeros(0, 20, 2) if seen.landmarks is None else lip_points(seen.landmarks),
            gaze=seen.gaze,
            blink=seen.blink,
            presence=seen.presence,
            likeness=likeness,
            features=features,
            inception=inception,
            clips=clips,
            shift_distances=distances,
            capp=self._capp(seen.pose, seen.presence > 0, heard.capp),
            truth=clip.mouth[:length, 0],
            valid=clip.valid[:length],
        )

    def _sync(self, images: Tensor, heard: Tensor) -> Tensor:
        if len(images) < MIN_SYNC_FRAMES:
            return torch.zeros(0, dtype=torch.float64)
        lips = self.syncnet.embed_video(images[None])[0]
        common = min(len(lips), len(heard))
        return sync_result(lips[:common], heard[:common]).shift_distances

    def _capp(self, pose: Tensor, valid: Tensor, sound: Tensor | None) -> Tensor:
        score = CappScore()
        if self.capp is not None and sound is not None:
            with self.stopwatch.part("scoring head motion"):
                starts = self.capp.starts(valid)
                starts = starts[starts < len(sound)]
                if len(starts):
                    score.update(self.capp.motion(pose, valid, starts=starts), sound[starts])
        return score.compute() if score.statistics else torch.tensor(torch.nan)
