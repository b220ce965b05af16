"""Sound without pictures: do the lips of held-out people follow a language nobody trained on?

usage: python experiments/010-languages/speech.py RUN DATA

RUN holds the trained chain and the prepared clips, DATA/speech the sounds; VASA_WEIGHTS the frozen
experts. There is no true mouth, so that a listener stands for it: a ridge from log-mel energies to
mouth opening, fitted on talkers of GRID, whom the generator never saw or heard. What the listener
is worth is measured on real clips. Writes RUN/speech.jsonl and, with sound, RUN/videos.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from einops import rearrange
from torch import Tensor

from vasa.data.audio import read_audio
from vasa.data.schema import FPS, SAMPLES_PER_FRAME
from vasa.data.shards import read_index
from vasa.data.video import write_video
from vasa.evaluation.clip_reader import ClipReader
from vasa.evaluation.clips import EvaluationClip, choose_rows
from vasa.evaluation.measuring import measure
from vasa.evaluation.methods.speech import SpeechWindows
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.probe import RidgeProbe, fit_probe
from vasa.evaluation.results import Bootstrap, ResultRow, write_rows
from vasa.evaluation.settings import GenerationSettings
from vasa.evaluation.talker import load_talker
from vasa.pretrained.measure import FaceMeasure
from vasa.training.run_folder import describe_environment

ROOT = Path(__file__).resolve().parents[2]
SOUNDS = {
    "chinese": "chinese_poem1.wav",
    "english": "walden.wav",
    "english_acted": "echomimic_en.wav",
}
SECONDS = 5.0
"""Of each sound: what the shortest has."""
NUM_FACES = 16
SIZE = 64
SPEECH = SpeechWindows(num_mels=40, context_frames=5)
"""As the method `ridge` hears."""


def clips_of(data: Path, *, split: str, source: str, num: int = 1000) -> Iterator[EvaluationClip]:
    """Clips of a source, as many people as there are."""
    index = read_index(data, split=split)
    rows = choose_rows(index[index["source"] == source], num_clips=num)
    reader = ClipReader(data, rows, max_seconds=SECONDS, image_size_px=SIZE)
    return (reader.clip(number) for number in range(len(reader)))


def heard(clip: EvaluationClip) -> tuple[Tensor, Tensor]:
    """Speech around each usable frame `n f`, and its mouth opening `n 1` over its own mean."""
    features = SPEECH.in_context(SPEECH.frames(clip.audio)[: len(clip.mouth)])
    opening = clip.mouth[clip.valid, :1].double()
    return features[clip.valid], opening - opening.mean()


def listener(data: Path) -> RidgeProbe:
    """Speech to mouth opening, from GRID; the penalty is chosen on talkers of LRS3."""
    fitted = [heard(clip) for clip in clips_of(data, split="test", source="grid")]
    chosen = [heard(clip) for clip in clips_of(data, split="test", source="lrs3")]
    features, opening = (torch.cat(part) for part in zip(*fitted, strict=True))
    other_features, other_opening = (torch.cat(part) for part in zip(*chosen, strict=True))
    return fit_probe(
        features,
        opening,
        validation_features=other_features,
        validation_targets=other_opening,
    )


def listened(probe: RidgeProbe, audio: Tensor) -> Tensor:
    """The mouth opening that a sound is expected to come with, `t`."""
    return probe(SPEECH.in_context(SPEECH.frames(audio)))[:, 0]


def worth(probe: RidgeProbe, data: Path, bootstrap: Bootstrap) -> Iterator[ResultRow]:
    """How far the listener knows the true mouths of Arabic talkers; other clips' beside it."""
    clips = list(clips_of(data, split="test", source="lrw_ar", num=40))
    own, others = ClipCorrelation(), ClipCorrelation()
    for number, clip in enumerate(clips):
        expected = listened(probe, clip.audio)[: len(clip.mouth)]
        own.update(expected[clip.valid], clip.mouth[clip.valid, 0])
        other = clips[(number + 1) % len(clips)]
        count = min(len(expected), len(other.mouth))
        kept = other.valid[:count]
        others.update(expected[:count][kept], other.mouth[:count][kept, 0])
    yield bootstrap.row(
        metric="listener/arabic_real_mouth_correlation",
        measured=own,
        control=others,
        control_name="another clip's mouth",
        split="test",
        unit="r",
        note="a ridge fitted on GRID, against labels of real clips",
    )


def spoken(
    probe: RidgeProbe, run: Path, sounds: dict[str, Tensor], bootstrap: Bootstrap
) -> Iterator[ResultRow]:
    """Held-out faces say each sound; a face is the unit of intervals."""
    settings = yaml.safe_load((ROOT / "conf/evaluation/synth.yaml").read_text())["generation"]
    talk = load_talker(
        stage1=run / "stage1",
        stage2=run / "stage2",
        settings=GenerationSettings(**settings),
        batch_size=32,
        device=torch.device("cpu"),
    )
    instrument = FaceMeasure()
    arabic = list(clips_of(run / "data", split="test", source="lrw_ar", num=NUM_FACES // 4))
    english = clips_of(run / "data", split="test", source="lrs3", num=NUM_FACES - len(arabic))
    faces = [*arabic, *english]
    expected = {name: listened(probe, audio) for name, audio in sounds.items()}
    for name, audio in sounds.items():
        own, others = ClipCorrelation(), ClipCorrelation()
        for number, face in enumerate(faces):
            video = talk(face.source(), audio, number)
            opening = measure(instrument, video.float() / 255, batch_size=32).mouth[:, 0]
            own.update(opening, expected[name][: len(opening)])
            with others.one_unit():
                for other in sounds:
                    if other != name:
                        others.update(opening, expected[other][: len(opening)])
            frames = rearrange(video, "t c h w -> t h w c").numpy()
            write_video(run / "videos" / f"{name}_{number:02d}.mp4", frames, audio.numpy())
        yield bootstrap.row(
            metric=f"spoken/{name}_listener_correlation",
            measured=own,
            control=others,
            control_name="what the listener hears in the other sounds",
            split="test",
            unit="r",
            note=f"{SOUNDS[name]}, {SECONDS:g} s said by each face; a face is the unit, the sound "
            "is one",
        )


def main(run: Path, data: Path) -> None:
    """Write the rows and the videos."""
    environment = describe_environment(device="cpu")
    stamp: dict[str, Any] = {
        "command": "python experiments/010-languages/speech.py RUN DATA",
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "device": "cpu",
        "seed": 0,
    }
    length = round(SECONDS * FPS) * SAMPLES_PER_FRAME
    sounds = {
        name: torch.from_numpy(read_audio(data / "speech" / file)[:length])
        for name, file in SOUNDS.items()
    }
    bootstrap = Bootstrap(num_resamples=1000, seed=0)
    with torch.inference_mode():
        probe = listener(run / "data")
        rows = [*worth(probe, run / "data", bootstrap), *spoken(probe, run, sounds, bootstrap)]
    for row in rows:
        row.stamp.update(stamp)
    write_rows(run / "speech.jsonl", rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: speech.py RUN DATA")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
