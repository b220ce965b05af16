"""VASA-1's figures 4 and 5: one motion on three people, and pose and dynamics of two motions.

usage: python experiments/107-figures-4-5/figures.py RUN EXPERIMENT EVALUATION

EVALUATION is synth or real. RUN is a finished run of experiments/009-motion/run.sh or one of its
shape (data, stage1, stage2, and, for synth, expert_metric; for real, VASA_WEIGHTS holds the frozen
experts). EXPERIMENT holds the README and receives results.jsonl and the two sheets; of real people
results_real.jsonl, and their sheets stay in RUN/figures-4-5.
"""

import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from vasa.diffusion.sampler import make_sampler
from vasa.evaluation.clips import EvaluationClip, load_clips
from vasa.evaluation.measuring import measure
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.pose import PoseError
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.report.tables import markdown_table
from vasa.evaluation.results import Bootstrap, ResultRow, write_rows
from vasa.evaluation.tiles import grid, save_png
from vasa.inference.pipeline import TalkingFace
from vasa.inference.rendering import RenderSettings
from vasa.inference.windows import MotionSettings
from vasa.models.checkpoint import load_model
from vasa.pretrained.measure import FaceMeasure
from vasa.training.run_folder import describe_environment
from vasa.types import FaceMeasurements

ROOT = Path(__file__).resolve().parents[2]
NUM_CLIPS, NUM_FACES, NUM_SHOWN = 24, 3, 7
NUM_POSE = 6
SEED = 0
NOTE = "re-measured from the frames by an expert that no loss knows"
ENDS = {"synth": "", "real": "_real"}
TABLES = {"synth": "table", "real": "real"}


class Studio:
    """Generates motion, draws it, and reads it again.

    Args:
        run: folder of the runs.
        evaluation: whose faces it reads, a key of `ENDS`.
    """

    def __init__(self, run: Path, evaluation: str) -> None:
        settings = yaml.safe_load((ROOT / "conf/evaluation/synth.yaml").read_text())
        chosen = settings["generation"]
        self.face = TalkingFace.load(stage1=run / "stage1", stage2=run / "stage2")
        self.expert: Any = (
            FaceMeasure()
            if evaluation == "real"
            else load_model(run / "expert_metric").requires_grad_(False)
        )
        self.sampler = make_sampler(
            name=chosen["sampler"],
            schedule=self.face.motion_model.schedule,
            num_steps=chosen["steps"],
            eta=chosen["eta"],
        )
        self.guidance = chosen["guidance"]
        # The head is where the motion has it from the first frame on: nothing of the source's.
        self.render = RenderSettings(batch_size=settings["batch_size"], start_blend_s=0.0)

    def motion(self, clip: EvaluationClip, *, seed: int) -> Tensor:
        """Motion for a clip's sound, `t m`."""
        settings = MotionSettings(guidance=self.guidance, sampler=self.sampler, seed=seed)
        return self.face.motion_for(clip.audio, settings)

    def draw(self, source: Tensor, motion: Tensor) -> Tensor:
        """A face `c h w` in motion `t m`, uint8 `t c h w`."""
        return self.face.render(source, motion, self.render)

    def read(self, video: Tensor) -> FaceMeasurements:
        """What the frames show."""
        return measure(self.expert, video.float() / 255, batch_size=self.render.batch_size)


def figure_4(
    studio: Studio, clips: list[EvaluationClip], motions: list[Tensor], bootstrap: Bootstrap
) -> tuple[list[ResultRow], list[list[Tensor]]]:
    """One motion on three people; rows, and the pictures of the first motion, a row a person."""
    mouth, mouth_other = ClipCorrelation(), ClipCorrelation()
    pose, pose_other = PoseError(), PoseError()
    own, others = IdentitySimilarity(), IdentitySimilarity()
    pictures: list[list[Tensor]] = []
    sources = [measure(studio.expert, clip.source()[None], batch_size=1) for clip in clips]
    for number, motion in enumerate(motions):
        people = [(number + step) % len(clips) for step in range(NUM_FACES)]
        videos = [studio.draw(clips[person].source(), motion) for person in people]
        seen = [studio.read(video) for video in videos]
        apart = motions[(number + 1) % len(motions)]
        elsewhere = studio.read(studio.draw(clips[people[0]].source(), apart))
        with mouth.one_unit(), pose.one_unit():
            for first, second in combinations(seen, 2):
                mouth.update(first.mouth[:, 0], second.mouth[:, 0])
                pose.update(first.pose, second.pose)
        count = min(len(elsewhere.pose), len(motion))
        with mouth_other.one_unit(), pose_other.one_unit():
            for one in seen[1:]:
                mouth_other.update(elsewhere.mouth[:count, 0], one.mouth[:count, 0])
                pose_other.update(elsewhere.pose[:count], one.pose[:count])
        with own.one_unit(), others.one_unit():
            for person, one in zip(people, seen, strict=True):
                own.update(one.identity, sources[person].identity[0])
                for other in people:
                    if other != person:
                        others.update(one.identity, sources[other].identity[0])
        if not pictures:
            shown = torch.linspace(0, len(motion) - 1, NUM_SHOWN).long()
            pictures = [
                [clips[person].source(), *(video[shown].float() / 255)]
                for person, video in zip(people, videos, strict=True)
            ]
    common: dict[str, Any] = {"split": "test", "note": NOTE}
    different = "the same people in different motions"
    rows = [
        bootstrap.row(
            metric="figure4/mouth_agreement", measured=mouth, control=mouth_other,
            control_name=different, unit="r", **common,
        ),
        bootstrap.row(
            metric="figure4/pose_difference_deg", measured=pose, control=pose_other,
            control_name=different, unit="deg", **common,
        ),
        bootstrap.row(
            metric="figure4/identity_similarity", measured=own, control=others,
            control_name="to the other two people", unit="cosine", **common,
        ),
    ]  # fmt: skip
    return rows, pictures


