"""VASA-1's figure 6 on drawn people: paintings, song and other languages, none of them trained on.

usage: python experiments/108-figure-6/unseen.py RUN EXPERIMENT

RUN is a finished run of experiments/009-motion/run.sh or one of its shape. EXPERIMENT holds the
README and receives results.jsonl and the sheet.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from data_prep.synth.identity import Identity, sample_identity
from data_prep.synth.sentences import sentences
from data_prep.synth.speech import speak
from data_prep.synth.visemes import mouth_track
from vasa.data.schema import FPS, SAMPLES_PER_FRAME
from vasa.evaluation.clips import EvaluationClip, load_clips
from vasa.evaluation.coding import CodedTalker
from vasa.evaluation.measuring import measure
from vasa.evaluation.metrics.clip_metric import MeanOverClips
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.report.tables import markdown_table
from vasa.evaluation.results import Bootstrap, ResultRow, write_rows
from vasa.evaluation.settings import GenerationSettings
from vasa.evaluation.talker import Talker, load_talker
from vasa.evaluation.tiles import grid, save_png, to_tensor
from vasa.models.checkpoint import load_model
from vasa.training.run_folder import describe_environment

ROOT = Path(__file__).resolve().parents[2]
NUM_CLIPS, NUM_SHOWN, SEED, SECONDS = 24, 7, 0, 3.0
SPANISH = (
    "Mi madre compró una bomba de papel en el mercado",
    "El pequeño barco blanco va por el río",
    "Nadie sabe por qué la mamá abrió la puerta",
    "Mañana vamos a bailar en la playa",
    "El panadero vende pan y muchas patatas",
    "Me gusta pasear por el parque con mi abuelo",
)
GERMAN = (
    "Meine Mutter kaufte ein buntes Papierboot",
    "Der alte Mann wohnt am Fluss neben der Brücke",
    "Heute Abend bauen wir einen Baum aus Pappe",
    "Bitte bring mir zwei blaue Blumen vom Markt",
    "Warum hat er den Apfel im Garten vergessen",
    "Im Sommer baden wir oft im kalten Bach",
)
ITALIAN = (
    "La mamma ha comprato un piccolo ombrello blu",
    "Il bambino beve acqua e mangia una pera",
    "Domani andiamo al mare con la barca",
    "Mio padre apre la porta del vecchio palazzo",
    "Il poeta parla piano sotto la luna",
    "Abbiamo preparato la pasta con i pomodori",
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is said and whom it is said by.

    Attributes:
        texts: sentences.
        language: espeak's; its voice variant stays the person's.
        rate: words a minute over the person's.
        pitch: steps above the person's.
        picture: what becomes of the source picture.
    """

    texts: tuple[str, ...]
    language: str = "en-us"
    rate: float = 1.0
    pitch: int = 0
    picture: Callable[[Tensor], Tensor] = lambda image: image


def painted(image: Tensor) -> Tensor:
    """A picture `c h w` in flat patches of few colours."""
    pixels = (image.permute(1, 2, 0) * 255).round().byte().numpy()
    flat = Image.fromarray(pixels).filter(ImageFilter.ModeFilter(5))
    return to_tensor(ImageOps.posterize(flat, 3))


def outlined(image: Tensor) -> Tensor:
    """A picture `c h w` as a grey drawing."""
    pixels = (image.permute(1, 2, 0) * 255).round().byte().numpy()
    drawn = ImageOps.grayscale(Image.fromarray(pixels).filter(ImageFilter.EDGE_ENHANCE_MORE))
    return to_tensor(ImageOps.autocontrast(drawn).convert("RGB"))


@dataclass(frozen=True, kw_only=True)
class Line:
    """A sentence in a voice: samples `640t`, and the mouth opening that belongs to it, `t`."""

    audio: Tensor
    opening: Tensor


