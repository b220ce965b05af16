"""Whether the sync step of `vasa prep` finds sound that was moved on purpose, and moves it back.

usage: sync_delay.py move RAW MOVED CLIPS COPIES [PATTERN ...]
       sync_delay.py score NAME MOVED SET SYNCNET OUT.json [SHIFTED]
       sync_delay.py publish OUT.json README

`move` writes COPIES copies each of CLIPS clips of RAW (those whose paths below RAW match a PATTERN,
all without one; one clip of every person before the second of any), each with its sound moved by
another number of frames, -8 to +8, in turn. Positive: the sound is late. Nothing is filled up with
silence: pictures i keep the sound i - delay of the same file, and where that does not exist the
pictures go; every copy is 8 frames shorter than its clip, whatever its delay.

`score` compares what `vasa prep` with `sync.model=SYNCNET` says of MOVED (SET, under
`sync.rule=record`) with the delays, and what is left of them under `sync.rule=shift
sync.max_offset_frames=12` (SHIFTED, which may hold some of the copies). It adds a record NAME to
OUT.json; `publish` writes all of them between README's `<!-- sync -->` marks.

A row is a delay. `within 1`: share of clips whose offset is at most a frame from the delay.
Controls: `chance`, the share that a blind pick among the shifts tried would reach; `other sound`,
what is found when each clip's pictures meet the sound of the next person. Intervals resample
people, not clips: copies of one clip are one observation.
"""

import fnmatch
import json
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_prep.decode import stream_frames
from data_prep.decode_sound import read_sound
from data_prep.drops import Dropped
from data_prep.layouts import folder
from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.data.shards import read_clip, read_index
from vasa.data.video import write_video
from vasa.evaluation.metrics.clip_metric import bootstrap_interval
from vasa.evaluation.report.marks import put_between
from vasa.models.checkpoint import load_model, model_hash
from vasa.models.sync_score import largest_shift, score_clip
from vasa.models.syncnet import WINDOW_FRAMES, SyncNet
from vasa.training.run_folder import describe_environment

MAX_DELAY = 8
DELAYS = tuple(range(-MAX_DELAY, MAX_DELAY + 1))
LEFT = ("left after `shift`", "left, as SyncNet measures it")
NUM_RESAMPLES, SEED = 2000, 0
_STRIDE = 7  # between the delays of one clip's copies; it has no factor in common with 17
_CRF = 12


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was said of one prepared clip.

    Attributes:
        person: whose lips these are.
        delay: of the sound, frames; positive is late.
        offset: what the sync step found.
        chance: how likely a blind pick is within a frame of the delay.
        confidence: S_C of that SyncNet.
    """

    person: str
    delay: int
    offset: int
    chance: float
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """The clips of one delay, or of all (`delay` None).

    Attributes:
        delay: frames.
        clips, people: how many.
        exact, within: shares of clips at the delay, and at most a frame from it.
        low, high: 95% bootstrap interval of `within` over people; None for one person.
        median: of the absolute error, frames.
        chance: of `within`.
    """

    delay: int | None
    clips: int
    people: int
    exact: float
    within: float
    low: float | None
    high: float | None
    median: float
    chance: float


def moved(
    frames: np.ndarray, audio: np.ndarray, delay: int, *, most: int = MAX_DELAY
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures `t-most h w 3` and the sound that is `delay` frames late to them.

    Picture i gets the sound of picture i - delay.

    Args:
        frames: pictures `t h w 3`.
        audio: their sound, `640 t` samples.
        delay: frames, at most `most` either way.
        most: the largest delay; so many frames are cut off.
    """
    first = max(0, delay) if delay else most // 2
    count = len(frames) - most
    sound = slice((first - delay) * SAMPLES_PER_FRAME, (first - delay + count) * SAMPLES_PER_FRAME)
    return frames[first : first + count], audio[sound]


def delay_of(clip: int, copy: int) -> int:
    """The delay of a clip's copy: 17 clips hold every delay once, 17 copies of a clip do too."""
    return DELAYS[(clip + _STRIDE * copy) % len(DELAYS)]


def in_turn(raw: Path, patterns: list[str]) -> list[tuple[str, Path]]:
    """Persons and files: each person's first clip, then each one's second.

    Rendered clips (their truth lies beside them) are of a person each.
    """
    by_person: dict[str, list[Path]] = defaultdict(list)
    for clip in folder(raw):
        name = clip.path.relative_to(raw).as_posix()
        if not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            is_rendered = clip.path.with_suffix(".npz").is_file()
            by_person[clip.path.stem if is_rendered else clip.speaker].append(clip.path)
    turns = [
        (turn, who, path) for who, found in by_person.items() for turn, path in enumerate(found)
    ]
    return [(who, path) for _, who, path in sorted(turns)]


