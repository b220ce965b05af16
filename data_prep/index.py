"""The clips of a folder: who speaks in each, and which split the speaker belongs to."""

import csv
import fnmatch
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vasa.types import InputError

VIDEO_SUFFIXES = (".mp4", ".mpg", ".mpeg", ".mov", ".mkv", ".avi", ".webm")
MANIFEST = "manifest.csv"


@dataclass(frozen=True, kw_only=True)
class ClipSource:
    """A clip to prepare.

    Attributes:
        path: the file.
        speaker: the person.
        video: the file's name without suffix.
        split: train, val or test.
        source: the set it comes from.
        licence: licence of the footage.
    """

    path: Path
    speaker: str
    video: str
    split: str
    source: str
    licence: str

    @property
    def key(self) -> str:
        """`<speaker>/<video>`."""
        return f"{self.speaker}/{self.video}"


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
    include: tuple[str, ...] = (),
    speakers: tuple[str, ...] = (),
    per_speaker: int | None = None,
    limit: int | None = None,
    source: str = "",
    licence: str = "",
) -> list[ClipSource]:
    """Clips under a folder, in the order of their paths.

    A clip's speaker is the name of the folder it lies in; a `manifest.csv` at the root (columns
    path, speaker, source, licence) overrules that for the files it lists.

    Args:
        root: searched with its subfolders.
        rule: the splits.
        include: patterns of paths relative to `root` (`lrw_ar/*`); all by default.
        speakers: only these; all by default.
        per_speaker: at most so many clips of one speaker, spread evenly over the speaker's clips.
        limit: at most so many clips in all.
        source: name of the set where no manifest says; the root's name by default.
        licence: licence where no manifest says.

    Raises:
        InputError: no such folder, no clip, or a named speaker without clips.
    """
    if not root.is_dir():
        raise InputError(f"expected a folder of clips at input={root}, found none")
    listed = _read_manifest(root / MANIFEST)
    clips: list[ClipSource] = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file():
            continue
        if include and not any(fnmatch.fnmatch(name, pattern) for pattern in include):
            continue
        row = listed.get(name, {})
        speaker = row.get("speaker") or path.parent.name
        clips.append(
            ClipSource(
                path=path,
                speaker=speaker,
                video=path.stem,
                split=rule.split_of(speaker),
                source=row.get("source") or source or root.name,
                licence=row.get("licence") or licence or "unknown",
            )
        )
    _check_speakers(clips, (*speakers, *rule.val_speakers, *rule.test_speakers), root)
    if speakers:
        clips = [clip for clip in clips if clip.speaker in speakers]
    clips = _told_apart(clips)
    if per_speaker is not None:
        clips = _spread(clips, per_speaker)
    clips = clips[:limit]
    if not clips:
        raise InputError(
            f"expected clips ({' '.join(VIDEO_SUFFIXES)}) in input={root}"
            f"{f' matching {list(include)}' if include else ''}, found none"
        )
    return clips


def _read_manifest(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {row["path"]: row for row in csv.DictReader(file) if row.get("path")}


def _check_speakers(clips: list[ClipSource], wanted: tuple[str, ...], root: Path) -> None:
    known = {clip.speaker for clip in clips}
    missing = sorted(set(wanted) - known)
    if missing:
        raise InputError(
            f"expected speakers among those in input={root} ({', '.join(sorted(known)) or 'none'}),"
            f" got {', '.join(missing)}"
        )


def _told_apart(clips: list[ClipSource]) -> list[ClipSource]:
    """Clips with distinct keys: files of one name (take.mp4, take.mov) get their suffix added."""
    count = Counter(clip.key for clip in clips)
    seen: Counter[str] = Counter()
    result = []
    for clip in clips:
        if count[clip.key] > 1:
            seen[clip.key] += 1
            video = f"{clip.video}~{seen[clip.key]}"
            clip = ClipSource(**{**clip.__dict__, "video": video})
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
