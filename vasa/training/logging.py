"""metrics.jsonl is the record; wandb and TensorBoard mirror it and may fail without harm."""

import json
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from vasa.types import InputError


class Mirror(Protocol):
    """Somewhere else that shows what the record holds."""

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step."""
        ...

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A picture that was written."""
        ...

    def close(self) -> None:
        """Flush."""
        ...


class MetricsRecord:
    """Lines of metrics.jsonl, one JSON object each.

    Args:
        path: the file; lines of steps after `step` (from before a kill) are dropped.
        step: batches that the run continues from.
    """

    def __init__(self, *, path: Path, step: int) -> None:
        self.path = path
        kept = [line for line in self.read(path) if line["step"] <= step]
        aside = path.with_name(f".{path.name}")
        aside.write_text("".join(json.dumps(line) + "\n" for line in kept))
        aside.replace(path)
        self.time_s = float(kept[-1]["time_s"]) if kept else 0.0

    @staticmethod
    def read(path: Path) -> list[dict[str, Any]]:
        """Whole lines of a record; a last one that was cut off by a kill is left out."""
        if not path.is_file():
            return []
        lines = []
        for text in path.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                break
        return lines

    def write(self, values: dict[str, float], *, step: int, time_s: float) -> None:
        """One line."""
        line = {"step": step, "time_s": round(time_s, 3), **values}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


class Mirrors:
    """Several mirrors; one that fails is reported once and left out from then on.

    Args:
        mirrors: name to mirror.
    """

    def __init__(self, mirrors: dict[str, Mirror]) -> None:
        self._mirrors = mirrors

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step, to all."""
        self._each(lambda mirror: mirror.metrics(values, step=step))

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A written picture, to all."""
        self._each(lambda mirror: mirror.picture(name, path, step=step))

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
        config: resolved configuration, shown beside the curves.

    Raises:
        InputError: an unknown kind, or tensorboard without its package.
    """
    if kind == "none":
        return Mirrors({})
    if kind in ("auto", "wandb"):
        for mode in _wandb_modes():
            try:
                mirror = WandbMirror(mode=mode, project=project, folder=folder, config=config)
                return Mirrors({"wandb": mirror})
            except Exception as error:  # no key, no network, no disk: the record does not need it
                report(f"wandb {mode} did not start ({type(error).__name__}: {error})")
        return Mirrors({})
    if kind == "tensorboard":
        return Mirrors({"tensorboard": TensorboardMirror(folder=folder)})
    raise InputError(f"expected logger= auto, none, wandb or tensorboard, got {kind!r}")


def report(text: str) -> None:
    """A line for the person who watches."""
    print(f"vasa: {' '.join(text.split())}", file=sys.stderr)


def _wandb_modes() -> list[str]:
    """Online only with a key; then offline if that fails. Never a question to the terminal."""
    chosen = os.environ.get("WANDB_MODE")
    if chosen in ("disabled", "offline"):
        return [chosen]
    return ["online", "offline"] if os.environ.get("WANDB_API_KEY") else ["offline"]


class WandbMirror:
    """A wandb run whose id lives in the run folder, so that a continued run is one run.

    Args:
        mode: online, offline or disabled.
        project: wandb's project.
        folder: run folder.
        config: resolved configuration.
    """

    def __init__(self, *, mode: str, project: str, folder: Path, config: dict[str, Any]) -> None:
        import wandb

        id_file = folder / "wandb_id.txt"
        if not id_file.is_file():
            id_file.write_text(uuid.uuid4().hex[:12])
        self._wandb = wandb
        self._run = wandb.init(
            mode=mode,  # type: ignore[arg-type]
            project=project,
            id=id_file.read_text().strip(),
            name=f"{config['stage']}/{config['name']}",
            group=config["stage"],
            dir=str(folder),
            config=config,
            resume="allow" if mode == "online" else None,
            settings=wandb.Settings(silent=True, console="off", init_timeout=30),
        )

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step."""
        self._run.log(values, step=step)

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A sample picture."""
        self._run.log({f"samples/{name}": self._wandb.Image(str(path))}, step=step)

    def close(self) -> None:
        """Finish the run; the next job of a sweep gets its own."""
        self._run.finish()


class TensorboardMirror:
    """Event files in <run>/tensorboard.

    Args:
        folder: run folder.
    """

    def __init__(self, *, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "logger=tensorboard needs the tensorboard package: pip install tensorboard"
            ) from error
        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A sample picture."""
        import numpy as np
        from PIL import Image

        pixels = np.asarray(Image.open(path).convert("RGB"))
        self._writer.add_image(f"samples/{name}", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Flush."""
        self._writer.close()
