"""The members of a clip in its tar shard: where each one is, and whether it is what was written.

A clip's `sha256` is that of all members. The column `members` says where each one begins and what
its own hash is, so that training reads and checks what it uses and nothing else.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vasa.data.bad_clips import BadClipError, Fault
from vasa.data.remote import ShardRoot, open_shards
from vasa.types import InputError

CLIP_HASH = "sha256"
SUFFIXES = ("mp4", "flac", "npz", "json")
"""Of a face clip's members."""
_BLOCK = 512


def content_hash(members: Mapping[str, bytes]) -> str:
    """SHA-256 of a clip's members, in the order of their suffixes."""
    digest = hashlib.sha256()
    for suffix in sorted(members):
        digest.update(f"{suffix} {len(members[suffix])}\n".encode())
        digest.update(members[suffix])
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Place:
    """A member in its clip's part of a shard.

    Attributes:
        start: its first byte.
        size: in bytes.
        digest: the first 16 hex digits of its SHA-256.
    """

    start: int
    size: int
    digest: str


def member_digest(data: bytes) -> str:
    """What `Place.digest` is."""
    return hashlib.sha256(data).hexdigest()[:16]


def places_text(places: Mapping[str, Place]) -> str:
    """Places as the index's column `members` holds them."""
    return " ".join(f"{name} {at.start} {at.size} {at.digest}" for name, at in places.items())


def recorded_places(row: Any) -> dict[str, Place]:
    """The members of an index row; none where the set was written without."""
    text = getattr(row, "members", None)
    words = text.split() if isinstance(text, str) else []
    return {
        words[at]: Place(start=int(words[at + 1]), size=int(words[at + 2]), digest=words[at + 3])
        for at in range(0, len(words), 4)
    }


def recorded_hash(row: Any, column: str = CLIP_HASH) -> str | None:
    """The hash in an index row; None where the set was written without."""
    value = getattr(row, column, None)
    return value if isinstance(value, str) else None


def read_members(root: str | Path | ShardRoot, row: Any) -> dict[str, bytes]:
    """The raw members of the clip of an index row, by suffix; whatever bytes they have.

    Args:
        root: of the set.
        row: of its index.

    Raises:
        BadClipError: they cannot be had, or are no tar.
        InputError: the index names a file outside of the set.
    """
    root = open_shards(root)
    _check_inside(root, row.shard)
    data = root.read_range(row.shard, offset=int(row.offset), size=int(row.size), recorded="")
    return _with_tarfile(data, where=row.shard)


class Vouched:
    """Which members of a table's clips this process has found right: it checks each but once.

    Args:
        num_clips: of the table.
    """

    def __init__(self, num_clips: int) -> None:
        self._bits = np.zeros(num_clips, np.uint8)

    def __contains__(self, member: tuple[int, str]) -> bool:
        clip, suffix = member
        return bool(self._bits[clip] & _bit(suffix))

    def add(self, clip: int, suffix: str) -> None:
        """A member is right."""
        self._bits[clip] |= _bit(suffix)


def _bit(suffix: str) -> int:
    return 1 << SUFFIXES.index(suffix) if suffix in SUFFIXES else 0


def checked_members(
    root: str | Path | ShardRoot,
    row: Any,
    *,
    column: str = CLIP_HASH,
    vouched: Vouched | None = None,
) -> Mapping[str, bytes]:
    """The members of a clip, each checked before it is given out.

    Where the index has a hash of every member, one is read and checked when it is asked for; where
    it has one of all together, now; where it has none, never. Bytes that are wrong and came from a
    copy are read anew.

    Args:
        root: of the set.
        row: of its index; its `Index` is the clip's number.
        column: of the clip's hash.
        vouched: what needs no check any more.

    Raises:
        BadClipError: they cannot be had, or are not what was recorded; the latter when asked for
            it, too.
        InputError: the index names a file outside of the set.
    """
    root = open_shards(root)
    _check_inside(root, row.shard)
    if column == CLIP_HASH and (places := recorded_places(row)):
        return _CheckedMembers(root, row, places=places, vouched=vouched)
    return _checked_now(root, row, sha256=recorded_hash(row, column))


def _check_inside(root: ShardRoot, name: str) -> None:
    """An index from a stranger may name any file."""
    if os.path.isabs(name) or ".." in name.split("/"):
        raise InputError(
            f"expected shards inside of {root}, its index names {name!r}; do not use this set"
        )


def _checked_now(root: ShardRoot, row: Any, *, sha256: str | None) -> dict[str, bytes]:
    place = {"offset": int(row.offset), "size": int(row.size), "recorded": sha256 or ""}

    def members() -> dict[str, bytes]:
        found = _with_tarfile(root.read_range(row.shard, **place), where=row.shard)
        if sha256 is not None and content_hash(found) != sha256:
            raise _wrong_hash(row.shard)
        return found

    try:
        return members()
    except BadClipError:
        if not root.forget(row.shard, **place):
            raise
    return members()


def _wrong_hash(where: str) -> BadClipError:
    return BadClipError(Fault.WRONG_HASH, f"{where} holds other bytes than the index recorded")


def _with_tarfile(data: bytes, *, where: str) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data + b"\0" * 2 * _BLOCK), mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    members[member.name.rsplit(".", 1)[1]] = content.read()
    except (tarfile.TarError, OSError, EOFError, ValueError, IndexError) as error:
        raise BadClipError(Fault.UNREADABLE, f"{where} holds no tar there: {error}") from error
    return members


class _CheckedMembers(Mapping[str, bytes]):
    """Members by suffix, each read and checked when it is first asked for.

    Args:
        root: of the set.
        row: of its index.
        places: of the members.
        vouched: what needs no check any more.
    """

    def __init__(
        self, root: ShardRoot, row: Any, *, places: dict[str, Place], vouched: Vouched | None
    ) -> None:
        self._root, self._row, self._places, self._vouched = root, row, places, vouched
        self._found: dict[str, bytes] = {}
        self._range: dict[str, Any] = {
            "offset": int(row.offset),
            "size": int(row.size),
            "recorded": recorded_hash(row) or "",
        }
        self._whole = None if root.has_parts else self._read_whole()

    def _read_whole(self) -> bytes:
        return self._root.read_range(self._row.shard, **self._range)

    def __getitem__(self, suffix: str) -> bytes:
        if suffix not in self._found:
            try:
                data = self._read(suffix)
            except BadClipError:
                if not self._root.forget(self._row.shard, **self._range):
                    raise
                self._whole = self._read_whole()
                data = self._read(suffix)
            self._found[suffix] = data
        return self._found[suffix]

    def _read(self, suffix: str) -> bytes:
        data, vouched = self._bytes(self._places[suffix]), self._vouched
        if vouched is None or (self._row.Index, suffix) not in vouched:
            if member_digest(data) != self._places[suffix].digest:
                raise _wrong_hash(self._row.shard)
            if vouched is not None:
                vouched.add(self._row.Index, suffix)
        return data

    def _bytes(self, place: Place) -> bytes:
        if self._whole is not None:
            return self._whole[place.start : place.start + place.size]
        part = self._range | {"offset": self._range["offset"] + place.start, "size": place.size}
        return self._root.read_range(self._row.shard, **part)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
