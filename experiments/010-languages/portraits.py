"""The real part of VASA-1's figure 6: photos and paintings of strangers speak three sounds.

usage: python experiments/010-languages/portraits.py RUN DATA

RUN holds the trained chain and the prepared clips, DATA/portraits the pictures and DATA/speech the
sounds; VASA_WEIGHTS the frozen experts. The videos are made by `vasa generate batch=`, as a user
makes them, and read again. Writes RUN/portraits.jsonl and, to look at, RUN/portraits/.
"""

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from scipy.io import wavfile
from speech import ROOT, SECONDS, SIZE, SOUNDS, listened, listener
from torch import Tensor

from data_prep.locate import TrackedFaceLocator
from data_prep.settings import TrackSettings
from vasa.data.audio import read_audio
from vasa.data.schema import FPS, SAMPLES_PER_FRAME
from vasa.data.video import decode_mp4
from vasa.evaluation.measuring import measure
from vasa.evaluation.metrics.clip_metric import MeanOverClips
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.probe import RidgeProbe
from vasa.evaluation.results import Bootstrap, ResultRow, write_rows
from vasa.evaluation.tiles import grid, save_png
from vasa.inference.picture import read_picture
from vasa.pretrained.measure import FaceMeasure
from vasa.training.run_folder import describe_environment

PICTURES = ("*.png", "*.jpg")
NUM_SHOWN = 7


def videos(run: Path, data: Path) -> tuple[list[Path], dict[str, Tensor], Path]:
    """Every picture says every sound: RUN/portraits/<picture>-<sound>.mp4."""
    folder = run / "portraits"
    folder.mkdir(exist_ok=True)
    pictures = sorted(path for kind in PICTURES for path in (data / "portraits").glob(kind))
    length = round(SECONDS * FPS) * SAMPLES_PER_FRAME
    sounds = {}
    for name, file in SOUNDS.items():
        samples = read_audio(data / "speech" / file)[:length]
        wavfile.write(folder / f"{name}.wav", 16_000, samples)
        sounds[name] = torch.from_numpy(samples)
    with open(folder / "list.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("image", "audio", "output"))
        for path in pictures:
            for name in sounds:
                table.writerow((path.resolve(), f"{name}.wav", f"{path.stem}-{name}.mp4"))
    stages = [f"stage1={run / 'stage1'}", f"stage2={run / 'stage2'}"]
    subprocess.run(["vasa", "generate", f"batch={folder / 'list.csv'}", *stages])
    # A picture that was refused is told there, with the reason.
    made = [
        path
        for path in pictures
        if all((folder / f"{path.stem}-{name}.mp4").is_file() for name in sounds)
    ]
    if not made:
        sys.exit(f"expected videos of {len(pictures)} pictures, got none; see {folder}")
    print(f"{len(made)} of {len(pictures)} pictures speak")
    return made, sounds, folder


def rows_of(
    pictures: list[Path],
    sounds: dict[str, Tensor],
    folder: Path,
    probe: RidgeProbe,
    bootstrap: Bootstrap,
) -> Iterator[ResultRow]:
    """Whether a face is there, whose it is, and whether its lips follow; a portrait is the unit."""
    instrument = FaceMeasure()
    track = yaml.safe_load((ROOT / "conf/generate.yaml").read_text())["track"]
    locate = TrackedFaceLocator(settings=TrackSettings(**track))
    crops = [locate(read_picture(path), size=SIZE).crop for path in pictures]
    persons = [measure(instrument, crop[None], batch_size=1).identity[0] for crop in crops]
    expected = {name: listened(probe, audio) for name, audio in sounds.items()}
    found, own, others = MeanOverClips(), IdentitySimilarity(), IdentitySimilarity()
    lips = {name: (ClipCorrelation(), ClipCorrelation()) for name in sounds}
    shown = []
    for number, path in enumerate(pictures):
        seen = {}
        for name in sounds:
            frames = decode_mp4((folder / f"{path.stem}-{name}.mp4").read_bytes())
            video = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
            seen[name] = measure(instrument, video, batch_size=32)
            if name == next(iter(sounds)):
                picked = torch.linspace(0, len(video) - 1, NUM_SHOWN).long()
                shown.append([crops[number], *video[picked]])
        presence = torch.cat([one.presence for one in seen.values()])
        found.update((presence > 0).double().mean())
        identity = torch.cat([one.identity for one in seen.values()])
        own.update(identity, persons[number])
        with others.one_unit():
            for other, person in enumerate(persons):
                if other != number:
                    others.update(identity, person)
        for name, (follows, crossed) in lips.items():
            opening = seen[name].mouth[:, 0]
            follows.update(opening, expected[name][: len(opening)])
            with crossed.one_unit():
                for other in sounds:
                    if other != name:
                        crossed.update(opening, expected[other][: len(opening)])
    header = ["picture", *(f"{number + 1}" for number in range(NUM_SHOWN))]
    sheet = grid(shown, header=header, labels=[path.stem for path in pictures])
    save_png(folder / "sheet.png", sheet)
    facts: dict[str, Any] = {"split": "portraits", "note": "re-measured from the videos"}
    yield bootstrap.row(
        metric="portraits/face_found", measured=found, control=None, control_name="",
        unit="share", higher_is_better=True, **facts,
    )  # fmt: skip
    yield bootstrap.row(
        metric="portraits/identity_similarity", measured=own, control=others,
        control_name="to the other portraits", unit="cosine", **facts,
    )  # fmt: skip
    for name, (follows, crossed) in lips.items():
        yield bootstrap.row(
            metric=f"portraits/{name}_listener_correlation", measured=follows, control=crossed,
            control_name="what the listener hears in the other sounds", unit="r", **facts,
        )  # fmt: skip


def main(run: Path, data: Path) -> None:
    """Write the videos, the sheet and the rows."""
    environment = describe_environment(device="cpu")
    stamp: dict[str, Any] = {
        "command": "python experiments/010-languages/portraits.py RUN DATA",
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "device": "cpu",
        "seed": 0,
    }
    made = videos(run, data)
    with torch.inference_mode():
        probe = listener(run / "data")
        rows = list(rows_of(*made, probe, Bootstrap(num_resamples=1000, seed=0)))
    for row in rows:
        row.stamp.update(stamp)
        print(f"{row.metric:44s} {row.value:.3f} ({row.control})")
    write_rows(run / "portraits.jsonl", rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: portraits.py RUN DATA")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
