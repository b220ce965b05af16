"""What a process runs on: the code with its changes, the device, the tools and the packages."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

CODE = ("*.py", "*.yaml", "*.yml", "*.toml", "*.sh", "*.sbatch", "Makefile")
"""Files that are code, also before git knows them; what it ignores is none.

Records and tables are none: an experiment that rewrites its own leaves the next one's code alone.
"""
WAIT_S = 20


def code_state(clone: Path) -> dict[str, Any]:
    """Commit, whether the code differs from it, and how; new files are part of that.

    Git's own index is left as it is: new files are added to a copy of it.

    Args:
        clone: working tree; one that is none has the commit None.
    """
    commit = _said("git", "-C", str(clone), "rev-parse", "HEAD") if _is_clone(clone) else ""
    if not commit:
        return {"commit": None, "is_dirty": False, "diff": ""}
    diff = _diff(clone)
    return {"commit": commit.strip(), "is_dirty": bool(diff), "diff": diff}


def _is_clone(clone: Path) -> bool:
    return (clone / ".git").exists()


def _diff(clone: Path) -> str:
    def git(*words: str, **environment: str) -> str:
        return _said("git", "-C", str(clone), *words, **environment)

    new = git("ls-files", "--others", "--exclude-standard", "-z", "--", *CODE).split("\0")[:-1]
    if not new:
        return git("diff", "HEAD", "--", *CODE)
    index = clone / git("rev-parse", "--git-path", "index").strip()
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(index, folder)
        git("add", "--intent-to-add", "--", *new, GIT_INDEX_FILE=str(copy))
        return git("diff", "HEAD", "--", *CODE, GIT_INDEX_FILE=str(copy))


def device_facts(device: str) -> dict[str, Any]:
    """Model, driver and libraries of a GPU; None of what there is not.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, ...
    """
    is_gpu = device.startswith("cuda") and torch.cuda.is_available()
    driver = Path("/proc/driver/nvidia/version")
    text = driver.read_text().splitlines()[0] if is_gpu and driver.is_file() else ""
    return {
        "device": device,
        "gpu": torch.cuda.get_device_name(device) if is_gpu else None,
        "gpu_count": torch.cuda.device_count() if is_gpu else 0,
        "driver": next((word for word in text.split() if word[0].isdigit()), None),
        "cuda": torch.version.cuda if is_gpu else None,
        "cudnn": torch.backends.cudnn.version() if is_gpu else None,
    }


def ffmpeg_version() -> str | None:
    """Of the program; None where there is none."""
    words = _said("ffmpeg", "-version").split()
    return words[2] if words[:2] == ["ffmpeg", "version"] else None


def distributions() -> dict[str, str]:
    """Every installed package and its version, by name.

    Of two, what Python imports: the one first on its path. What setuptools brings for itself is on
    the path as soon as something is built, and is not installed.
    """
    folders = [folder for folder in sys.path if Path(folder).name != "_vendor"]
    found: dict[str, str] = {}
    for one in metadata.distributions(path=folders):
        if (name := one.name) is not None:
            found.setdefault(name.lower(), one.version)
    return dict(sorted(found.items()))


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _said(*command: str, **environment: str) -> str:
    """What a program wrote; nothing where it is missing, failed or took too long."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=WAIT_S,
            env={**os.environ, **environment},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
