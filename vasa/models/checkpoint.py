"""Saved networks: weights as safetensors beside the constructor call that takes them.

A folder holds `model.safetensors` and `config.json` = {"_target_": "vasa....", **arguments}. A
saved configuration is untrusted input: only classes defined in this package are built from it.
"""

import hashlib
import importlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from vasa.durable import sync_folder
from vasa.types import InputError

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def save_model(net: nn.Module, config: Mapping[str, Any], directory: str | Path) -> Path:
    """Write a network so that `load_model` gives it back; complete or not at all.

    Args:
        net: the network.
        config: `_target_` and the keyword arguments of its constructor, JSON-able.
        directory: folder to make; one that exists is replaced.

    Returns:
        The folder.
    """
    directory = Path(directory)
    assert "_target_" in config, "a saved network's config needs its _target_"
    aside = directory.with_name(f".{directory.name}.part")  # what a kill left of it goes, too
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    state = {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}
    save_file({name: value.contiguous() for name, value in state.items()}, aside / WEIGHTS)
    (aside / CONFIG).write_text(json.dumps(dict(config), indent=2, sort_keys=True) + "\n")
    for name in (WEIGHTS, CONFIG):
        with open(aside / name, "rb") as file:
            os.fsync(file.fileno())
    sync_folder(aside)
    if directory.exists():
        shutil.rmtree(directory)
    aside.rename(directory)
    sync_folder(directory.parent)
    return directory


def load_model(directory: str | Path) -> nn.Module:
    """The saved network, in evaluation mode on the CPU.

    Args:
        directory: the folder, or the run folder that holds it as model/.

    Raises:
        InputError: there is no saved network, it is damaged, or it names a class of elsewhere.
    """
    folder = _find(directory)
    config = _read_config(folder)
    net = _build(config, where=folder / CONFIG)
    if not isinstance(net, nn.Module):
        raise InputError(f"{folder / CONFIG} describes {type(net).__name__}, expected a network")
    try:
        net.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{folder / WEIGHTS} does not fit its config.json: {error}") from error
    return net.eval()


def model_hash(directory: str | Path) -> str:
    """sha256 over weights and configuration, hex."""
    folder = _find(directory)
    digest = hashlib.sha256()
    for name in (WEIGHTS, CONFIG):
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _find(directory: str | Path) -> Path:
    for folder in (Path(directory), Path(directory) / "model"):
        if (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file():
            return folder
    raise InputError(
        f"no model at {directory}: expected {WEIGHTS} and {CONFIG} in it or in its model/ "
        "(a finished run folder); run `vasa train experiment=...` and give its run folder"
    )


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / CONFIG} is not JSON: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("_target_"), str):
        raise InputError(f"{folder / CONFIG} names no _target_; expected a class of vasa")
    return config


def _build(value: Any, *, where: Path) -> Any:
    """Constructor calls inside a configuration, inner ones first."""
    if isinstance(value, list):
        return [_build(item, where=where) for item in value]
    if not isinstance(value, dict):
        return value
    arguments = {key: _build(item, where=where) for key, item in value.items() if key != "_target_"}
    if "_target_" not in value:
        return arguments
    target = _allowed_class(value["_target_"], where=where)
    try:
        return target(**arguments)
    except TypeError as error:
        raise InputError(
            f"{where} does not fit {value['_target_']} of this version: {error}"
        ) from error


def _allowed_class(path: Any, *, where: Path) -> type[Any]:
    """A network or dataclass that this package itself defines."""
    refusal = InputError(f"{where} asks for {path!r}; only networks of vasa are built")
    if not isinstance(path, str) or not path.startswith("vasa."):
        raise refusal
    module_name, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise refusal from error
    if not isinstance(found, type) or not found.__module__.startswith("vasa."):
        raise refusal
    if not issubclass(found, nn.Module) and not is_dataclass(found):
        raise refusal
    return found
