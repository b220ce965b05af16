"""What ended a run, kept beside its other records: error.json."""

import json
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from vasa.training.config import default_run_dir, flat, resolved
from vasa.training.run_folder import RunFolder, write_atomically


def record_failure(
    cfg: DictConfig, error: Exception, *, overrides: Sequence[str], is_member: bool
) -> Path | None:
    """Write down what ended a run, unless its folder is another's or it was complete.

    A member of a sweep that failed before it began gets a folder with this record alone, for who
    looks at the sweep must find it; a single run does not, its user has just read the error.
    The record holds its configuration, but is no `config.yaml`: a mended run may take the folder.

    Args:
        cfg: of the run.
        error: what ended it.
        overrides: the command line's.
        is_member: whether it is a member of a sweep.

    Returns:
        The record; None where there is none.
    """
    try:
        return _record(resolved(cfg), error, overrides=overrides, is_member=is_member)
    except (OmegaConfBaseException, OSError):
        return None  # nobody knows where it would lie, or it cannot lie there


def _record(
    config: dict[str, Any], error: Exception, *, overrides: Sequence[str], is_member: bool
) -> Path | None:
    folder = RunFolder(config["run_dir"] or default_run_dir(config))
    known = folder.known_config()
    is_begun = known is not None
    if folder.is_complete() or not (is_begun or is_member):
        return None
    if known is not None and flat(known) != flat(config):
        return None
    text = " ".join(str(error).split())
    record = {
        "error": f"{type(error).__name__}: {text}"[:2000],
        "traceback": "".join(traceback.format_exception(error))[-20_000:],
        "failed_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "overrides": list(overrides),
        "config": config,
    }
    folder.path.mkdir(parents=True, exist_ok=True)
    path = folder.path / "error.json"
    write_atomically(path, json.dumps(record, indent=2, default=str) + "\n")
    return path
