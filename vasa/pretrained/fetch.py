"""Downloads of experts' files from their official addresses, continued and checked."""

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from vasa.pretrained.registry import REGISTRY, USER_CACHE, file_sha256
from vasa.types import InputError

PIECE = 1 << 20
TIMEOUT_S = 30


def fetch_weight(name: str, *, tell: Callable[[str], None]) -> Path:
    """An expert's file, downloaded into the user's cache.

    A download that was cut goes on where it was; nothing is put in place whose checksum is not the
    registered one.

    Args:
        name: of the registry.
        tell: is told the licence, the address and where the file lies.

    Raises:
        InputError: unknown name, no address for it, no connection, or another file's checksum.
    """
    if name not in REGISTRY:
        raise InputError(f"expected fetch= one of {', '.join(REGISTRY)}, got {name!r}")
    entry = REGISTRY[name]
    if entry.url is None:
        raise InputError(
            f"{name} has no address to download it from; get {entry.file} from {entry.source}"
        )
    path = USER_CACHE.expanduser() / entry.file
    if path.is_file() and file_sha256(path) == entry.sha256:
        tell(f"{name} is there: {path}")
        return path
    tell(f"{name}: licence: {entry.licence}")
    tell(f"{name}: from {entry.url}")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        _download(entry.url, part)
    except OSError as error:  # urllib's own errors are such
        raise InputError(
            f"expected {entry.file} from {entry.url}, got {error}; the same command continues, or "
            f"get it from {entry.source} and put it into {path.parent}"
        ) from error
    if (found := file_sha256(part)) != entry.sha256:
        part.unlink()
        raise InputError(
            f"expected sha256 {entry.sha256} of {entry.url}, got {found}; the file was removed"
        )
    part.replace(path)
    tell(f"{name}: {path}")
    return path


def _download(url: str, part: Path) -> None:
    """The rest of what is not in `part` yet; all of it where the server gives no ranges."""
    held = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={held}-"} if held else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing
            return
        raise
    with answer, part.open("ab" if answer.status == 206 else "wb") as file:
        wanted = answer.length
        got = 0
        while piece := answer.read(PIECE):
            file.write(piece)
            got += len(piece)
    if wanted is not None and got < wanted:
        raise OSError(f"{got} of {wanted} bytes before the connection was cut")
