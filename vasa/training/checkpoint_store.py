"""The checkpoints of a run: whole or not there, checked by their hash, few of them kept.

checkpoints/step_0000120.ckpt has step_0000120.json beside it: what was written, by its sha256, and
how good it was. `last.ckpt` is a link to the newest. Loading takes tensors and plain values alone:
what unpickles code is refused.
"""

import hashlib
import json
import os
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.utilities import rank_zero_only

from vasa.durable import sync_folder
from vasa.training.logging import report
from vasa.training.run_folder import write_atomically
from vasa.types import InputError


@dataclass(frozen=True, kw_only=True)
class CheckpointNote:
    """What stands beside a checkpoint.

    Attributes:
        step: batches trained on.
        score: lower is better; None where nothing was measured.
        sha256: of the file, hex; empty before it is written.
        num_bytes: of the file.
    """

    step: int
    score: float | None
    sha256: str = ""
    num_bytes: int = 0


class CheckpointStore(CheckpointIO):
    """Keeps the newest checkpoints and the best, and finds the newest that is whole.

    Lightning saves and loads through it, on rank zero alone what is saved. A disk that is full does
    not end the training: `save_checkpoint` says so, sets `failure`, and leaves what there was.

    Args:
        folder: checkpoints/ of the run.
        keep_last: newest ones kept, one at least; a damaged one is replaced by the one before.
        keep_best: kept beside them by their score.

    Attributes:
        failure: why the last one could not be saved; None if it was.
        saved: what is known of the last one that this process wrote.
    """

    def __init__(self, *, folder: Path, keep_last: int, keep_best: int) -> None:
        if keep_last < 1 or keep_best < 0:
            raise InputError(
                "expected checkpoint_last of 1 or more and checkpoint_best of 0 or more, got "
                f"{keep_last} and {keep_best}; 2 and 1 are usual"
            )
        self.folder, self.keep_last, self.keep_best = folder, keep_last, keep_best
        self.link = folder / "last.ckpt"
        self.failure: OSError | None = None
        self.saved: CheckpointNote | None = None
        self._damaged: set[Path] = set()

    def path_of(self, step: int) -> Path:
        """Where the checkpoint of a step is kept."""
        return self.folder / f"step_{step:07d}.ckpt"

    def newest(self) -> Path | None:
        """The newest checkpoint that is what was written; damaged ones are reported."""
        for path in sorted(self.folder.glob("step_*.ckpt"), reverse=True):
            if not (fault := _fault(path)):
                return path
            self._damaged.add(path)
            if rank_zero_only.rank == 0:
                report(f"{path} is damaged ({fault}); the one before it is used")
        if self.link.is_file() and not self.link.is_symlink():
            return self.link  # of a version that kept one alone, without its hash
        return None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write aside, put in place, remove the old.

        Args:
            checkpoint: Lightning's.
            path: `path_of` the step.
            storage_options: its CheckpointNote.
        """
        assert isinstance(storage_options, CheckpointNote), "checkpoints are saved with their note"
        try:
            self._write(checkpoint, Path(path), storage_options)
        except OSError as error:
            self.failure = error
            report(
                f"CHECKPOINT OF STEP {storage_options.step} NOT SAVED "
                f"({error.strerror or error}); training goes on and tries again; "
                f"make room at {self.folder}"
            )
        else:
            if self.failure is not None:
                report(f"checkpoints are saved again, of step {storage_options.step}")
            self.failure = None

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Tensors and plain values; on the CPU where nothing else is asked for.

        Raises:
            InputError: the file asks for code to be run, or is no checkpoint.
        """
        try:
            return torch.load(path, map_location=map_location or "cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise InputError(
                f"expected tensors and plain values in {path}, got something else "
                f"({str(error).splitlines()[0]}); remove it, the one before it is used then"
            ) from error

    def remove_checkpoint(self, path: Any) -> None:
        """A checkpoint and its note."""
        Path(path).unlink(missing_ok=True)
        _note_of(Path(path)).unlink(missing_ok=True)

    def _write(self, checkpoint: dict[str, Any], path: Path, note: CheckpointNote) -> None:
        aside = self.folder / ".saving.part"
        try:
            with aside.open("wb") as file:
                stream = _Hashing(file)
                torch.save(checkpoint, stream)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())  # a name in place means content in place, power cut or not
            facts = {"sha256": stream.digest.hexdigest(), "num_bytes": stream.num_bytes}
            whole = CheckpointNote(**{**asdict(note), **facts})
            write_atomically(_note_of(path), json.dumps(asdict(whole), indent=2) + "\n")
            aside.replace(path)
            sync_folder(self.folder)
        except (OSError, RuntimeError) as error:  # torch's writer has its own word for a full disk
            aside.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise
            if stream.failure is None:
                raise
            raise stream.failure from error
        self.saved = whole
        self._damaged.discard(path)
        self._point_to(path)
        self._prune()

    def _point_to(self, path: Path) -> None:
        aside = self.folder / ".last.part"
        aside.unlink(missing_ok=True)
        aside.symlink_to(path.name)
        aside.replace(self.link)

    def _prune(self) -> None:
        found = sorted(set(self.folder.glob("step_*.ckpt")) - self._damaged, reverse=True)
        kept = set(found[: self.keep_last])
        scored = [
            (note.score, path)
            for path in found
            if (note := _read_note(path)) is not None and note.score is not None
        ]
        kept |= {path for _, path in sorted(scored)[: self.keep_best]}
        for path in self.folder.glob("step_*.ckpt"):
            if path not in kept:
                self.remove_checkpoint(path)
        for note in self.folder.glob("step_*.json"):  # a kill came before its checkpoint
            if not note.with_suffix(".ckpt").is_file():
                note.unlink(missing_ok=True)
        self._damaged = set()


class _Hashing:
    """A file that knows the hash of what it was given, whatever the disk makes of it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.num_bytes = 0
        self.failure: OSError | None = None
        self.saved: CheckpointNote | None = None

    def write(self, data: Any) -> int:
        """All of it."""
        self.digest.update(data)
        try:
            written = self.file.write(data)
        except OSError as error:
            self.failure = error
            raise
        self.num_bytes += written
        return written

    def flush(self) -> None:
        """To the system."""
        self.file.flush()


def _note_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _read_note(path: Path) -> CheckpointNote | None:
    try:
        return CheckpointNote(**json.loads(_note_of(path).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _fault(path: Path) -> str:
    """What is wrong with a checkpoint; nothing, if it is what was written."""
    note = _read_note(path)
    if note is None:
        return f"{_note_of(path).name}, which holds its hash, is missing or unreadable"
    try:
        if (num_bytes := path.stat().st_size) != note.num_bytes:
            return f"{num_bytes} bytes, {note.num_bytes} were written"
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return str(error.strerror or error)
    return "" if found == note.sha256 else f"sha256 {found[:8]}, {note.sha256[:8]} was written"
