"""wandb and TensorBoard mirror the record. None of it may end a training."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vasa.training.exhibits import Histogram
from vasa.training.logging import report
from vasa.types import InputError


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Files of a run folder; they stay where they are.

    Attributes:
        kind: checkpoint, model or code.
        paths: the files; small ones of the kind `code` are taken along, others named alone.
        metadata: what is known of them: sha256, step, ...
    """

    kind: str
    paths: list[Path]
    metadata: dict[str, Any] = field(default_factory=dict)


class Mirror(Protocol):
    """Somewhere else that shows what the record holds."""

    def begin(self, record: Path, *, step: int) -> None:
        """The run begins, or continues after a step; the record holds what was before."""
        ...

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step."""
        ...

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A picture that was written."""
        ...

    def histogram(self, name: str, histogram: Histogram, *, step: int) -> None:
        """Values of a code, counted."""
        ...

    def clip(self, name: str, path: Path, *, step: int) -> None:
        """An mp4 that was written."""
        ...

    def artifact(self, artifact: Artifact, *, step: int) -> None:
        """Files that a run has left."""
        ...

    def close(self) -> None:
        """Flush."""
        ...


class Mirrors:
    """Several mirrors; one that fails is reported once and left out from then on.

    Args:
        mirrors: name to mirror.
    """

    def __init__(self, mirrors: dict[str, Mirror]) -> None:
        self._mirrors = mirrors

    def begin(self, record: Path, *, step: int) -> None:
        """The run begins or continues, to all."""
        self._each(lambda mirror: mirror.begin(record, step=step))

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step, to all."""
        self._each(lambda mirror: mirror.metrics(values, step=step))

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A written picture, to all."""
        self._each(lambda mirror: mirror.picture(name, path, step=step))

    def histogram(self, name: str, histogram: Histogram, *, step: int) -> None:
        """Values of a code, to all."""
        self._each(lambda mirror: mirror.histogram(name, histogram, step=step))

    def clip(self, name: str, path: Path, *, step: int) -> None:
        """A written clip, to all."""
        self._each(lambda mirror: mirror.clip(name, path, step=step))

    def artifact(self, artifact: Artifact, *, step: int) -> None:
        """Files that were written, to all."""
        self._each(lambda mirror: mirror.artifact(artifact, step=step))

    def close(self) -> None:
        """Flush all."""
        self._each(lambda mirror: mirror.close())
        self._mirrors = {}

    def _each(self, call: Callable[[Mirror], None]) -> None:
        for name, mirror in list(self._mirrors.items()):
            try:
                call(mirror)
            except Exception as error:  # a mirror is somebody else's service: never the run's end
                report(f"{name} stopped ({type(error).__name__}: {error}); training goes on")
                del self._mirrors[name]


def open_mirrors(*, kind: str, project: str, folder: Path, config: dict[str, Any]) -> Mirrors:
    """The mirrors that `logger=` names.

    Args:
        kind: auto (wandb), wandb, tensorboard or none.
        project: wandb's project.
        folder: run folder; offline files are kept in it.
        config: resolved configuration, shown beside the curves; its `environment` is what is known
            of code and machine.

    Raises:
        InputError: an unknown kind, or tensorboard without its package.
    """
    if kind == "none":
        return Mirrors({})
    if kind in ("auto", "wandb"):
        from vasa.training.wandb_mirror import WandbMirror, modes

        try:
            chosen = modes()
            mirror = WandbMirror(modes=chosen, project=project, folder=folder, config=config)
        except OSError as error:  # no room for a process or a file: the record does not need it
            report(f"wandb did not start ({error}); training goes on")
            return Mirrors({})
        return Mirrors({"wandb": mirror} if chosen else {})
    if kind == "tensorboard":
        from vasa.training.tensorboard_mirror import TensorboardMirror

        return Mirrors({"tensorboard": TensorboardMirror(folder=folder, config=config)})
    raise InputError(f"expected logger= auto, none, wandb or tensorboard, got {kind!r}")
