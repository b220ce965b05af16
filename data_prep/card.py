"""The card of a face-shard set: what it holds, whose licence, what was left out, how it looks."""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from data_prep.card_plots import GROUPS, histograms_png, split_names
from data_prep.drawing import Tile, contact_sheet, draw_labels, frame_labels, plain
from vasa.data.schema import FPS
from vasa.data.shard_members import read_members
from vasa.data.shards import read_index, read_labels
from vasa.data.video import decode_mp4

MAX_TILES = 24
MAX_NAME = 60
"""Characters of a stranger's name that a card shows."""
MAX_LICENCES = 50
"""Rows of the table of licences; a set with more says how many it leaves out."""
SHEET_NOTE = f"""The middle frames of up to {MAX_TILES} clips, spread evenly over speakers and over
each one's clips, not picked. White: 68 landmarks. From the head's origin between the ears: x (red),
y (green), and out of the face (blue; a dot where the face looks at the viewer). Yellow: gaze, which
closing lids pull down. `blink` is 0 open to 1 closed, `mouth` the inner-lip gap over the distance
of the outer eye corners. A red frame: labels not to be trusted."""
PICTURES = "card"
"""Folder of the card's pictures, beside it."""


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card says that the set's files do not.

    Attributes:
        title: heading.
        about: paragraphs of Markdown.
        networks: the frozen networks that labelled it, a description each.
        prep_version: of the preparation.
    """

    title: str
    about: tuple[str, ...]
    networks: tuple[str, ...]
    prep_version: str


def write_card(root: Path, *, card: CardFacts) -> None:
    """Write `<root>/card.md` and its pictures `<root>/card/*.png`, from the set's files alone.

    The same set gives the same bytes. Each file is written aside and renamed, the text last.

    Args:
        root: a finished set: index.parquet, dropped.parquet, stats.json and shards.
        card: what the files do not say.

    Raises:
        InputError: no set at `root`.
    """
    index = read_index(root)
    folder = root / PICTURES
    folder.mkdir(exist_ok=True)
    pictures: dict[str, bytes] = {}
    for group in GROUPS:
        if measures := group.present(index):
            pictures[f"{group.name}.png"] = histograms_png(index, measures)
    chosen = sample_clips(index, limit=MAX_TILES)
    if len(chosen):
        pictures["clips.png"] = _contact_sheet(root, chosen)
    for name, data in pictures.items():
        _replace(folder / name, data)
    text = "\n\n".join(_sections(root, index, card, set(pictures))) + "\n"
    _replace(root / "card.md", text.encode("utf-8", "replace"))
    for old in folder.glob("*.png"):
        if old.name not in pictures:
            old.unlink()


def table_text(text: Any, *, limit: int = MAX_NAME) -> str:
    """A stranger's text as part of a Markdown line or table cell: it cannot break out of it.

    One line, cut to `limit` characters; markup, HTML, mathematics and links are inert.
    """
    line = plain(str(text))
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # an underscore between letters marks nothing up, and keys are full of them
    line = re.sub(r"([\\`*\[\]|~$!#@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", line)
    return line.replace("://", r"\://").replace("www.", r"www\.") or "(empty)"


def sample_clips(index: pd.DataFrame, *, limit: int) -> pd.DataFrame:
    """Clips spread evenly over speakers, and over a speaker's clips: no one picks them by looks.

    Every speaker has one before any has two; with more speakers than `limit`, evenly spaced ones.
    """
    people = [
        (split, speaker)
        for split in split_names(index)
        for speaker in sorted(set(index["speaker"][index["split"] == split]), key=_natural)
    ]
    if not people:
        return index.iloc[:0]
    people = [people[i] for i in _spread(len(people), limit)]
    rows = [
        np.flatnonzero((index["speaker"] == speaker) & (index["split"] == split))
        for split, speaker in people
    ]
    share = [0] * len(people)
    while sum(share) < limit and any(n < len(own) for n, own in zip(share, rows, strict=True)):
        for number, own in enumerate(rows):
            if share[number] < len(own) and sum(share) < limit:
                share[number] += 1
    picked = [own[i] for own, n in zip(rows, share, strict=True) for i in _spread(len(own), n)]
    return index.iloc[picked]


def _spread(count: int, limit: int) -> list[int]:
    """At most `limit` of `count` places: the middles of equal parts."""
    num = min(count, limit)
    return [(2 * i + 1) * count // (2 * num) for i in range(num)]


def _natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sorts s2 before s10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(not p[0].isdecimal(), int(p) if p[0].isdecimal() else 0, p) for p in parts], name


def _contact_sheet(root: Path, rows: pd.DataFrame) -> bytes:
    tiles = []
    for row in rows.itertuples():
        members = read_members(root, row)
        clip = read_labels(members["npz"])
        middle = len(clip.pose) // 2
        labels = frame_labels(clip, middle)
        note = f"blink {labels.blink:.2f} · mouth {labels.mouth_opening:.2f}"
        tiles.append(
            Tile(
                picture=draw_labels(decode_mp4(members["mp4"], [middle])[0], labels),
                title=f"{row.speaker} ({row.split})",
                note=note if labels.is_valid else "labels not to be trusted",
                is_alarm=not labels.is_valid,
            )
        )
    buffer = io.BytesIO()
    Image.fromarray(contact_sheet(tiles)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _sections(
    root: Path, index: pd.DataFrame, card: CardFacts, pictures: set[str]
) -> Iterator[str]:
    dropped = _dropped(root)
    yield f"# {plain(card.title)}"
    yield from card.about
    yield "## Clips"
    yield _counts_table(index)
    if doubt := _stats_doubt(root, index, dropped):
        yield doubt
    if "clips.png" in pictures:
        yield f"![clips with their labels drawn on them]({PICTURES}/clips.png)"
        yield SHEET_NOTE
    yield "## Licences"
    yield _licence_table(root, index)
    yield "## Left out"
    yield _drop_table(dropped, num_clips=len(index))
    yield "## Measures"
    yield _measure_table(index)
    for group in GROUPS:
        if f"{group.name}.png" in pictures:
            yield f"### {group.title}"
            yield f"![{group.title.lower()}: histograms]({PICTURES}/{group.name}.png)"
    yield "## Made with"
    made = [f"- preparation: {table_text(card.prep_version)}"]
    yield "\n".join(made + [f"- {table_text(name, limit=300)}" for name in card.networks])


def _counts_table(index: pd.DataFrame) -> str:
    if index.empty:
        return "The set holds no clip."
    parts = [(name, index[index["split"] == name]) for name in split_names(index)]
    parts += [("all", index)] if len(parts) > 1 else []
    rows = []
    for name, part in parts:
        seconds = part["frames"] / FPS
        spread = " / ".join(f"{float(seconds.quantile(q)):.2f}" for q in (0, 0.5, 1))
        rows.append(
            (
                table_text(name),
                f"{len(part):,}",
                f"{part['speaker'].nunique():,}",
                f"{float(seconds.sum()) / 3600:.3f}",
                spread,
            )
        )
    text = _table(("split", "clips", "speakers", "hours", "shortest / median / longest (s)"), rows)
    if "height" in index:
        sizes = ", ".join(str(int(size)) for size in sorted(set(index["height"].dropna())))
        text += f"\n\nPictures are square, {sizes} px, {FPS} a second."
    return text


def _stats_doubt(root: Path, index: pd.DataFrame, dropped: pd.DataFrame) -> str:
    """What to say where stats.json does not belong to the tables beside it; nothing if it does."""
    path = root / "stats.json"
    stats = json.loads(path.read_text()) if path.is_file() else {}
    clips = {name: split["clips"] for name, split in stats.get("splits", {}).items()}
    if clips == dict(Counter(index["split"])) and stats.get("dropped", {}) == dict(
        Counter(dropped["reason"])
    ):
        return ""
    return (
        "**`stats.json` is missing or counts otherwise than the tables beside it**: the set may be "
        "of two runs; `vasa prep validate` says more."
    )


def _licence_table(root: Path, index: pd.DataFrame) -> str:
    if index.empty:
        return "No clip, no licence."
    terms = index[["frames", "speaker"]].copy()
    for column in ("source", "licence"):
        terms[column] = _from_index_or_clips(root, index, column)
    groups = sorted(terms.groupby(["source", "licence"], sort=True), key=lambda item: item[0])
    rows = [
        (
            table_text(names[0]),
            table_text(names[1], limit=200),
            f"{len(part):,}",
            f"{part['speaker'].nunique():,}",
            f"{float(part['frames'].sum()) / FPS / 3600:.3f}",
        )
        for names, part in groups[:MAX_LICENCES]
    ]
    text = _table(("source", "licence of the footage", "clips", "speakers", "hours"), rows)
    if len(groups) > MAX_LICENCES:
        text += f"\n\nand {len(groups) - MAX_LICENCES} more; each clip's `json` names its own."
    return text


def _from_index_or_clips(root: Path, index: pd.DataFrame, column: str) -> list[str]:
    """A column of text; older indexes have none, then each clip's json says."""
    if column in index:
        return [str(value) for value in index[column].fillna("unknown")]
    found = []
    for row in index.itertuples():
        details = json.loads(read_members(root, row)["json"])
        found.append(str(details.get(column, "unknown")))
    return found