def move(raw: Path, out: Path, num_clips: int, num_copies: int, patterns: list[str]) -> None:
    """Write the copies, and `delays.json` beside them: the delay by `person/file`."""
    delays: dict[str, int] = {}
    number = -1
    for person, path in in_turn(raw, patterns):
        try:
            audio = read_sound(path)
            frames = np.stack(list(stream_frames(path)))
        except Dropped as drop:
            print(f"left out: {person}/{path.name}: {drop.detail}")
            continue
        even = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
        count = min(len(even), len(audio) // SAMPLES_PER_FRAME)
        if count - MAX_DELAY < WINDOW_FRAMES:
            print(f"left out: {person}/{path.name}: {count} frames")
            continue
        number += 1
        if number == num_clips:
            break
        for copy in range(num_copies):
            delay = delay_of(number, copy)
            name = f"{path.stem}_{copy:02d}"  # it does not tell the delay
            pictures, sound = moved(even[:count], audio[: count * SAMPLES_PER_FRAME], delay)
            write_video(out / person / f"{name}.mp4", pictures, sound, crf=_CRF)
            delays[f"{person}/{name}"] = delay
    if not delays:
        sys.exit(f"expected clips in {raw} that match {patterns or 'anything'}, found none")
    (out / "delays.json").write_text(json.dumps(delays, indent=1) + "\n")


def chance_within(delay: int, num_frames: int) -> float:
    """How likely a blind pick among the shifts tried for a clip is within a frame of its delay."""
    most = largest_shift(num_frames - WINDOW_FRAMES + 1)
    near = sum(abs(delay + step) <= most for step in (-1, 0, 1))
    return near / (2 * most + 1)


def _origin(key: str) -> str:
    """`person/file` of the key of a prepared clip, which may be a part of the file."""
    return "/".join(key.split("/")[:2])


def found_in(prepared: Path, delays: dict[str, int]) -> list[Found]:
    """What the index of a set made under `sync.rule=record` says."""
    index = read_index(prepared)
    if "sync_offset_frames" not in index:
        sys.exit(
            f"expected sync_offset_frames in the index of {prepared}; prepare it with sync.model"
        )
    rows: Any = index.itertuples()
    return [
        Found(
            person=row.speaker,
            delay=delays[_origin(row.key)],
            offset=int(row.sync_offset_frames),
            chance=chance_within(delays[_origin(row.key)], row.frames),
            confidence=float(row.sync_confidence),
        )
        for row in rows
        if not np.isnan(row.sync_offset_frames)
    ]


def with_other_sound(prepared: Path, delays: dict[str, int], net: SyncNet) -> list[Found]:
    """Each clip's pictures with the sound of the first clip of the next person."""
    rows: list[Any] = list(read_index(prepared).itertuples())
    people = sorted({row.speaker for row in rows})
    first = {row.speaker: row for row in reversed(rows)}
    sounds = {person: read_clip(prepared, first[person]).audio for person in people}
    after = dict(zip(people, people[1:] + people[:1], strict=True))
    found = []
    for row in rows:
        clip = read_clip(prepared, row)
        sound = sounds[after[row.speaker]]
        count = min(len(clip.frames), len(sound) // SAMPLES_PER_FRAME)
        result = score_clip(net, frames=clip.frames[:count], audio=sound)
        delay = delays[_origin(row.key)]
        found.append(
            Found(
                person=row.speaker,
                delay=delay,
                offset=result.offset_frames,
                chance=chance_within(delay, count),
                confidence=result.confidence,
            )
        )
    return found


def left_after_shift(
    prepared: Path, delays: dict[str, int], net: SyncNet
) -> tuple[list[Found], list[Found]]:
    """Of a set made under `sync.rule=shift`: what is truly left, and what SyncNet says is left.

    The second is no proof of the first: a net that errs in a clip errs again in the same clip.
    """
    truly, measured = [], []
    rows: Any = read_index(prepared).itertuples()
    for row in rows:
        clip = read_clip(prepared, row)
        result = score_clip(net, frames=clip.frames, audio=clip.audio)
        left = delays[_origin(row.key)] - clip.extra["sound_shift_frames"]
        for offset, kind in ((left, truly), (result.offset_frames, measured)):
            kind.append(
                Found(
                    person=row.speaker,
                    delay=0,
                    offset=offset,
                    chance=chance_within(0, len(clip.frames)),
                    confidence=result.confidence,
                )
            )
    return truly, measured


def summary(found: list[Found], delay: int | None = None) -> Row:
    """The row of some clips."""
    errors = np.array([abs(item.offset - item.delay) for item in found])
    by_person: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for item, error in zip(found, errors, strict=True):
        by_person[item.person][0] += error <= 1
        by_person[item.person][1] += 1
    low = high = None
    if len(by_person) > 1:
        low, high = bootstrap_interval(
            torch.tensor(list(by_person.values()), dtype=torch.float64),
            reduce=lambda sums: sums[..., 0] / sums[..., 1],
            num_resamples=NUM_RESAMPLES,
            seed=SEED,
        )
    return Row(
        delay=delay,
        clips=len(found),
        people=len(by_person),
        exact=float((errors == 0).mean()),
        within=float((errors <= 1).mean()),
        low=low,
        high=high,
        median=float(np.median(errors)),
        chance=float(np.mean([item.chance for item in found])),
    )


def measure(
    moved_to: Path, prepared: Path, syncnet: Path, shifted: Path | None = None
) -> dict[str, Any]:
    """Everything that the tables say of one set of clips, and what was measured."""
    delays: dict[str, int] = json.loads((moved_to / "delays.json").read_text())
    net = load_model(syncnet)
    if not isinstance(net, SyncNet):
        sys.exit(f"expected the run of a SyncNet at {syncnet}, got one of {type(net).__name__}")
    found = found_in(prepared, delays)
    other = with_other_sound(prepared, delays, net)
    left = left_after_shift(shifted, delays, net) if shifted is not None else ()
    environment = describe_environment(device="cpu")
    return {
        "copies": len(delays),
        "frames": sorted({int(n) for n in read_index(prepared)["frames"]}),
        "syncnet": model_hash(syncnet)[:8],
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "by_delay": [
            asdict(summary([item for item in found if item.delay == delay], delay))
            for delay in DELAYS
            if any(item.delay == delay for item in found)
        ],
        "all": asdict(summary(found)),
        "other_sound": asdict(summary(other)),
        "left": [asdict(summary(kind)) for kind in left],
        "confidence": float(np.median([item.confidence for item in found])),
        "other_confidence": float(np.median([item.confidence for item in other])),
    }


def _line(name: str, row: dict[str, Any]) -> str:
    interval = "" if row["low"] is None else f"{row['low']:.0%} … {row['high']:.0%}"
    return (
        f"| {name} | {row['clips']} | {row['exact']:.0%} | {row['within']:.0%} | {interval} | "
        f"{row['median']:g} | {row['chance']:.0%} |"
    )


def table(name: str, record: dict[str, Any]) -> str:
    """One set of clips as Markdown."""
    commit = (record["commit"] or "unknown")[:12] + ("+changes" if record["is_dirty"] else "")
    frames = record["frames"]
    length = f"{frames[0]}" if len(frames) == 1 else f"{frames[0]} to {frames[-1]}"
    lines = [
        f"**{name}**: {record['all']['clips']} prepared clips of {record['copies']} copies, "
        f"{record['all']['people']} people, {length} frames; SyncNet {record['syncnet']}, commit "
        f"{commit}, {record['machine']}, {record['date'][:10]}. Median S_C(own): "
        f"{record['confidence']:.3f}, with other sound {record['other_confidence']:.3f}.",
        "",
        "| delay | clips | exact | within 1 | 95% CI | median error | chance of within 1 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_line(f"{row['delay']:+d}", row) for row in record["by_delay"]),
        _line("all", record["all"]),
        _line("other sound", record["other_sound"]),
        *(_line(name, row) for name, row in zip(LEFT, record["left"], strict=False)),
    ]
    return "\n".join(lines) + "\n"


def publish(records: dict[str, dict[str, Any]], readme: Path) -> None:
    """Replace what stands between the marks of `readme`."""
    tables = "\n".join(table(name, record) for name, record in records.items())
    put_between(readme, "sync", tables)


def main(words: list[str]) -> None:
    """One of the three commands above."""
    match words:
        case ["move", raw, out, clips, copies, *patterns]:
            move(Path(raw), Path(out), int(clips), int(copies), patterns)
        case ["score", name, moved_to, prepared, syncnet, out, *shifted] if len(shifted) < 2:
            path = Path(out)
            records = json.loads(path.read_text()) if path.is_file() else {}
            folders = [Path(word) for word in (moved_to, prepared, syncnet, *shifted)]
            records[name] = measure(*folders)
            path.write_text(json.dumps(records, indent=1) + "\n")
            print(table(name, records[name]), end="")
        case ["publish", out, readme]:
            publish(json.loads(Path(out).read_text()), Path(readme))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
