"""What makes a rename outlive a power cut."""

import errno
import os
from pathlib import Path

_UNKNOWN = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""What file systems answer that sync no folders (some over a network): they need no telling."""


def sync_folder(path: Path) -> None:
    """Have the names in a folder reach the disk: what was renamed there keeps its new name.

    Args:
        path: of the folder.

    Raises:
        OSError: the disk failed.
    """
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    finally:
        os.close(number)