def _dropped(root: Path) -> pd.DataFrame:
    path = root / "dropped.parquet"
    return (
        pd.read_parquet(path)
        if path.is_file()
        else pd.DataFrame(columns=["key", "reason", "detail"])
    )


def _drop_table(dropped: pd.DataFrame, *, num_clips: int) -> str:
    if dropped.empty:
        return "Nothing."
    total = len(dropped) + num_clips
    counts = sorted(Counter(dropped["reason"]).items(), key=lambda item: (-item[1], str(item[0])))
    rows = []
    for reason, count in counts:
        first = dropped[dropped["reason"] == reason].sort_values(["key", "detail"]).iloc[0]
        rows.append(
            (
                table_text(reason),
                f"{count:,}",
                f"{count / total:.1%}",
                table_text(first["key"]),
                table_text(first["detail"], limit=120),
            )
        )
    return (
        _table(("reason", "count", "share", "for example", "what was found"), rows)
        + f"\n\nShares of {total:,}: clips kept, and files or spans left out. All of them stand in "
        "`dropped.parquet`."
    )


def _measure_table(index: pd.DataFrame) -> str:
    rows, missing = [], []
    for measure in (measure for group in GROUPS for measure in group.measures):
        values = measure.values(index).dropna()
        if values.empty:
            missing.append(f"`{measure.column}`")
            continue
        spread = (f"{float(values.quantile(q)):.4g}" for q in (0.05, 0.5, 0.95))
        name, count = table_text(measure.label()), f"{len(values):,}"
        rows.append((name, f"`{measure.column}`", count, *spread))
    texts = []
    if rows:
        texts.append(_table(("measure", "column", "clips", "5 %", "median", "95 %"), rows))
    if missing:
        texts.append("Not measured in this set: " + ", ".join(missing) + ".")
    return "\n\n".join(texts)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
