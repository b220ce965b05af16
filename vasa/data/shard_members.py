"""The members of a clip, found in its bytes of a tar shard and checked against recorded hashes.

A clip's `sha256` is that of all members. The index also has each member's own, so that training
hashes only what it uses: of a clip whose pictures are wanted, not the sound.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vasa.data.bad_clips import BadClipError, Fault
from vasa.data.remote import ShardRoot, open_shards
from vasa.types import InputError

CLIP_HASH = "sha256"
_BLOCK = 512
_FILE_TYPES = (b"0", b"\0")


def content_hash(members: Mapping[str, bytes]) -> str:
    """SHA-256 of a clip's members, in the order of their suffixes."""
    digest = hashlib.sha256()
    for suffix in sorted(members):
        digest.update(f"{suffix} {len(members[suffix])}\n".encode())
        digest.update(members[suffix])
    return digest.hexdigest()


def hash_columns(members: Mapping[str, bytes]) -> dict[str, str]:
    """What the index records of a clip's bytes: `sha256`, `sha256_mp4`, `sha256_npz`, ..."""
    each = {
        f"{CLIP_HASH}_{suffix}": hashlib.sha256(data).hexdigest()
        for suffix, data in members.items()
    }
    return {CLIP_HASH: content_hash(members), **each}


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
    return _with_tarfile(_place(open_shards(root), row, recorded=None)[0](), where=row.shard)


def checked_members(
    root: str | Path | ShardRoot, row: Any, *, column: str = CLIP_HASH
) -> Mapping[str, bytes]:
    """The members of a clip, each checked before it is given out.

    Where the index has a hash of every member, one is checked when it is asked for; where it has
    one of all together, now; where it has none, never. Bytes that are wrong and came from a copy
    are read anew.

    Args:
        root: of the set.
        row: of its index.
        column: of the clip's hash.

    Raises:
        BadClipError: they cannot be had, or are not what was recorded; the latter when asked for
            it, too.
        InputError: the index names a file outside of the set.
    """
    recorded = recorded_hash(row, column)
    read, forget = _place(open_shards(root), row, recorded=recorded)
    if column == CLIP_HASH and (hashes := _member_hashes(row)):
        return _CheckedMembers(read, forget, hashes=hashes, where=row.shard)
    return _checked_now(read, forget, sha256=recorded, where=row.shard)


def _place(
    root: ShardRoot, row: Any, *, recorded: str | None
) -> tuple[Callable[[], bytes], Callable[[], bool]]:
    """How to read a clip's bytes, and how to forget a copy of them."""
    if os.path.isabs(row.shard) or ".." in Path(row.shard).parts:
        # An index from a stranger may name any file.
        raise InputError(
            f"expected shards inside of {root}, its index names {row.shard!r}; do not use this set"
        )
    place: dict[str, Any] = {
        "offset": int(row.offset),
        "size": int(row.size),
        "recorded": recorded or "",
    }
    return lambda: root.read_range(row.shard, **place), lambda: root.forget(row.shard, **place)


def _member_hashes(row: Any) -> dict[str, str]:
    start = f"{CLIP_HASH}_"
    names = getattr(row, "_fields", ())
    found = {
        name[len(start) :]: recorded_hash(row, name) for name in names if name.startswith(start)
    }
    return {suffix: value for suffix, value in found.items() if value is not None}


def _checked_now(
    read: Callable[[], bytes], forget: Callable[[], bool], *, sha256: str | None, where: str
) -> dict[str, bytes]:
    def members() -> dict[str, bytes]:
        found = _with_tarfile(read(), where=where)
        if sha256 is not None and content_hash(found) != sha256:
            raise _wrong_hash(where)
        return found

    try:
        return members()
    except BadClipError:
        if not forget():
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
    """Members by suffix; each is checked when it is first asked for.

    Their places are read off plain tar headers; the hashes say whether that was right. Opening a
    tar with `tarfile` takes as long as decoding two small pictures.

    Args:
        read: the clip's bytes.
        forget: drops a copy of them, if there is one.
        hashes: SHA-256 of each member.
        where: the shard, for messages.
    """

    def __init__(
        self,
        read: Callable[[], bytes],
        forget: Callable[[], bool],
        *,
        hashes: dict[str, str],
        where: str,
    ) -> None:
        self._read, self._forget, self._hashes, self._where = read, forget, hashes, where
        self._data = read()
        self._places = _tar_places(self._data)
        self._checked: dict[str, bytes] = {}

    def __getitem__(self, suffix: str) -> bytes:
        if suffix not in self._checked:
            try:
                data = self._right(suffix)
            except BadClipError:
                if not self._forget():
                    raise
                self._data = self._read()
                self._places = _tar_places(self._data)
                data = self._right(suffix)
            self._checked[suffix] = data
        return self._checked[suffix]

    def _right(self, suffix: str) -> bytes:
        expected = self._hashes[suffix]
        if suffix not in self._places:
            detail = f"{self._where} holds no tar there: no {suffix} of the clip"
            raise BadClipError(Fault.UNREADABLE, detail)
        data = self._data[slice(*self._places[suffix])]
        if hashlib.sha256(data).hexdigest() != expected:
            raise _wrong_hash(self._where)
        return data

    def __iter__(self) -> Iterator[str]:
        return iter(self._hashes)

    def __len__(self) -> int:
        return len(self._hashes)


def _tar_places(data: bytes) -> dict[str, tuple[int, int]]:
    """First byte and end of each plain file by suffix, as far as headers make sense."""
    places: dict[str, tuple[int, int]] = {}
    start = 0
    while start + _BLOCK <= len(data):
        header = data[start : start + _BLOCK]
        try:
            size = int(header[124:136].rstrip(b"\0 "), 8)
        except ValueError:
            return places
        start += _BLOCK
        if header[156:157] in _FILE_TYPES:
            name = header[:100].split(b"\0", 1)[0].decode("ascii", "replace")
            places[name.rpartition(".")[2]] = (start, start + size)
        start += -(-size // _BLOCK) * _BLOCK
    return places
