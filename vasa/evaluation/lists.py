"""Clip lists: which clips a benchmark is scored on, by rule and seed, written down once.

A list is a text file, a clip key a line; lines that begin with # say where it comes from. Its hash
is that of the keys in their order, so that two results of one hash are of the same clips.
"""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vasa.data.schema import FPS
from vasa.evaluation.method_settings import ListRule
from vasa.types import InputError


@dataclass(frozen=True, kw_only=True)
class ClipList:
    """Clips by key, in their order.

    Attributes:
        keys: each once.
        about: a line on how the list was made; empty where nobody says.
    """

    keys: tuple[str, ...]
    about: str = ""

    @property
    def sha256(self) -> str:
        """Hash of the keys in their order, hex."""
        return hashlib.sha256("\n".join(self.keys).encode()).hexdigest()


def build_list(
    index: pd.DataFrame, *, name: str, rule: ListRule, split: str, seed: int
) -> ClipList:
    """Draws a list; the same index, rule and seed give the same list.

    Args:
        index: of a face-shard set.
        name: of the rule.
        rule: which clips, and how many.
        split: that clips are taken from.
        seed: of people and clips.

    Raises:
        InputError: the set holds too few such clips or people.
    """
    table = pd.DataFrame(index[index["split"] == split])
    seconds = table["frames"] / FPS
    keep = pd.Series(True, index=table.index)
    if rule.min_seconds is not None:
        keep &= seconds >= rule.min_seconds
    if rule.max_seconds is not None:
        keep &= seconds <= rule.max_seconds
    if rule.source is not None:
        keep &= table["source"].str.lower().str.startswith(rule.source.lower())
    table = pd.DataFrame(table[keep]).sort_values("key")
    wanted = rule.clips_per_speaker
    groups = {
        str(speaker): sorted(group["key"])
        for speaker, group in table.groupby("speaker")
        if wanted is None or len(group) >= wanted
    }
    if not groups or (rule.num_speakers is not None and len(groups) < rule.num_speakers):
        raise InputError(
            f"expected {rule.num_speakers or 'some'} people with {wanted or 'any'} clips of split "
            f"{split!r} that fit the list rule {name} ({_words(rule)}), found {len(groups)}; "
            "prepare more, or change evaluation.list_rules"
        )
    draw = random.Random(f"{name} {seed}")
    people = sorted(groups)
    if rule.num_speakers is not None:
        people = sorted(draw.sample(people, rule.num_speakers))
        if rule.num_clips is not None and sum(len(groups[p]) for p in people) < rule.num_clips:
            people = _with_most(groups, rule.num_speakers, name=name, least=rule.num_clips)
    if rule.num_speakers is not None and rule.num_clips is not None:
        keys = _dealt([groups[person] for person in people], rule.num_clips, draw=draw)
    else:
        keys = []
        for person in people:
            own = groups[person]
            keys += own if wanted is None else sorted(draw.sample(own, wanted))
        if rule.num_clips is not None and len(keys) > rule.num_clips:
            keys = sorted(draw.sample(keys, rule.num_clips))
    digest = hashlib.sha256("\n".join(sorted(index["key"])).encode()).hexdigest()[:8]
    return ClipList(
        keys=tuple(keys),
        about=f"{name}: {_words(rule)}; split {split}, seed {seed}, index of {len(index)} clips "
        f"{digest}",
    )


def _with_most(groups: dict[str, list[str]], count: int, *, name: str, least: int) -> list[str]:
    """The people with the most clips, where those that were drawn have too few together."""
    people = sorted(groups, key=lambda person: (-len(groups[person]), person))[:count]
    if (found := sum(len(groups[person]) for person in people)) < least:
        raise InputError(
            f"expected {least} clips of {count} people that fit the list rule {name}, found "
            f"{found} at most; prepare more, or change evaluation.list_rules"
        )
    return sorted(people)


def _dealt(groups: list[list[str]], count: int, *, draw: random.Random) -> list[str]:
    """So many clips, as evenly over people as these have them; everybody's first before a second.

    Args:
        groups: each person's clips.
        count: of clips.
        draw: decides which of a person's, and who has one more.
    """
    own = [draw.sample(group, len(group)) for group in groups]
    turns = [
        draw.sample(turn, len(turn))
        for number in range(max(map(len, own)))
        if (turn := [clips[number] for clips in own if len(clips) > number])
    ]
    return sorted([key for turn in turns for key in turn][:count])


def _words(rule: ListRule) -> str:
    parts = (
        (rule.num_speakers, "{} people"),
        (rule.clips_per_speaker, "{} clips of each"),
        (rule.num_clips, "{} clips" if rule.num_speakers is not None else "at most {} clips"),
        (rule.min_seconds, "at least {:g} s"),
        (rule.max_seconds, "at most {:g} s"),
        (rule.source, "source {}"),
    )
    return ", ".join(text.format(v) for v, text in parts if v is not None) or "all clips"


def write_list(path: Path, clips: ClipList) -> None:
    """Writes a list, aside and then in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    lines = [f"# {clips.about}", f"# sha256 of the keys: {clips.sha256}", *clips.keys]
    part.write_text("\n".join(lines) + "\n")
    part.replace(path)


def read_list(path: Path) -> ClipList:
    """The list of a file.

    Raises:
        InputError: no such file, no keys in it, or one of them twice.
    """
    if not path.is_file():
        raise InputError(
            f"expected a clip list at {path}, found none; evaluation.list_rule=RULE draws and "
            "writes it"
        )
    lines = [line.strip() for line in path.read_text().splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys or len(set(keys)) < len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise InputError(
            f"expected clip keys, a line each and none twice, in {path}, got "
            f"{f'{twice[0]} twice' if twice else 'none'}"
        )
    about = next((line[1:].strip() for line in lines if line.startswith("#")), "")
    return ClipList(keys=tuple(keys), about=about)


def listed_rows(index: pd.DataFrame, clips: ClipList, *, split: str) -> pd.DataFrame:
    """Rows of the index in the list's order.

    Raises:
        InputError: a clip is not in the set, or not in the split.
    """
    table = index.set_index("key", drop=False)
    missing = [key for key in clips.keys if key not in table.index]
    if missing:
        raise InputError(
            f"expected all {len(clips.keys)} clips of the list in the set, {len(missing)} are not, "
            f"such as {missing[0]}; the list was made of another set"
        )
    rows = pd.DataFrame(table.loc[list(clips.keys)])
    others = pd.DataFrame(rows[rows["split"] != split])
    if len(others):
        raise InputError(
            f"expected listed clips of split {split!r} alone, {len(others)} are not, such as "
            f"{others['key'].iloc[0]} of {others['split'].iloc[0]}; give evaluation.split, or "
            "leave them out: models may have been trained on them"
        )
    return rows.reset_index(drop=True)
