"""How data sets lie on disk: each layout turns its own folders and metadata into one clip list.

A layout leaves `split` empty where the data set fixes none; `data_prep.index` then splits by
speaker. What is not there or cannot be read is left out with a reason later, not here.
"""

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vasa.types import InputError

VIDEO_SUFFIXES = (
    *(".mp4", ".mpg", ".mpeg", ".mov", ".mkv", ".avi", ".webm"),
    *(".m4v", ".ts", ".mts", ".m2ts", ".flv", ".wmv", ".3gp", ".ogv"),
)
MANIFEST = "manifest.csv"
_FPS_OF_VOXCELEB = 25.0

Region = tuple[float, float, float, float]
"""Left, top, right, bottom of the speaker's face, in fractions of the upright picture."""


@dataclass(frozen=True, kw_only=True)
class ClipSource:
    """A clip to prepare: a file, or a stretch and a part of the picture of one.

    Attributes:
        path: the file.
        speaker: the person.
        video: what tells the speaker's clips apart.
        split: train, val or test; empty until it is decided.
        source: the set it comes from.
        licence: licence of the footage.
        start_s: where the clip begins in the file.
        end_s: where it ends; None for the file's end.
        region: where the face is; None to look everywhere.
    """

    path: Path
    speaker: str
    video: str
    split: str = ""
    source: str = ""
    licence: str = ""
    start_s: float = 0.0
    end_s: float | None = None
    region: Region | None = None

    @property
    def key(self) -> str:
        """`<speaker>/<video>`."""
        return f"{self.speaker}/{self.video}"


def _videos(root: Path) -> Iterator[Path]:
    """Whatever is named like a video below a folder, by name, and folders that cannot be read.

    Broken links, pipes and the like are listed too, so that they are left out with a reason. Links
    to folders are followed where they lead out of the root; inside of it all is listed anyway.
    """
    yield from sorted(_walk(root, [os.path.realpath(root)]))


def _walk(folder: Path, walked: list[str]) -> Iterator[Path]:
    """Args:
    folder: where to look.
    walked: real paths of the trees walked so far, this one's among them.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in entries:
        path = folder / entry.name
        if _is_folder(entry):
            real = os.path.realpath(path)
            if not entry.is_symlink():
                yield from _walk(path, walked)
            elif not any(_within(real, tree) or _within(tree, real) for tree in walked):
                walked.append(real)
                yield from _walk(path, walked)
        elif entry.name.lower().endswith(VIDEO_SUFFIXES):
            yield path


def _within(path: str, tree: str) -> bool:
    return Path(path).is_relative_to(tree)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _plain(name: str) -> str:
    """A file's name as text that can be written: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def folder(root: Path) -> list[ClipSource]:
    """Any folder: the speaker is the name of the folder that a clip lies in.

    A `manifest.csv` at the root (columns path, speaker, source, licence) overrules that for the
    files it lists.
    """
    listed: dict[str, dict[str, str]] = {}
    if (root / MANIFEST).is_file():
        with open(root / MANIFEST, newline="", encoding="utf-8") as file:
            listed = {row["path"]: row for row in csv.DictReader(file) if row.get("path")}
    clips = []
    for path in _videos(root):
        row = listed.get(path.relative_to(root).as_posix(), {})
        clips.append(
            ClipSource(
                path=path,
                speaker=row.get("speaker") or _plain(path.parent.name),
                video=_plain(path.stem),
                source=row.get("source") or "",
                licence=row.get("licence") or "",
            )
        )
    return clips


def grid(root: Path) -> list[ClipSource]:
    """GRID (Cooke et al. 2006): `s1/**/bbaf2n.mpg`, 34 talkers, six words a clip."""
    clips = []
    for path in _videos(root):
        talkers = [part for part in path.relative_to(root).parts[:-1] if re.match(r"s\d+", part)]
        if talkers:
            speaker = re.match(r"s\d+", talkers[0])
            assert speaker is not None
            clips.append(
                ClipSource(
                    path=path,
                    speaker=speaker.group(),
                    video=_plain(path.stem),
                    source="GRID",
                    licence="CC-BY-4.0",
                )
            )
    return clips


def voxceleb2(root: Path) -> list[ClipSource]:
    """VoxCeleb2 (Chung et al. 2018), its test people kept for testing.

    Either the released face crops, `.../mp4/id00012/<video>/00001.mp4`, or the metadata
    `.../txt/id00012/<video>/00001.txt` beside whole videos `.../video/<video>.mp4`: a text's
    frames (25 a second) give the stretch, its boxes the region. Under a folder named `test` the
    people are for testing.
    """
    crops = [path for path in _videos(root) if "mp4" in path.relative_to(root).parts[:-1]]
    if crops:
        return [_voxceleb_clip(path, path, root) for path in crops]
    whole = {path.stem: path for path in _videos(root)}
    clips = []
    for text in sorted(root.rglob("id*/*/*.txt")):
        path = whole.get(text.parent.name, root / "video" / f"{text.parent.name}.mp4")
        frames, boxes = _read_voxceleb_text(text)
        clip = _voxceleb_clip(path, text, root)
        clips.append(
            ClipSource(
                **{
                    **clip.__dict__,
                    "start_s": frames[0] / _FPS_OF_VOXCELEB,
                    "end_s": (frames[-1] + 1) / _FPS_OF_VOXCELEB,
                    "region": (
                        min(x for x, _, _, _ in boxes),
                        min(y for _, y, _, _ in boxes),
                        max(x + w for x, _, w, _ in boxes),
                        max(y + h for _, y, _, h in boxes),
                    ),
                }
            )
        )
    return clips