def line(kind: Kind, who: Identity, number: int) -> Line:
    """What a person says."""
    variant = who.voice.partition("+")[2]
    spoken = speak(
        text=kind.texts[number % len(kind.texts)],
        voice=f"{kind.language}+{variant}" if variant else kind.language,
        rate=round(who.voice_rate * kind.rate),
        pitch=min(99, who.voice_pitch + kind.pitch),
    )
    num_frames = min(round(SECONDS * FPS), len(spoken.audio) // SAMPLES_PER_FRAME)
    track = mouth_track(
        phonemes=spoken.phonemes, num_frames=num_frames, fps=FPS, articulation=who.articulation
    )
    audio = spoken.audio[: num_frames * SAMPLES_PER_FRAME].astype(np.float32)
    return Line(audio=torch.from_numpy(audio), opening=torch.from_numpy(track.opening))


def measured(
    name: str,
    kind: Kind,
    clips: list[EvaluationClip],
    talk: Talker,
    expert: Any,
    bootstrap: Bootstrap,
) -> tuple[list[ResultRow], list[Tensor]]:
    """Rows of a kind, and pictures of its first video."""
    lips, lips_other = ClipCorrelation(), ClipCorrelation()
    own, others, found = IdentitySimilarity(), IdentitySimilarity(), MeanOverClips()
    sources = [kind.picture(clip.source()) for clip in clips]
    identities = [measure(expert, source[None], batch_size=1).identity[0] for source in sources]
    people = [sample_identity(seed=SEED, person=int(clip.speaker[1:])) for clip in clips]
    lines = [line(kind, who, number) for number, who in enumerate(people)]
    pictures: list[Tensor] = []
    for number, (source, said) in enumerate(zip(sources, lines, strict=True)):
        video = talk(source, said.audio, SEED + number)
        seen = measure(expert, video.float() / 255, batch_size=32)
        count = min(len(video), len(said.opening))
        lips.update(seen.mouth[:count, 0], said.opening[:count])
        with lips_other.one_unit():
            for step in range(1, len(kind.texts)):
                other = lines[(number + step) % len(lines)].opening
                common = min(count, len(other))
                lips_other.update(seen.mouth[:common, 0], other[:common])
        own.update(seen.identity, identities[number])
        others.update(seen.identity, identities[(number + 1) % len(clips)])
        found.update((seen.presence > 0).double().mean())
        if not pictures:
            shown = torch.linspace(0, len(video) - 1, NUM_SHOWN).long()
            pictures = [source, *(video[shown].float() / 255)]
    common_facts: dict[str, Any] = {"split": "test", "note": "re-measured from the frames"}
    rows = [
        bootstrap.row(
            metric=f"{name}/mouth_correlation", measured=lips, control=lips_other,
            control_name="other sentences of the kind", unit="r", **common_facts,
        ),
        bootstrap.row(
            metric=f"{name}/identity_similarity", measured=own, control=others,
            control_name="to another person's picture", unit="cosine", **common_facts,
        ),
        bootstrap.row(
            metric=f"{name}/face_found", measured=found, control=None, control_name="",
            unit="share", higher_is_better=True, **common_facts,
        ),
    ]  # fmt: skip
    return rows, pictures


def kinds() -> dict[str, Kind]:
    """What is tried, and plain English first, which it is compared with."""
    english = tuple(text for _, text in sentences()["test"])
    return {
        "english": Kind(texts=english[:24]),
        "spanish": Kind(texts=SPANISH, language="es"),
        "german": Kind(texts=GERMAN, language="de"),
        "italian": Kind(texts=ITALIAN, language="it"),
        "slow_and_high": Kind(texts=english[:24], rate=0.55, pitch=40),
        "painted": Kind(texts=english[:24], picture=painted),
        "drawn_in_grey": Kind(texts=english[:24], picture=outlined),
    }


def main(run: Path, experiment: Path) -> None:
    """Write results, table and sheet."""
    settings = yaml.safe_load((ROOT / "conf/evaluation/synth.yaml").read_text())
    plain = load_talker(
        stage1=run / "stage1",
        stage2=run / "stage2",
        settings=GenerationSettings(**settings["generation"]),
        batch_size=settings["batch_size"],
        device=torch.device("cpu"),
    )
    talk = CodedTalker(plain, crf=settings["crf"])
    expert: Any = load_model(run / "expert_metric").requires_grad_(False)
    clips = list(
        load_clips(
            run / "data", split="test", num_clips=NUM_CLIPS, max_seconds=SECONDS, image_size_px=64
        )
    )
    bootstrap = Bootstrap(num_resamples=1000, seed=SEED)
    environment = describe_environment(device="cpu")
    stamp = {
        "command": "bash experiments/108-figure-6/run.sh RUN",
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "device": environment["device"],
        "seed": SEED,
    }
    rows: list[ResultRow] = []
    pictures: list[list[Tensor]] = []
    with torch.inference_mode():
        for name, kind in kinds().items():
            found, shown = measured(name, kind, clips, talk, expert, bootstrap)
            rows += found
            pictures.append(shown)
    for row in rows:
        row.stamp.update(stamp)
    write_rows(experiment / "results.jsonl", rows)
    header = ["source", *(f"{number + 1}" for number in range(NUM_SHOWN))]
    sheet = grid(pictures, header=header, labels=[name.replace("_", " ") for name in kinds()])
    save_png(experiment / "figure_6.png", sheet)
    commit = str(stamp["commit"])[:12] + ("+changes" if stamp["is_dirty"] else "")
    text = f"Commit {commit}, seed {SEED}, {stamp['machine']}, {stamp['date'][:10]}."
    put_between(experiment / "README.md", "table", f"{text}\n\n{markdown_table(rows)}\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
