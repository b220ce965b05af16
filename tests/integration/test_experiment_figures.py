"""Scripts of experiments 104, 107 and 108, of all tables together, and of 005's parts."""

import importlib.util
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vasa.evaluation.metrics.clip_metric import MeanOverClips
from vasa.evaluation.results import Bootstrap
from vasa.models.sync_score import sync_result
from vasa.pretrained.sync_scorer import SyncScorer
from vasa.types import FaceMeasurements

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
BOOTSTRAP = Bootstrap(num_resamples=20, seed=0)
STAMP = {
    "commit": "0123456789abcdef",
    "is_dirty": False,
    "machine": "a machine",
    "date": "2026-01-02T03:04:05Z",
    "device": "cuda: a GPU",
}


def load(script: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A script as a module; it finds the scripts beside it."""
    path = EXPERIMENTS / script
    monkeypatch.syspath_prepend(path.parent)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location(script.replace("/", "_"), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "script",
    [
        "104-sync-offsets/offsets.py",
        "104-sync-offsets/table.py",
        "107-figures-4-5/figures.py",
        "108-figure-6/unseen.py",
    ],
)
@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_wrong_arguments_are_answered_with_the_usage(script, count, monkeypatch):
    monkeypatch.setattr(sys, "argv", [script, *(["x"] * count)])
    monkeypatch.syspath_prepend((EXPERIMENTS / script).parent)
    with pytest.raises(SystemExit, match=rf"usage: python experiments/{script}"):
        runpy.run_path(str(EXPERIMENTS / script), run_name="__main__")


def offsets(name: str, found: list[tuple[int, int, int]], **more) -> dict[str, Any]:
    """A record of offsets.py: a clip a person, its offset as it is, delayed, and of other sound."""
    kinds = ("as_it_is", "delayed", "other_sound")
    clips = [
        {"key": f"p{number}/v/0", "person": f"p{number}", "frames": 75}
        | {kind: {"offset": one, "most": 15} for kind, one in zip(kinds, values, strict=True)}
        for number, values in enumerate(found)
    ]
    return {"name": name, "source": "synth", "syncnet": "aaaa", "clips": clips} | STAMP | more


def test_offsets_are_told_as_shares_of_clips(tmp_path, monkeypatch):
    module = load("104-sync-offsets/table.py", monkeypatch)
    found = [(0, 5, 9), (1, 6, -9), (0, 5, 0), (-3, 2, 12)]
    (tmp_path / "synthetic.json").write_text(json.dumps(offsets("synthetic", found)))
    (tmp_path / "README.md").write_text("<!-- table -->\n<!-- /table -->\n")
    module.main(tmp_path, tmp_path)
    rows = {}
    for line in (tmp_path / "results.jsonl").read_text().splitlines():
        row = json.loads(line)
        rows[row["metric"].removeprefix("sync/synthetic_")] = row
    values = {name: row["value"] for name, row in rows.items()}
    assert values == {
        "offset_accuracy": 0.5,
        "offset_within_1": 0.75,
        "delayed_5_within_1": 0.75,
        "other_sound_within_1": 0.25,
    }
    assert rows["offset_within_1"]["control"] == pytest.approx(3 / 31)
    assert rows["offset_within_1"]["device"] == "cuda: a GPU"
    assert not rows["offset_within_1"]["criteria"][0]["passed"], "0.9 was asked"
    text = (tmp_path / "README.md").read_text()
    assert "| 50% (3%) | 75%," in text and "| 75% | 100% | 25% |" in text
    assert (tmp_path / "offsets.png").stat().st_size > 1000
    with pytest.raises(SystemExit, match="run run.sh"):
        module.main(tmp_path / "nowhere", tmp_path)


def test_late_sound_is_found_late(monkeypatch):
    module = load("104-sync-offsets/offsets.py", monkeypatch)
    track = torch.nn.functional.normalize(torch.randn(60, 16).double(), dim=-1)
    scorer = SyncScorer(
        net=SimpleNamespace(least_frames=5),  # type: ignore[arg-type]
        weights="own:aaaa",
        compare=sync_result,
        device=torch.device("cpu"),
    )
    for delay in (0, module.DELAY_FRAMES):
        result = scorer.result(track, track, delay_frames=delay)
        assert module.told(result) == {"offset": delay, "most": 15}


class Stage:
    """Draws a person's colour and remembers the motion: the perfect stage 1."""

    def __init__(self) -> None:
        self.drawn: list[tuple[torch.Tensor, torch.Tensor]] = []

    def expert(self, images: torch.Tensor) -> FaceMeasurements:
        return measurements(images, torch.zeros(len(images), 8))

    def draw(self, source: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
        video = (source * 255).round().to(torch.uint8).expand(len(motion), -1, -1, -1)
        self.drawn.append((video, motion))
        return video

    def read(self, video: torch.Tensor) -> FaceMeasurements:
        (motion,) = (motion for drawn, motion in self.drawn if drawn is video)
        return measurements(video.float() / 255, motion)


def measurements(images: torch.Tensor, motion: torch.Tensor) -> FaceMeasurements:
    return FaceMeasurements(
        identity=torch.nn.functional.normalize(images[:, :, -1, -1] - 0.5, dim=-1),
        pose=motion[:, :6],
        mouth=motion[:, 6:],
        gaze=motion[:, :2],
        blink=motion[:, 0],
        presence=torch.ones(len(images)),
    )


def people() -> list[Any]:
    colours = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    pictures = [colour[:, None, None].expand(3, 16, 16) for colour in colours]
    return [
        SimpleNamespace(speaker=f"p{n}", source=lambda one=one: one)
        for n, one in enumerate(pictures)
    ]


def test_figures_4_and_5_of_a_perfect_stage(tmp_path, monkeypatch):
    module = load("107-figures-4-5/figures.py", monkeypatch)
    generator = torch.Generator().manual_seed(1)
    motions = [0.3 * torch.randn(20 + n, 8, generator=generator) for n in range(3)]
    fourth, one = module.figure_4(Stage(), people(), motions, BOOTSTRAP)
    fifth, other = module.figure_5(Stage(), people(), motions, BOOTSTRAP)
    rows = {row.metric: row for row in module.stamped([*fourth, *fifth], "synth")}
    for figure in ("figure4", "figure5"):
        agreement, apart = (rows[f"{figure}/{n}"] for n in ("mouth_agreement",
                                                            "pose_difference_deg"))  # fmt: skip
        assert agreement.value == pytest.approx(1, abs=1e-5) and abs(agreement.control) < 0.5
        assert apart.value == pytest.approx(0, abs=0.05) and apart.control > 5
    identity = rows["figure4/identity_similarity"]
    assert identity.value == pytest.approx(1, abs=1e-3) and identity.control < 0.9
    assert all({"device", "commit", "command"} <= set(row.stamp) for row in rows.values())
    assert len(one) == module.NUM_FACES and len(other) == 4
    module.sheets(tmp_path, one, other)
    assert all((tmp_path / f"figure_{number}.png").is_file() for number in (4, 5))


@pytest.mark.parametrize("evaluation", ["synth", "real"])
def test_figures_4_and_5_show_no_real_people(evaluation, tmp_path, monkeypatch):
    module = load("107-figures-4-5/figures.py", monkeypatch)
    agreement = MeanOverClips()
    for value in (1.0, 0.5):
        agreement.update(torch.tensor(value))
    rows = [BOOTSTRAP.row(metric="figure4/mouth_agreement", measured=agreement, control=None,
                          control_name="", split="test", unit="r")]  # fmt: skip
    picture = [[torch.rand(3, 16, 16)] * (1 + module.NUM_SHOWN)] * 4
    studio = SimpleNamespace(face=SimpleNamespace(autoencoder=SimpleNamespace(image_size=16)))
    for name, value in {
        "Studio": lambda run, kind: studio,
        "load_clips": lambda *_, **__: [],
        "figure_4": lambda *_: (rows, picture[:3]),
        "figure_5": lambda *_: ([], picture),
    }.items():
        monkeypatch.setattr(module, name, value)
    here, run = tmp_path / "experiment", tmp_path / "run"
    here.mkdir()
    run.mkdir()
    marks = "<!-- table -->\nold\n<!-- /table -->\n<!-- real -->\nold\n<!-- /real -->\n"
    (here / "README.md").write_text(marks)
    module.main(run, here, evaluation)
    synthetic, real = (here / "README.md").read_text().split("<!-- /table -->")
    assert ("figure4" in synthetic, "figure4" in real) == (
        (True, False) if evaluation == "synth" else (False, True)
    )
    shown = here if evaluation == "synth" else run / "figures-4-5"
    assert sorted(path.name for path in shown.glob("*.png")) == ["figure_4.png", "figure_5.png"]
    assert (here / f"results{module.ENDS[evaluation]}.jsonl").is_file()


def test_figure_6_of_a_perfect_talker(monkeypatch):
    module = load("108-figure-6/unseen.py", monkeypatch)
    openings = torch.rand(8, 30, generator=torch.Generator().manual_seed(2))

    def said(kind, who, number: int):
        opening = openings[number % 8]
        return module.Line(audio=opening.repeat_interleave(640), opening=opening)

    def talk(source, audio, seed):
        opening = audio.reshape(-1, 640)[:, 0]
        frames = source.expand(len(opening), -1, -1, -1).clone()
        frames[:, :, 0, 0] = opening[:, None]
        return (frames * 255).round().to(torch.uint8)

    def expert(images):
        opening = images[:, 0, 0, 0]
        return measurements(images, torch.stack([torch.zeros_like(opening)] * 6 + [opening] * 2, 1))

    monkeypatch.setattr(module, "line", said)
    kind = module.Kind(texts=("one", "two", "three"))
    rows, pictures = module.measured("english", kind, people(), talk, expert, BOOTSTRAP)
    found = {row.metric.split("/")[1]: row for row in rows}
    assert found["mouth_correlation"].value > 0.999
    assert abs(found["mouth_correlation"].control) < 0.3
    assert found["identity_similarity"].value > 0.99 > found["identity_similarity"].control
    assert found["face_found"].value == 1 and len(pictures) == 1 + module.NUM_SHOWN


def test_kinds_of_figure_6_change_the_picture_or_the_sound(monkeypatch):
    module = load("108-figure-6/unseen.py", monkeypatch)
    kinds = module.kinds()
    plain = kinds.pop("english")
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(3))
    for name, kind in kinds.items():
        shown = kind.picture(image)
        assert shown.shape == image.shape and 0 <= shown.min() and shown.max() <= 1
        is_another = not torch.equal(shown, image)
        assert is_another is (name in ("painted", "drawn_in_grey"))
        assert is_another or (kind.language, kind.rate) != (plain.language, plain.rate)


def test_all_tables_runs_every_table_and_figure_of_the_paper():
    script = EXPERIMENTS / "all_tables.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    called = re.findall(r"^(?:\w+=\w+ )?part (\S+)", script.read_text(), flags=re.MULTILINE)
    paper = sorted(path.parent.name for path in EXPERIMENTS.glob("1*/run.sh"))
    assert called == ["005-disentanglement", "009-motion", *paper]


def test_experiment_5_knows_its_parts(tmp_path):
    script = EXPERIMENTS / "005-disentanglement" / "run.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    done = subprocess.run(
        ["bash", str(script), str(tmp_path / "run")],
        env={"PATH": "/usr/bin:/bin", "PARTS": "everything"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "PARTS=recipe" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_recipe_alone_leaves_the_ablations_of_experiment_5(tmp_path, monkeypatch):
    module = load("005-disentanglement/table.py", monkeypatch)
    folder = tmp_path / "run" / "stage1" / "disentanglement"
    folder.mkdir(parents=True)
    measured = {
        **{"value": 0.5, "ci_low": 0.25, "ci_high": 0.75, "control": 0.125, "n": 24, "seed": 0},
        **{"control_name": "chance", "criteria": [], "split": "test", "unit": "r"},
    }
    probed = {
        f"probe/{code}/{factor}_{kind}r2"
        for code in module.CODES
        for factor in module.PROBED
        for kind in ("", "mlp_")
    }
    cells = ("disentanglement/leakage/yaw_yaw", "disentanglement/leakage/yaw_mouth")
    lines = [
        json.dumps({"metric": name, **measured, **STAMP})
        for name in sorted({*module.ASKED, *module.BESIDE, *probed, *cells})
    ]
    (folder / "results.jsonl").write_text("\n".join(lines))
    kept = {"metric": "x", "value": 1.0, "setting": "priced code", "commit": "an older one"}
    gone = {"metric": "x", "value": 2.0}
    (tmp_path / "results.jsonl").write_text("\n".join(map(json.dumps, (gone, kept))) + "\n")
    marks = {
        **{"recipe": "old", "leakage": "old", "probes": "old"},
        **{"ablation": "stays", "free": "stays"},
    }
    (tmp_path / "README.md").write_text(
        "".join(f"<!-- {name} -->\n{text}\n<!-- /{name} -->\n" for name, text in marks.items())
    )
    module.main(tmp_path / "run", tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert rows[-1] == kept and gone not in rows
    assert len(rows) == len(lines) + 1
    assert {row["device"] for row in rows[:-1]} == {"cuda: a GPU"}
    text = (tmp_path / "README.md").read_text()
    assert text.count("stays") == 2 and "old" not in text and "| 0.500 |" in text
    assert "| yaw | 0.50 (0.12) |" in text and "| mouth opening | 0.50 (0.12) |" in text
    assert (tmp_path / module.HEAT_MAP).is_file()