def _voxceleb_clip(path: Path, named: Path, root: Path) -> ClipSource:
    parts = named.relative_to(root).parts
    return ClipSource(
        path=path,
        speaker=named.parent.parent.name,
        video=f"{named.parent.name}-{named.stem}",
        split="test" if "test" in parts[:-3] else "",
        source="VoxCeleb2",
        licence="CC-BY-4.0 (metadata); footage with its owners",
    )


def _read_voxceleb_text(path: Path) -> tuple[list[int], list[Region]]:
    """Frame numbers and boxes (x, y, width, height in fractions) of a metadata text."""
    frames, boxes = [], []
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 5 and words[0].isdigit():
            frames.append(int(words[0]))
            x, y, w, h = (float(word) for word in words[1:])
            boxes.append((x, y, w, h))
    if not frames:
        raise InputError(f"expected lines 'FRAME X Y W H' in {path}, got none")
    return frames, boxes


def hdtf(root: Path) -> list[ClipSource]:
    """HDTF (Zhang et al. 2021), cut clips: `WDA_BarackObama_000.mp4`, a name for a person.

    Numbers after a name (`WRA_MikeJohanns0_000`) tell videos of one person apart, except in
    `RD_RadioNN`, where they tell people apart.
    """
    clips = []
    for path in _videos(root):
        name = re.sub(r"_\d+$", "", _plain(path.stem))
        prefix, _, person = name.partition("_")
        if prefix in ("WDA", "WRA") and person:
            name = f"{prefix}_{person.rstrip('0123456789')}"
        clips.append(
            ClipSource(
                path=path,
                speaker=name,
                video=_plain(path.stem),
                source="HDTF",
                licence="CC-BY-4.0 (annotations); footage with its owners",
            )
        )
    return clips


def celebv(root: Path) -> list[ClipSource]:
    """CelebV-HQ (Zhu et al. 2022) and CelebV-Text (Yu et al. 2023): a JSON beside the videos.

    `clips[id] = {ytb_id, duration: {start_sec, end_sec}, bbox: {top, bottom, left, right}}`. A
    file named after the clip is taken as it is; else the stretch and region of `<ytb_id>.mp4`.
    Neither set names people: a video stands for its person, who may be in others too.
    """
    texts = [path for path in sorted(root.glob("*.json")) if '"ytb_id"' in path.read_text()]
    if not texts:
        raise InputError(
            f"expected a *.json with clips (ytb_id, duration, bbox) in input={root}, found none"
        )
    files = {path.stem: path for path in _videos(root)}
    clips = []
    for text in texts:
        for name, row in json.loads(text.read_text())["clips"].items():
            whole = {
                "path": files.get(row["ytb_id"], root / f"{row['ytb_id']}.mp4"),
                "start_s": float(row["duration"]["start_sec"]),
                "end_s": float(row["duration"]["end_sec"]),
                "region": tuple(float(row["bbox"][x]) for x in ("left", "top", "right", "bottom")),
            }
            where: dict[str, Any] = {"path": files[name]} if name in files else whole
            clips.append(
                ClipSource(
                    speaker=row["ytb_id"],
                    video=name,
                    source=text.stem,
                    licence="non-commercial research; footage with its owners",
                    **where,
                )
            )
    return clips


def listed(root: Path) -> list[ClipSource]:
    """A table of clips: a `.csv`, or a `.json` holding a list of objects.

    Columns path (relative to the table) and speaker; and where wanted video, split, source,
    licence, start_s, end_s, left, top, right, bottom (fractions of the picture).
    """
    try:
        if root.suffix == ".json":
            rows = json.loads(root.read_text())
        else:
            with open(root, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        return [_listed_clip(row, root.parent) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"expected in input={root} a table (.csv or .json) with columns path, speaker and "
            f"numbers in start_s, end_s, left, top, right, bottom; got {type(error).__name__}: "
            f"{error}"
        ) from error


def _listed_clip(row: dict[str, Any], root: Path) -> ClipSource:
    def number(name: str) -> float | None:
        return None if row.get(name) in (None, "") else float(row[name])

    sides = [number(name) for name in ("left", "top", "right", "bottom")]
    if not row["path"] or not row["speaker"]:
        raise ValueError(f"a row without path or speaker: {dict(row)}")
    left, top, right, bottom = (-1.0 if side is None else side for side in sides)
    return ClipSource(
        path=root / row["path"],
        speaker=str(row["speaker"]),
        video=str(row.get("video") or Path(row["path"]).stem),
        split=row.get("split") or "",
        source=row.get("source") or "",
        licence=row.get("licence") or "",
        start_s=number("start_s") or 0.0,
        end_s=number("end_s"),
        region=None if None in sides else (left, top, right, bottom),
    )


LAYOUTS: dict[str, Callable[[Path], list[ClipSource]]] = {
    "folder": folder,
    "list": listed,
    "grid": grid,
    "voxceleb2": voxceleb2,
    "hdtf": hdtf,
    "celebv": celebv,
}
