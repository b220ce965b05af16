"""A folder that keeps bytes up to a size; the least recently used go first.

Several processes may use one folder: entries are written aside and renamed, and the size is kept in
a file under a lock, so that the bound holds for all of them together. A process that is killed
leaves at worst a size that is too high, which the next eviction sets right.
"""

import contextlib
import fcntl
import hashlib
import os
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

HEADROOM = 0.1
"""Share of the size that an eviction frees beyond what it must: it reads the whole folder."""
STALE_S = 3600.0
"""Age at which a file that was being written is somebody's who was killed."""


class DiskCache:
    """Bytes by key.

    Args:
        folder: made at the first `put`.
        max_bytes: of all entries together.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self._has_complained = False

    def get(self, key: str) -> bytes | None:
        """What was put, which counts as a use of it; None where it is not kept."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):  # evicted since, or a folder that is only read
            os.utime(path)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes, if they fit at all; a full or unwritable disk is told once, no error."""
        if len(data) > self.max_bytes:
            return
        path = self._path(key)
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            with self._locked():
                if not path.exists():
                    self._make_room(len(data))
                part.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            if not self._has_complained:
                print(f"vasa: nothing is kept in {self.folder}: {error}", file=sys.stderr)
            self._has_complained = True

    def drop(self, key: str) -> bool:
        """Forget an entry; whether there was one."""
        path = self._path(key)
        try:
            with self._locked():
                size = path.stat().st_size
                path.unlink()
                self._write_size(max(0, self._read_size() - size))
        except OSError:
            return False
        return True

    def size(self) -> int:
        """Bytes of all entries, counted on the disk."""
        return sum(size for _, size, _ in self._entries())

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / name[2:]

    def _make_room(self, size: int) -> None:
        """Count an entry that is about to come; evict if it does not fit."""
        total = self._read_size()
        if total + size > self.max_bytes:
            total = self._evict(self.max_bytes * (1 - HEADROOM) - size)
        self._write_size(total + size)

    def _evict(self, target: float) -> int:
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= target:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total

    def _entries(self) -> Iterator[tuple[int, int, Path]]:
        """Time of last use (ns), size and path of each; clears away what killed processes left."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            try:
                found = path.stat()
                if path.suffix != ".part":
                    yield found.st_mtime_ns, found.st_size, path
                elif time.time() - found.st_mtime > STALE_S:
                    path.unlink()
            except FileNotFoundError:
                continue

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.folder / ".lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read_size(self) -> int:
        try:
            return int((self.folder / ".size").read_text())
        except (OSError, ValueError):
            return self.size()

    def _write_size(self, size: int) -> None:
        (self.folder / ".size").write_text(str(size))
