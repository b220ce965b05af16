"""From a composed configuration to objects: the only place that instantiates.

Also what Hydra leaves open: an experiment file may add keys that nothing reads (a misspelling),
and a misspelt constructor argument should be one clear line, before any work is done.
"""

import difflib
import hashlib
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vasa.types import InputError

ROOT_KEYS = frozenset(
    "stage name seed run_dir max_steps log_every sample_every checkpoint_every_s checkpoint_last"
    " checkpoint_best checkpoint_by ema_decay max_nonfinite_steps module data trainer"
    " logger".split()
)
OWN_TRAINER_KEYS = frozenset(("num_threads", "peak_tflops"))
"""Of a trainer's keys those that Lightning does not know."""
TRAINER_KEYS = OWN_TRAINER_KEYS | frozenset(
    "accelerator devices num_nodes strategy precision accumulate_grad_batches"
    " gradient_clip_val".split()
)
# Where and how a run is done, not what it computes: a run may be continued with others.
NEUTRAL = (
    "run_dir",
    "logger",
    "log_every",
    "sample_every",
    "checkpoint_every_s",
    "checkpoint_last",
    "checkpoint_best",
    "checkpoint_by",
    "trainer.num_threads",
    "trainer.peak_tflops",
    "data.num_workers",
    "data.cache_gb",
    "data.cache_dir",
    "data.cache_gb_disk",
    "data.max_bad_share",
)


def check_keys(cfg: DictConfig) -> None:
    """Refuse missing values, and keys that nothing reads: misspellings in an experiment file.

    An experiment may define a key of its own (`stage1: ???`) if something in it reads that key
    (`${stage1}`).

    Raises:
        InputError: naming the keys.
    """
    read = set(re.findall(r"\$\{([\w]+)", OmegaConf.to_yaml(cfg)))
    for key in cfg:
        if key not in ROOT_KEYS | read:
            raise InputError(
                f"the experiment sets {key!r}, which nothing reads{_nearest(str(key), ROOT_KEYS)}"
            )
    for key in cfg.trainer:
        if key not in TRAINER_KEYS:
            raise InputError(
                f"the experiment sets 'trainer.{key}', which nothing reads"
                + _nearest(str(key), TRAINER_KEYS)
            )
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        own = [key for key in missing if key in read] or missing
        example = f"{own[0]}=VALUE"
        raise InputError(f"must be given: {', '.join(own)} (for instance {example})")
    check_signatures(resolved(cfg))


def check_signatures(config: dict[str, Any]) -> None:
    """Names of all arguments in a configuration against the constructors they go to.

    Raises:
        InputError: naming the first that does not fit.
    """
    for where, node in _targets(config, ""):
        _check_signature(where=where, node=node)


def build(node: DictConfig) -> Any:
    """What a `_target_` node describes.

    Raises:
        InputError: arguments that do not fit the constructor, or its own refusal of them.
    """
    try:
        return instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, Exception):
            raise error.__cause__ from None
        raise


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Plain nested dicts with every interpolation resolved."""
    return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore[return-value]


def flat(config: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys to leaves, without what does not change the result (NEUTRAL)."""

    def walk(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        if prefix in NEUTRAL:
            return
        if isinstance(node, dict) and node:
            for key, child in node.items():
                yield from walk(child, f"{prefix}.{key}" if prefix else str(key))
        else:
            yield prefix, node

    return dict(walk(config, ""))


def config_hash(config: dict[str, Any]) -> str:
    """sha256 of what a resolved configuration computes, hex."""
    return hashlib.sha256(json.dumps(flat(config), sort_keys=True).encode()).hexdigest()


def default_run_dir(config: dict[str, Any]) -> Path:
    """runs/<stage>/<name>/<8 digits of the hash>."""
    return Path("runs") / config["stage"] / config["name"] / config_hash(config)[:8]


def _targets(node: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield where, node
        for key, child in node.items():
            yield from _targets(child, f"{where}.{key}" if where else str(key))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _targets(child, f"{where}[{index}]")


def _check_signature(*, where: str, node: dict[str, Any]) -> None:
    """Names of arguments against the constructor; partial ones too, which building passes."""
    path = node["_target_"]
    module_name, _, name = str(path).rpartition(".")
    if module_name.split(".")[0] not in ("vasa", "torch"):
        raise InputError(f"{where}._target_ is {path!r}; expected a class of vasa or torch")
    try:
        target = getattr(importlib.import_module(module_name), name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise  # something that the module itself needs: not the user's mistake
        raise InputError(f"{where}._target_ is {path!r}, which does not exist") from error
    except AttributeError as error:
        raise InputError(f"{where}._target_ is {path!r}, which does not exist") from error
    parameters = _parameters(target)
    given = {key for key in node if not re.fullmatch(r"_\w+_", key)}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    if unknown := sorted(given - set(parameters)):
        raise InputError(
            f"{where}.{unknown[0]} is no argument of {path}{_nearest(unknown[0], parameters)}"
        )
    needed = {
        key
        for key, p in parameters.items()
        if p.default is p.empty and p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
    }
    if not node.get("_partial_", False) and (absent := sorted(needed - given)):
        raise InputError(f"{where} lacks {', '.join(absent)}, which {path} needs")


def _parameters(target: Any) -> dict[str, inspect.Parameter]:
    """Of a function or a constructor; a class that hands `**more` on takes its bases' too."""
    found: dict[str, inspect.Parameter] = {}
    for kind in target.__mro__ if isinstance(target, type) else (target,):
        if kind is object or (isinstance(target, type) and "__init__" not in vars(kind)):
            continue
        own = inspect.signature(kind).parameters
        found = {name: p for name, p in found.items() if p.kind is not p.VAR_KEYWORD}
        found = {**own, **found}
        if not any(p.kind is p.VAR_KEYWORD for p in own.values()):
            break
    return found


def _nearest(word: str, known: Any) -> str:
    found = difflib.get_close_matches(word, sorted(known), n=2, cutoff=0.5)
    return f" (nearest: {', '.join(found)})" if found else ""
