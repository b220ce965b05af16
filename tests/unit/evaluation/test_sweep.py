"""A sweep's table: rows, means and intervals over seeds, and who is not in it."""

import csv
import math
import re
from pathlib import Path

import pytest
from made_up_sweep import write_member, write_results

from vasa.cli import main
from vasa.evaluation.report.differences import HANDLING, differing_keys, row_names
from vasa.evaluation.report.seeds import spread_of
from vasa.evaluation.report.sweep import Row, Table, read_sweep
from vasa.evaluation.report.sweep_tables import members, reason
from vasa.training.config import NEUTRAL
from vasa.types import InputError


@pytest.fixture
def root(tmp_path) -> Path:
    """Two learning rates: 0.001 of four seeds, one unfinished; 0.002 of three, one crashed."""
    sweep = tmp_path / "sweep"
    for seed, loss in enumerate((1.0, 2.0, 3.0)):
        write_member(sweep, f"a{seed}", loss=loss, lr=0.001, seed=seed)
    write_member(sweep, "a3", loss=7.0, lr=0.001, seed=3, state="stopped")
    write_member(sweep, "b0", loss=0.5, lr=0.002, seed=0)
    write_member(sweep, "b1_preempted", loss=1.5, lr=0.002, seed=1)
    write_member(sweep, "b2", loss=0.0, lr=0.002, seed=2, state="crashed")
    return sweep


def only_table(root: Path, **options) -> Table:
    (table,) = read_sweep(root, **options).tables
    return table


def rows(root: Path, **options) -> dict[str, Row]:
    return {row.name: row for row in only_table(root, **options).rows}


def test_interval_is_students():
    spread = spread_of([1.0, 2.0, 3.0])
    assert spread.mean == 2
    assert spread.high - spread.mean == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert spread.mean - spread.low == pytest.approx(spread.high - spread.mean)
    assert math.isnan(spread_of([1.0]).low) and spread_of([1.0]).mean == 1


def test_members_that_differ_by_a_seed_are_one_row(root):
    found = rows(root)
    assert list(found) == ["lr=0.001", "lr=0.002"]
    first, second = found.values()
    assert first.is_reference and not second.is_reference
    assert (first.seeds, second.seeds) == (["0", "1", "2"], ["0", "1"])
    assert first.spreads["train/loss"] == spread_of([1.0, 2.0, 3.0])
    assert second.spreads["train/loss"] == spread_of([0.5, 1.5])


def test_differences_are_paired_by_seed(root):
    difference = rows(root)["lr=0.002"].differences["train/loss"]
    assert (difference.mean, difference.low, difference.high, difference.n) == (-0.5, -0.5, -0.5, 2)
    back = rows(root, reference="b0")
    assert list(back) == ["lr=0.002", "lr=0.001"]
    assert back["lr=0.001"].differences["train/loss"].mean == 0.5


def test_who_is_not_complete_is_listed_with_its_reason(root):
    sweep = read_sweep(root)
    lines = {row[0]: row for row in members(sweep, are_complete=False).rows}
    assert set(lines) == {"a3", "b2"}
    assert lines["b2"][1] == "stage2: lr=0.002" and lines["b2"][-1] == "OSError: a | b"
    assert lines["a3"][3:5] == ["stopped", "20/20"] and "killed" in lines["a3"][-1]
    done = {row[0]: row for row in members(sweep, are_complete=True).rows}
    assert done["b1_preempted"][3:6] == ["done", "20/20", "2"]
    write_member(root, "c", loss=1.0, lr=0.001, seed=9, state="running")
    late = [m for row in only_table(root).rows for m in row.members if m.run.path == "c"]
    assert "running" in reason(late[0])


def test_measured_numbers_are_those_of_the_present_model(root):
    write_results(root / "a0" / "evaluation" / "results.jsonl", value=0.5)
    write_results(root / "a1" / "results.jsonl", value=0.1, model="earlier0")
    write_results(root / "results.jsonl", value=0.6, model="a1000000", date="2026-01-02")
    write_results(root / "results.jsonl", value=0.9, model="a1000000", date="2026-01-01")
    sweep = read_sweep(root, metrics=["generated/mouth_correlation"])
    spread = sweep.tables[0].rows[0].spreads["generated/mouth_correlation"]
    assert spread == spread_of([0.5, 0.6])
    assert [note for note in sweep.notes if "a1/results.jsonl: 1 rows" in note]
    assert sweep.is_higher == {"generated/mouth_correlation": True}


