"""Does the head move with the sound? CAPP with what it must lose if it means anything.

VASA-1 sec. 4.2 (tables 3 and 4): pairs of real clips lose as the sound is shifted by a few frames,
and as the differences of poses are scaled. Unspecified in the paper: which way the sound is shifted
(here both ways, their mean) and how far apart windows start. All shifts and scales are scored on
the same windows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from vasa.evaluation.capp_windows import CappScorer
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import REMEASURED, ReadVideo
from vasa.evaluation.metrics.capp import CappScore
from vasa.evaluation.protocols.pairing import SHUFFLED, unrelated
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.types import FaceMeasurements, InputError

UNIT = "CAPP(own)"
NO_SCALE = "own network and data, no published scale"


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """A score of clips' own sound and, as its control, of all other clips' sound."""

    own: CappScore = field(default_factory=CappScore)
    shuffled: CappScore = field(default_factory=CappScore)

    def add(self, motion: Tensor, sounds: Sequence[Tensor], others: Sequence[Tensor]) -> None:
        """Adds a clip: its windows `n e`, the sounds that are its own, and those of others."""
        for metric, rows in ((self.own, sounds), (self.shuffled, others)):
            metric.update(motion.repeat(len(rows), 1), torch.cat(list(rows)))


def capp(
    *,
    scorer: CappScorer,
    random_scorer: CappScorer,
    clips: Sequence[EvaluationClip],
    videos: Sequence[Tensor] | None,
    read: ReadVideo | None,
    set_name: str,
    shift_frames: Sequence[int],
    scales: Sequence[float],
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `capp/<set>_shift_<k>`, `capp/<set>_scale_<x>` and, with videos, `capp/generated`.

    Args:
        scorer: the trained network; never a training loss of what it scores.
        random_scorer: the same with random weights.
        clips: held-out clips; their labels say the poses of their frames, which have been through
            the codec of the videos.
        videos: generated frames of each, uint8 `t c h w`; None scores real clips alone.
        read: measures the poses of frames; needed with videos.
        set_name: what the rows are named by: synthetic or real.
        shift_frames: of the sound; at most `scorer.margin_frames`.
        scales: of the differences of poses.
        bootstrap: how intervals are made.
        track: wraps the loop over clips.

    Raises:
        InputError: the clips are too short.
    """
    kept = [index for index, clip in enumerate(clips) if _is_scored(clip, scorer)]
    if len(kept) < 2:
        longest = max(len(clip.pose) for clip in clips)
        raise InputError(
            f"expected clips of {scorer.least_frames} frames or more (a window of "
            f"{scorer.net.window} and {scorer.margin_frames} on either side), the longest of "
            f"{len(clips)} has {longest}; lower evaluation.capp.shift_frames, or train CAPP with a "
            "shorter module.model.window"
        )
    usable = [clips[index] for index in kept]
    bootstrap = bootstrap.over(clip.speaker for clip in usable)
    heard, noise = ([one.sound(clip.audio) for clip in track(usable)]
                    for one in (scorer, random_scorer))  # fmt: skip
    found = _score(scorer, usable, heard, shifts=shift_frames, scales=scales)
    found["random_weights"] = _score(random_scorer, usable, noise)["shift_0"]
    names = {f"{set_name}_{name}": pairs for name, pairs in found.items()}
    if videos is not None:
        assert read is not None, "generated videos need someone to read their poses"
        own = [clip.frames for clip in usable]
        made = [videos[index][: len(clips[index].frames)] for index in kept]
        for name, shown in ((f"{set_name}_remeasured", own), ("generated", made)):
            versions = [
                _remeasured(clip, read(video))
                for clip, video in zip(track(usable), shown, strict=True)
            ]
            names[name] = _score(scorer, versions, heard)["shift_0"]
    split = clips[0].split
    return [_row(name, pairs, split=split, bootstrap=bootstrap) for name, pairs in names.items()]


def _is_scored(clip: EvaluationClip, scorer: CappScorer) -> bool:
    return len(clip.pose) >= scorer.least_frames and len(scorer.starts(clip.valid)) > 0


def _score(
    scorer: CappScorer,
    clips: Sequence[EvaluationClip],
    sounds: Sequence[Tensor],
    *,
    shifts: Sequence[int] = (0,),
    scales: Sequence[float] = (),
) -> dict[str, Pairs]:
    """Scores clips whose sounds are embedded, by what is done to them."""
    found = {f"shift_{shift}": Pairs() for shift in shifts}
    found |= {f"scale_{scale:g}": Pairs() for scale in scales}
    for index, clip in enumerate(clips):
        starts = scorer.starts(clip.valid)
        strangers = [_at(sounds[other], starts) for other in unrelated(clips, index)]
        motion = scorer.motion(clip.pose, clip.valid, starts=starts)
        for shift in shifts:
            own = [sounds[index][starts + way * shift] for way in (1, -1)]
            found[f"shift_{shift}"].add(motion, own, strangers)
        for scale in scales:
            scaled = motion
            if scale != 1:
                scaled = scorer.motion(clip.pose, clip.valid, starts=starts, scale=scale)
            found[f"scale_{scale:g}"].add(scaled, [sounds[index][starts]], strangers)
    return found


def _at(sound: Tensor, starts: Tensor) -> Tensor:
    """Another clip's sound at the same places; from its beginning on where it has ended."""
    return sound[starts % len(sound)]


def _remeasured(clip: EvaluationClip, seen: FaceMeasurements) -> EvaluationClip:
    """The clip with the poses seen in frames; a shorter video ends it."""
    return replace(clip, pose=seen.pose, valid=seen.presence > 0)


def _row(name: str, pairs: Pairs, *, split: str, bootstrap: Bootstrap) -> ResultRow:
    note = NO_SCALE
    if name == "generated" or name.endswith("_remeasured"):
        note += "; poses " + REMEASURED.replace("generated", "video's")
    return bootstrap.row(
        metric=f"capp/{name}",
        measured=pairs.own,
        control=pairs.shuffled,
        control_name=SHUFFLED,
        split=split,
        unit=UNIT,
        note=note,
        keep_clips=True,
    )
