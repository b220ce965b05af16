"""What differs between configurations, in few words.

Configurations are flat: dotted keys to leaves, as `run_records` reads them.
"""

import json
from collections.abc import Sequence
from typing import Any

# Where a run lies and how it is watched is no difference between runs.
PLACE = ("run_dir", "name", "stage", "logger", "trainer.num_threads", "log_every", "sample_every")
# Nor, between the rows of a table, is how often it saves and how it loads.
HANDLING = (
    *PLACE,
    "trainer.peak_tflops",
    "checkpoint_every_s",
    "checkpoint_last",
    "checkpoint_best",
    "checkpoint_by",
    "data.num_workers",
    "data.cache_gb",
    "data.cache_dir",
    "data.cache_gb_disk",
    "data.max_bad_share",
)
LONGEST = 28
UNSET = "unset"
_TARGET = "._target_"

Config = dict[str, Any]


def is_below(key: str, places: Sequence[str]) -> bool:
    """Whether a dotted key is one of these or lies below one."""
    return any(key == place or key.startswith(f"{place}.") for place in places)


def is_seed(key: str) -> bool:
    """Whether a key holds a seed: its own, or one that a part of the run was given."""
    return key.rsplit(".", 1)[-1] == "seed"


def differing_keys(configs: Sequence[Config], *, places: Sequence[str] = PLACE) -> list[str]:
    """Keys in which configurations differ, in their order; empty configurations are passed over.

    Args:
        configs: to compare.
        places: keys that are no difference, with all below them.
    """
    configs = [config for config in configs if config]
    keys = dict.fromkeys(key for config in configs for key in config)
    return [
        key
        for key in keys
        if not is_below(key, places) and len({json_of(config, key) for config in configs}) > 1
    ]


def json_of(config: Config, key: str) -> str:
    """A leaf as text that can be compared; a key that is not there counts as null."""
    return json.dumps(config.get(key), default=str)


def last_parts(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each dotted key where no other key ends so, else the whole."""
    last = [key.rsplit(".", 1)[-1] for key in keys]
    return {
        key: part if last.count(part) == 1 else key for key, part in zip(keys, last, strict=True)
    }


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The last two parts of each dotted key, `module` being none; the whole where that is unclear.

    One part would say too little: `drop_rates.gaze=1` and `weights.gaze=1` are two things.
    """
    short = [".".join(key.removeprefix("module.").split(".")[-2:]) for key in keys]
    return {
        key: part if short.count(part) == 1 else key for key, part in zip(keys, short, strict=True)
    }


def plain(value: Any) -> Any:
    """A leaf as one cell: lists as JSON."""
    return json.dumps(value, default=str) if isinstance(value, list | dict) else value


def shown_keys(keys: Sequence[str]) -> list[str]:
    """The keys that say it: of an object that another class takes the place of, its class alone."""
    objects = [key.removesuffix(_TARGET) for key in keys if key.endswith(_TARGET)]
    found = dict.fromkeys(
        next((one for one in objects if key == one or key.startswith(f"{one}.")), key)
        for key in keys
    )
    return list(found)


def value_text(config: Config, key: str) -> str:
    """A leaf in few words; an object by its class."""
    if key + _TARGET in config:
        return str(config[key + _TARGET]).rsplit(".", 1)[-1]
    if key not in config:
        return UNSET
    value = config[key]
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = f"{value:.5g}" if isinstance(value, float) else str(plain(value))
    return text if len(text) <= LONGEST else f"...{text[3 - LONGEST :]}"


def row_names(configs: Sequence[Config], *, keys: Sequence[str], reference: int) -> list[str]:
    """Each configuration by what it has other than the reference, such as `weights.cycle=2`.

    Args:
        configs: one a row.
        keys: in which they differ.
        reference: place of the row to differ from. It is named by its own values where these are
            few, else `reference`.
    """
    shown = shown_keys(keys)
    titles = short_names(shown)
    base = configs[reference]
    names = []
    for index, config in enumerate(configs):
        is_base = index == reference
        own = [
            key
            for key in shown
            if is_base or value_text(config, key) != value_text(base, key)
        ]  # fmt: skip
        names.append(", ".join(f"{titles[key]}={value_text(config, key)}" for key in own))
        if is_base and len(shown) > 2 or not names[-1]:
            names[-1] = "reference" if is_base else f"variant {index}"
    return names


def commonest(configs: Sequence[Config], *, keys: Sequence[str]) -> int:
    """Place of the configuration whose values most others share; the first of several."""
    columns = {key: [json_of(config, key) for config in configs] for key in keys}

    def num_rare(index: int) -> int:
        return sum(
            column.count(column[index]) < max(map(column.count, column))
            for column in columns.values()
        )

    return min(range(len(configs)), key=num_rare)