def test_a_repeated_seed_counts_once(root):
    write_member(root, "a0_again", loss=100.0, lr=0.001, seed=0)
    sweep = read_sweep(root)
    assert sweep.tables[0].rows[0].spreads["train/loss"].n == 3
    assert [
        note for note in sweep.notes if note.startswith("a0_again: configuration and seed of a0")
    ]


def test_ignored_keys_make_no_rows(root):
    write_member(root, "d", loss=4.0, lr=0.001, seed=4, data={"root": "elsewhere"})
    assert "data.root=elsewhere" in rows(root)
    assert rows(root, ignore=["data.root"])["lr=0.001"].seeds == ["0", "1", "2", "4"]


def test_stages_have_tables_of_their_own(root):
    write_member(root, "other", loss=4.0, lr=0.5, seed=0, stage="stage1")
    tables = read_sweep(root).tables
    assert [table.stage for table in tables] == ["stage1", "stage2"]
    assert [row.name for row in tables[0].rows] == ["reference"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"metrics": ["train/los"]}, "nearest: train/loss; there are train/loss, val/a"),
        ({"ignore": ["data.rot"]}, "ignore=data.rot"),
        ({"reference": "z"}, "reference=z: .* there are a0, a1"),
    ],
)
def test_words_that_the_sweep_does_not_have(options, expected, root):
    with pytest.raises(InputError, match=expected):
        read_sweep(root, **options)


def test_row_names():
    audio = {"module.audio._target_": "x.LogMel", "module.audio.num_mels": 80}
    other = {"module.audio._target_": "x.Wav2Vec2", "module.audio.layer": 9}
    configs = [
        {**audio, "module.weights.a": 1.0, "module.rates.a": 0.1, "module.net": None},
        {**audio, "module.weights.a": 0.0, "module.rates.a": 0.1, "module.net": None},
        {**audio, "module.weights.a": 1.0, "module.rates.a": 1.0, "module.net": None},
        {**other, "module.weights.a": 1.0, "module.rates.a": 0.1, "module.net._target_": "x.Net"},
    ]
    keys = differing_keys(configs)
    expected = ["reference", "weights.a=0", "rates.a=1", "audio=Wav2Vec2, net=Net"]
    assert row_names(configs, keys=keys, reference=0) == expected
    assert row_names(configs[:2], keys=["module.weights.a"], reference=0) == [
        "weights.a=1", "weights.a=0"
    ]  # fmt: skip


def test_what_changes_no_result_makes_no_row():
    assert set(NEUTRAL) <= set(HANDLING)


def test_report_of_a_sweep(root, tmp_path, capsys):
    output = tmp_path / "out" / "report.html"
    write_results(root / "a0" / "results.jsonl", value=0.25)
    assert main(["report", f"sweep={root}", f"output={output}"]) == 0
    assert "7 members: 5 done, 1 failed, 1 stopped" in capsys.readouterr().out
    page, text = output.read_text(), output.with_suffix(".md").read_text()
    cells = ("lr=0.001 (reference)", "2 ± 2.5", "-0.5 ± 0 *", "generated/mouth_correlation ↑")
    for cell in (*cells, "0.25 (n = 1)", "b1_preempted"):
        assert cell in page and cell in text, cell
    assert "OSError: a | b" in page and "OSError: a \\| b" in text
    assert page.count("<svg") == 1 and "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page), "an external resource"
    table = list(csv.DictReader(output.with_suffix(".csv").read_text().splitlines()))
    losses = {line["row"]: line for line in table if line["metric"] == "train/loss"}
    assert float(losses["lr=0.001"]["mean"]) == 2 and losses["lr=0.002"]["difference_n"] == "2"
    latex = output.with_suffix(".tex").read_text()
    assert r"generated/mouth\_correlation" in latex and latex.count("tabular") == 2


def test_runs_of_one_stage_share_a_figure(root, tmp_path):
    output = tmp_path / "report.html"
    runs = ",".join(str(root / name) for name in ("a0", "b0"))
    assert main(["report", f"runs=[{runs}]", f"output={output}"]) == 0
    page = output.read_text()
    assert page.count("<svg") == 1 and "stage2: 2 runs" in page
    assert page.count("stage2/tiny lr=0.002") >= 2, "in headings; the figure's letters are outlines"
    assert "| stage2/tiny lr=0.002 | 20 |" in output.with_suffix(".md").read_text()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sweep=nowhere"], "expected run folders below nowhere"),
        (["sweep=here", "results=x"], "sweep=DIR alone"),
        (["metric=a"], "give sweep=DIR"),
        ([], "got none of them"),
        (["sweep=here", "output=x.txt"], "output=NAME.html"),
    ],
)
def test_reports_that_cannot_be(words, expected, capsys):
    assert main(["report", *words]) == 2
    assert expected in capsys.readouterr().err
