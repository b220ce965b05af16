"""Every byte of a face-shard set read again: is it what its index says, and are splits apart?"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from vasa.data.schema import FPS, SPLITS, FaceClip
from vasa.data.shard_members import content_hash, read_members
from vasa.data.shards import parse_clip, read_index

MEMBERS = ("mp4", "flac", "npz", "json")
MAX_CHANGED_BITS = 6
"""Of 192; clips that differ in no more are taken for the same pictures. Among 12,000 pairs of
different real people none differed in fewer than 20, among 39,000 synthetic ones none in 12."""
_BANDS = 12


class Fault(StrEnum):
    """What can be wrong with a set."""

    UNREADABLE = "unreadable"
    HASH = "hash"
    SCHEMA = "schema"
    INDEX = "index"
    NOT_FINITE = "not_finite"
    TWICE = "twice"
    SPEAKER_IN_TWO_SPLITS = "speaker_in_two_splits"
    SAME_PICTURES_IN_TWO_SPLITS = "same_pictures_in_two_splits"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A fault: which clip or speaker, and what was found."""

    fault: Fault
    key: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What a validation saw.

    Attributes:
        clips: by split.
        speakers: by split.
        hours: by split.
        hashed: clips whose content was compared with a recorded hash.
        findings: what is wrong; empty for a sound set.
    """

    clips: dict[str, int]
    speakers: dict[str, int]
    hours: dict[str, float]
    hashed: int
    findings: tuple[Finding, ...]

    def lines(self) -> Iterator[str]:
        """The validation as lines of text."""
        for split in SPLITS:
            if split in self.clips:
                yield (
                    f"  {split:<6}{self.clips[split]:>7} clips {self.speakers[split]:>5} speakers "
                    f"{self.hours[split]:>9.3f} h"
                )
        total = sum(self.clips.values())
        yield f"  content hashes compared: {self.hashed} of {total}"
        for fault, count in Counter(str(finding.fault) for finding in self.findings).items():
            yield f"  {fault}: {count}"
        for finding in self.findings[:20]:
            yield f"    {finding.fault}  {finding.key}: {finding.detail}"
        if len(self.findings) > 20:
            yield f"    ... {len(self.findings) - 20} more"


def picture_hash(frames: np.ndarray) -> int:
    """192 bits that small changes of compression leave alone: first, middle and last picture.

    A bit is whether a pixel of the picture at 9 x 8 is brighter than its right neighbour (dHash).

    Args:
        frames: uint8 `t h w 3`.
    """
    bits = 0
    for index in (0, len(frames) // 2, len(frames) - 1):
        small = Image.fromarray(frames[index]).convert("L").resize((9, 8), Image.Resampling.BOX)
        grey = np.asarray(small, dtype=np.int16)
        for bit in (grey[:, 1:] > grey[:, :-1]).flatten():
            bits = bits << 1 | int(bit)
    return bits


def check_clip(root: str | Path, row: Any) -> tuple[list[Finding], int | None]:
    """One clip of the index: what is wrong with it, and the hash of its pictures."""

    def found(fault: Fault, detail: str) -> tuple[list[Finding], None]:
        return [Finding(fault=fault, key=row.key, detail=detail)], None

    try:
        members = read_members(root, row)
    except Exception as error:  # whatever a damaged tar raises
        return found(Fault.UNREADABLE, f"{type(error).__name__}: {error}")
    if sorted(members) != sorted(MEMBERS):
        return found(Fault.SCHEMA, f"expected members {', '.join(MEMBERS)}, got {sorted(members)}")
    recorded = getattr(row, "sha256", None)
    if isinstance(recorded, str) and content_hash(members) != recorded:
        return found(Fault.HASH, "its content is not what was written")
    try:
        clip = parse_clip(members)
    except Exception as error:  # whatever a damaged member raises
        return found(Fault.SCHEMA, f"{type(error).__name__}: {error}")
    findings = [*_against_index(clip, row), *_not_finite(clip)]
    return findings, picture_hash(clip.frames)


def _against_index(clip: FaceClip, row: Any) -> Iterator[Finding]:
    pairs = {
        "key": (clip.key, row.key),
        "split": (clip.split, row.split),
        "speaker": (clip.speaker, row.speaker),
        "frames": (len(clip.frames), row.frames),
        "height": (clip.frames.shape[1], row.height),
    }
    for name, (here, there) in pairs.items():
        if here != there:
            yield Finding(
                fault=Fault.INDEX, key=row.key, detail=f"{name}: clip {here!r}, index {there!r}"
            )


def _not_finite(clip: FaceClip) -> Iterator[Finding]:
    arrays = {"audio": clip.audio, **clip.labels.to_arrays()}
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            yield Finding(fault=Fault.NOT_FINITE, key=clip.key, detail=f"{name} holds NaN or inf")


def same_pictures(hashes: dict[str, int], split_of: dict[str, str]) -> Iterator[Finding]:
    """Pairs of clips of different splits whose pictures are nearly the same.

    Two hashes that differ in fewer bits than there are bands agree in a whole band: only clips
    that share one are compared.
    """
    width = 192 // _BANDS
    buckets: dict[tuple[int, int], list[str]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    for key, value in hashes.items():
        for band in range(_BANDS):
            bucket = buckets[band, value >> (band * width) & (1 << width) - 1]
            for other in bucket:
                if split_of[other] == split_of[key] or (other, key) in seen:
                    continue
                seen.add((other, key))
                changed = (hashes[other] ^ value).bit_count()
                if changed <= MAX_CHANGED_BITS:
                    detail = f"{split_of[key]}; {other} in {split_of[other]}; {changed} bits differ"
                    yield Finding(
                        fault=Fault.SAME_PICTURES_IN_TWO_SPLITS, key=key, detail=f"in {detail}"
                    )
            bucket.append(key)


def _of_the_index(table: pd.DataFrame) -> Iterator[Finding]:
    for key, count in table["key"].value_counts().items():
        if count > 1:
            yield Finding(fault=Fault.TWICE, key=str(key), detail=f"{count} rows of the index")
    for speaker, splits in table.groupby("speaker")["split"].unique().items():
        if len(splits) > 1:
            yield Finding(
                fault=Fault.SPEAKER_IN_TWO_SPLITS,
                key=str(speaker),
                detail=" and ".join(sorted(splits)),
            )


def validate_set(root: str | Path, *, workers: int) -> Validation:
    """Read a whole set again.

    Args:
        root: folder or URL of the set.
        workers: processes; 1 works in this one.

    Raises:
        InputError: no set there.
    """
    table = read_index(root)
    rows = list(table.itertuples())
    findings = list(_of_the_index(table))
    hashes: dict[str, int] = {}
    for row, (wrong, value) in zip(
        rows, tqdm(_check_all(root, rows, workers), total=len(rows), desc="validate"), strict=True
    ):
        findings += wrong
        if value is not None:
            hashes[str(row.key)] = value
    split_of = {str(row.key): str(row.split) for row in rows}
    findings += same_pictures(hashes, split_of)
    by_split = table.groupby("split")
    return Validation(
        clips={str(split): len(part) for split, part in by_split},
        speakers={str(split): part["speaker"].nunique() for split, part in by_split},
        hours={str(split): part["frames"].sum() / FPS / 3600 for split, part in by_split},
        hashed=int(table["sha256"].notna().sum()) if "sha256" in table else 0,
        findings=tuple(findings),
    )


def _check_all(
    root: str | Path, rows: list[Any], workers: int
) -> Iterator[tuple[list[Finding], int | None]]:
    if workers <= 1:
        yield from (check_clip(root, row) for row in rows)
        return
    plain = [_Row(row._asdict()) for row in rows]
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(check_clip, [root] * len(plain), plain, chunksize=16)


class _Row:
    """An index row that goes to another process; pandas' own tuples cannot."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)
