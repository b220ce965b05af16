"""Hydra's and OmegaConf's complaints, as one line that says what was expected."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException, HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationResolutionError,
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from vasa.cli.paths import conf_dir


def options(group: str) -> list[str]:
    """Every choice of a config group, nested ones as `folder/name`."""
    root = Path(conf_dir()) / group
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml"))


def nearest(word: str, known: Sequence[str]) -> str:
    """` (nearest: a, b)`, or an empty string where nothing is near."""
    found = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    last = word.rsplit(".", 1)[-1]
    found += [key for key in known if key.rsplit(".", 1)[-1] == last and key not in found][:2]
    return f" (nearest: {', '.join(found)})" if found else ""


def explain(*, error: Exception, command: str, overrides: Sequence[str]) -> str | None:
    """One line for a user's mistake, or None where the error is a bug of ours."""
    if isinstance(error, MissingMandatoryValue):
        key = error.full_key or str(error).splitlines()[0].rsplit(" ", 1)[-1]
        return f"{key} must be given: vasa {command} {key}=VALUE"
    if isinstance(error, InterpolationToMissingValueError):
        wanted = re.findall(r"\$\{([^}]+)\}", str(error)) + re.findall(r"'([^']+)'", str(error))
        return f"{wanted[0] if wanted else error.full_key} must be given ({_first(error)})"
    if isinstance(error, (InterpolationKeyError, InterpolationResolutionError, ValidationError)):
        where = f" at {error.full_key}" if error.full_key else ""
        return f"the configuration does not resolve{where}: {_first(error)}"
    if isinstance(error, OmegaConfBaseException):
        return None
    if isinstance(error, OverrideParseException):
        return (
            f"expected overrides as key=value, could not read {error.override!r}: {_first(error)}"
        )
    if isinstance(error, HydraException):
        return _explain_hydra(error=error, command=command, overrides=overrides)
    return None


def _explain_hydra(*, error: HydraException, command: str, overrides: Sequence[str]) -> str:
    text = str(error)
    if match := re.search(r"Could not find '([^']+)'", text):
        path = match.group(1)
        group, _, name = path.partition("/")
        if name and (Path(conf_dir()) / group).is_dir():
            known = options(group)
            expected = f"; expected {group}= one of: {', '.join(known)}"
            return f"there is no {group} {name!r}{nearest(name, known)}{expected}"
    if match := re.search(r"You must specify '([^']+)'", text):
        group = match.group(1)
        return f"{group}=... must be given, one of: {', '.join(options(group))}"
    if isinstance(error, ConfigCompositionException):
        if match := re.search(r"Could not override '([^']+)'", text):
            key = match.group(1)
            known = list(_keys_without(key=key, command=command, overrides=overrides))
            return f"there is no key {key!r} in the configuration of vasa {command}" + (
                nearest(key, known) or f"; vasa {command} --cfg job lists the keys"
            )
        cause = error.__cause__
        return f"{_first(error)}{f': {_first(cause)}' if cause else ''}"
    return _first(error)


def _keys_without(*, key: str, command: str, overrides: Sequence[str]) -> Iterator[str]:
    """Keys of the configuration that the other overrides make."""
    groups = [
        word
        for word in overrides
        if re.match(r"^[\w/@]+=", word)
        and word.split("=", 1)[0] != key
        and (Path(conf_dir()) / word.split("=", 1)[0].split("@")[0]).is_dir()
    ]
    try:
        with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
            cfg = compose(config_name=command, overrides=groups)
    except (HydraException, OmegaConfBaseException):
        return
    yield from flat_keys(cfg)
    yield from (entry.name for entry in Path(conf_dir()).iterdir() if entry.is_dir())


def flat_keys(cfg: DictConfig) -> Iterator[str]:
    """Every key of a configuration, dotted; branches too."""

    def walk(node: object, prefix: str) -> Iterator[str]:
        if isinstance(node, dict):
            for name, child in node.items():
                yield f"{prefix}{name}"
                yield from walk(child, f"{prefix}{name}.")

    yield from walk(OmegaConf.to_container(cfg, resolve=False), "")


def _first(error: BaseException) -> str:
    """The first line of an error's text that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
