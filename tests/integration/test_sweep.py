"""Sweeps that are really run: rows of an ablation by seeds, one member crashes, the table."""

import json
from pathlib import Path

import pytest
from processes import stage2
from small_motion import write_small_motion

from vasa.cli import main

ROWS = ("stage2_reference", "stage2_no_gaze")


def words(motion: Path, *more: str) -> list[str]:
    """Of a small stage 2; its experiment and its folder are the caller's."""
    ours = stage2(motion, Path("unused"))
    kept = [word for word in ours if not word.startswith(("experiment=", "run_dir="))]
    settings = ["logger=none", "trainer.num_threads=1", "trainer.precision=32-true"]
    return ["train", "-m", *kept, *settings, "log_every=1", "sample_every=0", "max_steps=3", *more]


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """The folder in which two rows by two seeds were trained; one cannot save."""
    motion = write_small_motion(tmp_path_factory.mktemp("motion"))
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        blocked = folder / "sweep" / "ablation" / "no_gaze-0" / "checkpoints"
        blocked.parent.mkdir(parents=True)
        blocked.write_text("not a folder")
        experiments = "experiment=" + ",".join(f"ablation/{row}" for row in ROWS)
        command = words(motion, experiments, "seed=0,1", "run_dir=sweep/${name}-${seed}")
        with pytest.raises(FileExistsError):
            main(command)
    return folder


def test_a_crashed_member_ends_no_other_and_says_why(swept):
    found = {path.parent.name for path in swept.glob("sweep/ablation/*/done.json")}
    assert found == {"reference-0", "reference-1", "no_gaze-1"}
    record = json.loads((swept / "sweep/ablation/no_gaze-0/error.json").read_text())
    assert record["error"].startswith("FileExistsError")
    assert "experiment=ablation/stage2_no_gaze" in record["overrides"]


def test_table_has_the_rows_and_the_crashed_member(swept, capsys):
    output = swept / "report.html"
    assert main(["report", f"sweep={swept / 'sweep'}", f"output={output}"]) == 0
    assert "4 members: 3 done, 1 failed" in capsys.readouterr().out
    lines = output.with_suffix(".md").read_text().splitlines()
    assert [line.split(" | ")[:2] for line in lines if line.startswith("| drop")] == [
        ["| drop_rates.gaze=0.1 (reference)", "0, 1"],
        ["| drop_rates.gaze=1", "1"],
        ["| drop_rates.gaze=1", "1"],  # its difference to the reference
    ]
    (failed,) = [line for line in lines if "| failed |" in line]
    assert failed.startswith("| ablation/no_gaze-0 | stage2: drop_rates.gaze=1 | 0 |")
    assert "FileExistsError" in failed


def test_objective_is_what_a_search_is_given(swept, monkeypatch):
    """The sweeper that is tested is a stand-in: Optuna is an extra."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    given = []
    monkeypatch.chdir(swept)
    monkeypatch.setattr(
        BasicSweeper,
        "sweep",
        lambda self, arguments: given.extend(
            result.return_value for result in self.launcher.launch([arguments], initial_job_idx=0)
        ),
    )
    run = swept / "sweep" / "ablation" / "reference-0"
    motion = next(
        word
        for word in (run / "overrides.txt").read_text().split()
        if word.startswith("data.root=")
    ).removeprefix("data.root=")
    main(words(Path(motion), "experiment=ablation/stage2_reference", "seed=0",
               "+objective=val/x0_loss_t50", "run_dir=sweep/${name}-${seed}"))  # fmt: skip
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert given == [last["val/x0_loss_t50"]]
