"""Where shards lie: a folder, or a URL that fsspec reads (s3, gs, https, ...).

Training draws clips at random, so a clip is fetched by its range of bytes and not with its whole
shard: a first batch of 24 people costs 24 clips and not 24 shards, and a set larger than the cache
costs each time the clip alone. Whatever fails is tried again with growing, jittered waits.
"""

import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vasa.data.bad_clips import BadClipError, Fault
from vasa.data.remote_cache import DiskCache
from vasa.types import InputError

EXTRAS = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
_GOOGLE = ("gs://", "gcs://")
# One place tries again: botocore would try each of our attempts five times.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"retries": {"total_max_attempts": 1}}},
}
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_TRY_AGAIN = (408, 425, 429)
_RANGE_NOT_SATISFIABLE = 416
_WHOLE_FILE_TIMES = 10


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a fault is borne with.

    Attributes:
        attempts: in all.
        first_wait_s: before the second; it doubles each time, and half of it is by chance.
        timeout_s: of one attempt at a clip; a whole file (the index) has ten times that.
    """

    attempts: int = 5
    first_wait_s: float = 0.5
    timeout_s: float = 60.0


class _TooShort(OSError):
    """Fewer bytes than the index says."""


class ShardRoot(ABC):
    """The files of a shard set.

    Args:
        patience: with faults.

    Attributes:
        has_parts: whether reading some of a clip's bytes takes less than reading all of them.
    """

    has_parts = False

    def __init__(self, *, patience: Patience) -> None:
        self.patience = patience

    @abstractmethod
    def read_file(self, name: str) -> bytes:
        """A whole file of the set.

        Raises:
            FileNotFoundError: there is none.
            InputError: it cannot be had.
        """

    @abstractmethod
    def read_range(self, name: str, *, offset: int, size: int, recorded: str) -> bytes:
        """Bytes of a shard.

        Args:
            name: of the shard in the set.
            offset: of the first byte.
            size: in bytes.
            recorded: what the index knows of the content; other content is not taken from a cache.

        Raises:
            BadClipError: they cannot be had.
        """

    def forget(self, name: str, *, offset: int, size: int, recorded: str) -> bool:
        """Drop a copy of these bytes; whether there was one, so that reading again may help."""
        return False

    def _patiently(self, get: Callable[[], bytes], *, size: int | None) -> bytes:
        """What `get` gives, tried again while that may help.

        Raises:
            Exception: the last attempt's.
        """
        for attempt in range(self.patience.attempts):
            try:
                data = get()
                if size is not None and len(data) < size:
                    raise _TooShort(f"{len(data)} bytes came where {size} were expected")
                return data
            except Exception as error:
                if attempt + 1 == self.patience.attempts or self._is_final(error):
                    raise
                wait = self.patience.first_wait_s * 2**attempt
                time.sleep(wait * random.SystemRandom().uniform(0.5, 1))
        raise AssertionError("expected one attempt at least")

    def _is_final(self, error: Exception) -> bool:
        return isinstance(error, (*_FINAL, ImportError, ValueError, NotImplementedError))

    def _bad_clip(self, error: Exception, *, where: str, offset: int) -> BadClipError:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, _TooShort) or _status(error) == _RANGE_NOT_SATISFIABLE:
            return BadClipError(Fault.TRUNCATED, f"{where} ends within the clip at byte {offset}")
        is_missing = isinstance(error, _FINAL) or _status(error) in (401, 403, 404, 410)
        fault = Fault.MISSING if is_missing else Fault.UNREACHABLE
        return BadClipError(fault, f"{where} cannot be read ({text})")


class ShardFolder(ShardRoot):
    """A folder of this machine or of a network file system.

    Args:
        path: of the folder.
        patience: with a file system that fails for a while.
    """

    has_parts = True

    def __init__(self, path: Path, *, patience: Patience) -> None:
        super().__init__(patience=patience)
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    def read_file(self, name: str) -> bytes:
        return self._patiently((self.path / name).read_bytes, size=None)

    def read_range(self, name: str, *, offset: int, size: int, recorded: str) -> bytes:
        path = f"{self.path}/{name}"

        def get() -> bytes:
            with open(path, "rb", buffering=0) as file:
                file.seek(offset)
                data = file.read(size)
                while len(data) < size and (more := file.read(size - len(data))):
                    data += more  # a signal may cut a read short
                return data

        try:
            return self._patiently(get, size=size)
        except OSError as error:
            raise self._bad_clip(error, where=path, offset=offset) from error

    def _is_final(self, error: Exception) -> bool:
        return isinstance(error, _TooShort) or super()._is_final(error)


class ShardUrl(ShardRoot):
    """A set below a URL, with a cache of its clips on disk.

    Nothing of fsspec is kept between calls but what fsspec itself keeps: its connections do not
    survive the fork of a loader worker, and it knows that.

    Args:
        url: of the set.
        cache: of clips.
        patience: with the server.
    """

    def __init__(self, url: str, *, cache: DiskCache, patience: Patience) -> None:
        super().__init__(patience=patience)
        self.url = url.rstrip("/")
        if url.startswith(_GOOGLE):
            # gcsfs asks by gRPC what kind of bucket it is; its threads do not survive a fork.
            os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        self.cache = cache
        self._files: dict[str, bytes] = {}

    def __str__(self) -> str:
        return self.url

    def read_file(self, name: str) -> bytes:
        if name not in self._files:
            try:
                self._files[name] = self._patiently(lambda: self._fetch(name), size=None)
            except FileNotFoundError:
                raise
            except Exception as error:  # each protocol's client has its own
                raise self._refusal(name, error) from error
        return self._files[name]

    def read_range(self, name: str, *, offset: int, size: int, recorded: str) -> bytes:
        key = self._key(name, offset, size, recorded)
        data = self.cache.get(key)
        if data is not None and len(data) == size:
            return data
        try:
            data = self._patiently(
                lambda: self._fetch(name, start=offset, end=offset + size), size=size
            )
        except Exception as error:  # each protocol's client has its own
            raise self._bad_clip(error, where=f"{self.url}/{name}", offset=offset) from error
        if len(data) > size:
            raise InputError(
                f"expected a server that gives ranges of bytes, {self.url} sent {len(data)} bytes "
                f"when {size} were asked for; serve the set by one that does (nginx, S3, ...)"
            )
        self.cache.put(key, data)
        return data

    def forget(self, name: str, *, offset: int, size: int, recorded: str) -> bool:
        return self.cache.drop(self._key(name, offset, size, recorded))

    def _key(self, name: str, offset: int, size: int, recorded: str) -> str:
        return f"{self.url}/{name} {offset} {size} {recorded}"

    def _fetch(self, name: str, *, start: int | None = None, end: int | None = None) -> bytes:
        from fsspec.asyn import AsyncFileSystem, sync
        from fsspec.core import url_to_fs

        options = _OPTIONS.get(self.url.split("://")[0], {})
        system, path = url_to_fs(f"{self.url}/{name}", **options)
        if not isinstance(system, AsyncFileSystem):
            return bytes(system.cat_file(path, start=start, end=end))
        timeout = self.patience.timeout_s * (_WHOLE_FILE_TIMES if end is None else 1)
        data = sync(system.loop, system._cat_file, path, start=start, end=end, timeout=timeout)
        assert isinstance(data, bytes)
        return data

    def _is_final(self, error: Exception) -> bool:
        status = _status(error)
        is_refused = status is not None and 400 <= status < 500 and status not in _TRY_AGAIN
        return is_refused or super()._is_final(error)

    def _refusal(self, name: str, error: Exception) -> InputError:
        protocol = self.url.split("://")[0]
        if isinstance(error, ImportError):
            package = EXTRAS.get(protocol, "fsspec's package for it")
            return InputError(
                f"reading {protocol}:// needs {package}: pip install 'vasa[remote]' or {package}"
            )
        return InputError(
            f"expected shards at {self.url}, {name} cannot be read "
            f"({type(error).__name__}: {error}); check URL, credentials and server"
        )


def _status(error: BaseException) -> int | None:
    """HTTP status that an error is about; None where it is about none."""
    status = getattr(error, "status", None) or getattr(error, "code", None)  # gcsfs's is code
    if status is None and error.__cause__ is not None:
        response = getattr(error.__cause__, "response", None)  # botocore's
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def open_shards(
    root: "str | Path | ShardRoot",
    *,
    cache_dir: str | Path | None = None,
    cache_gb: float = 0.0,
    patience: Patience | None = None,
) -> ShardRoot:
    """The set at a path or URL; nothing is read yet.

    Args:
        root: a folder, a URL, or what is open already.
        cache_dir: folder that keeps clips from a URL; None: `default_cache_dir()`.
        cache_gb: size of it.
        patience: with faults.
    """
    if isinstance(root, ShardRoot):
        return root
    patience = patience or Patience()
    if isinstance(root, Path) or "://" not in root:
        return ShardFolder(Path(root), patience=patience)
    if root.startswith("file://"):
        return ShardFolder(Path(root.removeprefix("file://")), patience=patience)
    folder = Path(cache_dir).expanduser() if cache_dir else default_cache_dir()
    cache = DiskCache(folder, max_bytes=int(cache_gb * 2**30))
    return ShardUrl(root, cache=cache, patience=patience)


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/vasa/clips`, or below `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "vasa" / "clips"