def figure_5(
    studio: Studio, clips: list[EvaluationClip], motions: list[Tensor], bootstrap: Bootstrap
) -> tuple[list[ResultRow], list[list[Tensor]]]:
    """Pose of one motion with dynamics of another on one person; rows, and pictures of the first:
    motion A, motion B, pose A with dynamics B, pose B with dynamics A.
    """
    pose, pose_wrong = PoseError(), PoseError()
    mouth, mouth_wrong = ClipCorrelation(), ClipCorrelation()
    pictures: list[list[Tensor]] = []
    for number, one in enumerate(motions):
        other = motions[(number + 1) % len(motions)]
        count = min(len(one), len(other))
        first, second = one[:count], other[:count]
        mixed = [
            torch.cat((a[:, :NUM_POSE], b[:, NUM_POSE:]), dim=1)
            for a, b in ((first, second), (second, first))
        ]
        source = clips[number].source()
        videos = [studio.draw(source, motion) for motion in (first, second, *mixed)]
        seen_first, seen_second, *seen_mixed = [studio.read(video) for video in videos]
        with pose.one_unit(), pose_wrong.one_unit(), mouth.one_unit(), mouth_wrong.one_unit():
            for seen, poses, lips in (
                (seen_mixed[0], seen_first, seen_second),
                (seen_mixed[1], seen_second, seen_first),
            ):
                pose.update(seen.pose, poses.pose)
                pose_wrong.update(seen.pose, lips.pose)
                mouth.update(seen.mouth[:, 0], lips.mouth[:, 0])
                mouth_wrong.update(seen.mouth[:, 0], poses.mouth[:, 0])
        if not pictures:
            shown = torch.linspace(0, count - 1, NUM_SHOWN).long()
            pictures = [[source, *(video[shown].float() / 255)] for video in videos]
    common: dict[str, Any] = {"split": "test", "note": NOTE}
    rows = [
        bootstrap.row(
            metric="figure5/pose_difference_deg", measured=pose, control=pose_wrong,
            control_name="to the motion that gave the dynamics", unit="deg", **common,
        ),
        bootstrap.row(
            metric="figure5/mouth_agreement", measured=mouth, control=mouth_wrong,
            control_name="with the motion that gave the pose", unit="r", **common,
        ),
    ]  # fmt: skip
    return rows, pictures


def sheets(folder: Path, fourth: list[list[Tensor]], fifth: list[list[Tensor]]) -> None:
    """Both figures."""
    header = ["source", *(f"{number + 1}" for number in range(NUM_SHOWN))]
    save_png(folder / "figure_4.png", grid(fourth, header=header))
    labels = ("motion A", "motion B", "pose A, dynamics B", "pose B, dynamics A")
    rows = [[row[0], *row[1:]] for row in fifth]
    save_png(folder / "figure_5.png", grid(rows, header=header, labels=labels))


def stamped(rows: list[ResultRow], evaluation: str) -> Iterator[ResultRow]:
    """The rows with what was run where."""
    begin = "EVALUATION=real VASA_WEIGHTS=WEIGHTS " if evaluation == "real" else ""
    environment = describe_environment(device="cpu")
    for row in rows:
        row.stamp.update(
            command=f"{begin}bash experiments/107-figures-4-5/run.sh RUN",
            commit=environment["commit"],
            is_dirty=environment["is_dirty"],
            machine=f"{environment['processor']}, {environment['cpu_count']} CPUs",
            date=environment["started_at"],
            device=environment["device"],
            seed=SEED,
        )
        yield row


def main(run: Path, experiment: Path, evaluation: str) -> None:
    """Write results, table and sheets."""
    studio = Studio(run, evaluation)
    size = int(studio.face.autoencoder.image_size)
    clips = list(
        load_clips(
            run / "data", split="test", num_clips=NUM_CLIPS, max_seconds=3.0, image_size_px=size
        )
    )
    bootstrap = Bootstrap(num_resamples=1000, seed=SEED)
    with torch.inference_mode():
        motions = [studio.motion(clip, seed=SEED + n) for n, clip in enumerate(clips)]
        fourth, one = figure_4(studio, clips, motions, bootstrap)
        fifth, other = figure_5(studio, clips, motions, bootstrap)
    rows = list(stamped([*fourth, *fifth], evaluation))
    write_rows(experiment / f"results{ENDS[evaluation]}.jsonl", rows)
    folder = experiment if evaluation == "synth" else run / "figures-4-5"
    folder.mkdir(exist_ok=True)
    sheets(folder, one, other)
    stamp = rows[0].stamp
    commit = str(stamp["commit"])[:12] + ("+changes" if stamp["is_dirty"] else "")
    text = f"Commit {commit}, seed {SEED}, {stamp['machine']}, {stamp['date'][:10]}."
    table = f"{text}\n\n{markdown_table(rows)}\n"
    put_between(experiment / "README.md", TABLES[evaluation], table)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in ENDS:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
