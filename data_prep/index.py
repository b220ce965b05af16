"""The clips of a data set: which are taken, and which split each speaker belongs to."""

import fnmatch
import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.layouts import LAYOUTS, VIDEO_SUFFIXES, ClipSource
from vasa.data.schema import SPLITS
from vasa.types import InputError


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """How speakers are divided: named ones first, the rest by a hash of the name.

    Attributes:
        val: share of speakers for validation.
        test: share of speakers for testing.
        val_speakers: speakers for validation in any case.
        test_speakers: speakers for testing in any case.
    """

    val: float
    test: float
    val_speakers: tuple[str, ...] = ()
    test_speakers: tuple[str, ...] = ()

    def split_of(self, speaker: str) -> str:
        """The split of a speaker: a function of the name alone, whoever else is in the set."""
        if speaker in self.test_speakers:
            return "test"
        if speaker in self.val_speakers:
            return "val"
        digest = hashlib.sha256(speaker.encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        if place < self.test:
            return "test"
        return "val" if place < self.test + self.val else "train"


def find_clips(
    root: Path,
    *,
    rule: SplitRule,
    data: str = "folder",
    include: tuple[str, ...] = (),
    speakers: tuple[str, ...] = (),
    per_speaker: int | None = None,
    limit: int | None = None,
    source: str = "",
    licence: str = "",
) -> list[ClipSource]:
    """Clips of a data set, in the order of their keys, each with its split.

    Args:
        root: the data set's folder; for `list` the table.
        rule: the splits, where the data set fixes none.
        data: its layout, of `data_prep.layouts.LAYOUTS`.
        include: patterns of paths relative to `root` (`lrw_ar/*`); all by default.
        speakers: only these; all by default.
        per_speaker: at most so many clips of one speaker, spread evenly over the speaker's clips.
        limit: at most so many clips in all.
        source: name of the set where neither layout nor table says; the root's by default.
        licence: licence where none is said.

    Raises:
        InputError: no such layout or folder, no clip, a named speaker without clips, or a speaker
            in two splits.
    """
    if data not in LAYOUTS:
        raise InputError(f"expected data to be one of {', '.join(LAYOUTS)}, got {data!r}")
    if data == "list" and not root.is_file():
        raise InputError(f"expected a table of clips (.csv or .json) at input={root}, found none")
    if data != "list" and not root.is_dir():
        raise InputError(f"expected a folder of clips at input={root}, found none")
    base = root.parent if data == "list" else root
    clips = [
        replace(
            clip,
            split=clip.split or rule.split_of(clip.speaker),
            source=clip.source or source or root.stem,
            licence=clip.licence or licence or "unknown",
        )
        for clip in LAYOUTS[data](root)
        if not include or _is_included(clip.path, base, include)
    ]
    _check_speakers(clips, (*speakers, *rule.val_speakers, *rule.test_speakers), root)
    _check_splits(clips)
    if speakers:
        clips = [clip for clip in clips if clip.speaker in speakers]
    clips = _told_apart(clips)
    if per_speaker is not None:
        clips = _spread(clips, per_speaker)
    clips = clips[:limit]
    if not clips:
        raise InputError(
            f"expected clips ({' '.join(VIDEO_SUFFIXES)}) laid out as data={data} in input={root}"
            f"{f' matching {list(include)}' if include else ''}, found none"
        )
    return clips


def share_of(clips: list[ClipSource], *, index: int, count: int) -> list[ClipSource]:
    """The clips of one partition: every clip is in exactly one, by a hash of its key."""

    def place(clip: ClipSource) -> int:
        return int.from_bytes(hashlib.sha256(clip.key.encode()).digest()[:8], "big") % count

    return [clip for clip in clips if place(clip) == index]


def _is_included(path: Path, base: Path, include: tuple[str, ...]) -> bool:
    name = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()
    return any(fnmatch.fnmatch(name, pattern) for pattern in include)


def _check_splits(clips: list[ClipSource]) -> None:
    """A person is in one split, or held-out numbers are not held out."""
    places: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.split not in SPLITS:
            raise InputError(f"expected a split of {SPLITS}, got {clip.split!r} for {clip.key}")
        places[clip.speaker].add(clip.split)
    if torn := sorted(speaker for speaker, splits in places.items() if len(splits) > 1):
        raise InputError(
            f"expected every speaker in one split, got {torn[0]!r} in "
            f"{' and '.join(sorted(places[torn[0]]))} ({len(torn)} such speakers)"
        )


def _check_speakers(clips: list[ClipSource], wanted: tuple[str, ...], root: Path) -> None:
    known = {clip.speaker for clip in clips}
    missing = sorted(set(wanted) - known)
    if missing:
        raise InputError(
            f"expected speakers among those in input={root} ({', '.join(sorted(known)) or 'none'}),"
            f" got {', '.join(missing)}"
        )


def _told_apart(clips: list[ClipSource]) -> list[ClipSource]:
    """Clips with distinct keys: files of one name (take.mp4, take.mov) get a number added."""
    count = Counter(clip.key for clip in clips)
    taken = {key for key, num in count.items() if num == 1}
    result = []
    for clip in clips:
        if count[clip.key] > 1:
            number = 1
            while f"{clip.key}~{number}" in taken:
                number += 1
            clip = replace(clip, video=f"{clip.video}~{number}")
            taken.add(clip.key)
        result.append(clip)
    return result


def _spread(clips: list[ClipSource], per_speaker: int) -> list[ClipSource]:
    total = Counter(clip.speaker for clip in clips)
    seen: Counter[str] = Counter()
    kept = []
    for clip in clips:
        place, num = seen[clip.speaker], total[clip.speaker]
        seen[clip.speaker] += 1
        # the n-th of `per_speaker` equal parts begins at this clip
        if num <= per_speaker or (place * per_speaker) % num < per_speaker:
            kept.append(clip)
    return kept
