"""The paper's tables from made-up rows: whose number stands where, and what it may stand with."""

import math
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from vasa.evaluation.report.page import write_report
from vasa.evaluation.report.paper_layout import PaperGrid, grids_latex, grids_markdown
from vasa.evaluation.report.paper_numbers import PAPER_TABLES
from vasa.evaluation.report.paper_plots import capp_figure, guidance_figure
from vasa.evaluation.report.paper_tables import paper_grids
from vasa.evaluation.results import ResultRow, write_rows
from vasa.types import InputError

OWN = {"syncnet": "aaaaaaaa11", "capp": "cccccccc11"}


def row(metric: str, values: list[float], **changes) -> ResultRow:
    stamp = {"models": OWN, "evaluation": "synth", "seed": 0, "commit": "0123456789abcdef"}
    fields = {
        "metric": metric,
        "value": sum(values) / len(values),
        "control": 0.1,
        "control_name": "real clips",
        "split": "test",
        "n": len(values),
        "unit": "",
        "higher_is_better": True,
        "ci_low": min(values),
        "ci_high": max(values),
        "clip_values": values,
    }
    stamp |= changes.pop("stamp", {})
    return ResultRow(**fields | changes, stamp=stamp)


def methods(**changes) -> list[ResultRow]:
    """Real above ours above shuffled on every clip, by one SyncNet."""
    rows = []
    for rank, method in enumerate(("shuffled", "ours", "real", "sadtalker")):
        values = [clip + 0.5 * rank for clip in (1.0, 4.0, 2.0, 7.0)]
        rows.append(row(f"methods/{method}/sync_confidence", values, **changes))
        rows.append(
            row(f"methods/{method}/sync_distance", [9 - v for v in values], higher_is_better=False)
        )
        rows.append(row(f"methods/{method}/jitter", values, higher_is_better=None))
        if method != "ours":
            told = {"stamp": {"p_value": 0.125} | changes.get("stamp", {})}
            name = f"methods/{method}/sync_confidence_minus_ours"
            rows.append(row(name, [0.5 * (rank - 1)] * 4, **changes | told))
        rows.append(
            row(
                f"methods/{method}/frechet_motion",
                [2.0 + rank],
                n=4,
                higher_is_better=False,
                clip_values=[],
                ci_low=math.nan,
                ci_high=math.nan,
            )
        )
    return rows


def cells(grid: PaperGrid, line: str) -> dict[str, str]:
    (found,) = [dict(zip(grid.header, cells, strict=True)) for cells in grid.rows
                if cells[0] == line]  # fmt: skip
    return found


def test_numbers_of_the_paper() -> None:
    assert PAPER_TABLES[1].value("VASA-1", "S_C") == 8.841
    assert PAPER_TABLES[2].value("real video", "FVD_25") == 29.245
    assert PAPER_TABLES[3].value("2", "CAPP") == 0.206
    assert PAPER_TABLES[5].value("0.5 1.0 10", "CAPP") == 0.523
    assert PAPER_TABLES[1].value("VASA-1", "FVD_25") is None
    for table in PAPER_TABLES.values():
        assert {len(numbers) for numbers in table.rows.values()} == {len(table.columns)}


def test_methods_beside_the_papers() -> None:
    ranked = row("ranking/sync_confidence", [0.0], n=4, note="ours does not lead still")
    grid, more, paired, order = paper_grids([*methods(), ranked], tables=[1])
    assert grid.header[:3] == ("method", "clips", "S_C own:aaaaaaaa ↑")
    ours = cells(grid, "ours (paper: VASA-1)")
    assert ours["S_C own:aaaaaaaa ↑"] == "4.000 (1.500 … 7.500)"
    assert ours["S_C paper"] == "8.841" and ours["clips"] == "4"
    assert cells(grid, "real (paper: real video)")["dP paper"] == "0.505"
    assert cells(grid, "sadtalker (paper: SadTalker)")["S_C paper"] == "5.843"
    alone = cells(grid, "MakeItTalk (paper alone)")
    assert alone["S_C own:aaaaaaaa ↑"] == "—" and alone["S_C paper"] == "4.176"
    assert cells(grid, "shuffled")["S_C paper"] == "—"
    assert [line[0].split()[0] for line in grid.rows][:4] == [
        *("real", "ours", "sadtalker", "shuffled")
    ]
    assert more.header == ("method", "FD-motion ↓", "jitter")
    assert cells(paired, "real")["S_C own:aaaaaaaa ↑"] == "+0.500 (+0.500 … +0.500), p 0.12"
    assert cells(paired, "shuffled")["S_C own:aaaaaaaa ↑"].startswith("-0.500")
    assert [line[0] for line in paired.rows] == ["real", "sadtalker", "shuffled"]
    assert order.rows == (("S_C own:aaaaaaaa", "NO", "4", "ours does not lead still"),)
    text = " ".join(grid.notes)
    assert "VoxCeleb2 test set" in text and "different measurements" in text
    assert "4 clips of split test" in text and "syncnet aaaaaaaa" in text


def test_a_folder_named_as_in_the_paper_is_ours_beside_it() -> None:
    (grid, *_) = paper_grids([row("methods/SadTalker/sync_confidence", [1.0, 2.0])], tables=[1])
    both = cells(grid, "SadTalker (paper: SadTalker)")
    assert both["S_C own:aaaaaaaa ↑"].startswith("1.500") and both["S_C paper"] == "5.843"
    assert len(grid.rows) == 5, "the paper's five, none of them twice"


def test_a_list_of_clips_is_named_by_its_hash() -> None:
    told = {"clip_list": {"file": "lists/voxceleb2.txt", "sha256": "0011223344556677"}}
    (grid, *_) = paper_grids([row("methods/ours/capp", [1.0, 2.0], stamp=told)], tables=[1])
    assert "(synth, list voxceleb2.txt 00112233)" in grid.notes[0]


def test_weights_never_share_a_column() -> None:
    other = methods(stamp={"models": {"syncnet": "bbbbbbbb22"}})
    named = methods(unit="S_C(official)")
    (grid, *_) = paper_grids([*methods(), *other, *named], tables=[1])
    found = [name for name in grid.header if name.startswith("S_C") and "paper" not in name]
    assert found == ["S_C official ↑", "S_C own:aaaaaaaa ↑", "S_C own:bbbbbbbb ↑"]
    assert {cells(grid, "shuffled")[name] for name in found} == {"3.500 (1.000 … 7.000)"}


def test_samples_are_averaged_clip_by_clip() -> None:
    name = "methods/ours/sync_confidence"
    rows = [row(name, [1.0, 2.0, 6.0]), row(name, [3.0, 2.0, 4.0])]
    (grid, *_) = paper_grids(rows, tables=[1])
    value = cells(grid, "ours (paper: VASA-1)")["S_C own:aaaaaaaa ↑"]
    assert value.startswith("3.000 (2.000 …"), value
    (grid, *_) = paper_grids([rows[0], row(name, [3.0])], tables=[1])
    assert cells(grid, "ours (paper: VASA-1)")["S_C own:aaaaaaaa ↑"] == "3.000"


def test_table_2_has_no_own_fvd() -> None:
    grid = paper_grids(methods(), tables=[2])[0]
    assert "FD-motion ↓" in grid.header and "FVD_25 paper" in grid.header
    assert not [name for name in grid.header[: -grid.num_paper] if "FVD" in name]
    assert cells(grid, "ours (paper: VASA-1)")["FVD_25 paper"] == "105.884"
    assert cells(grid, "ours (paper: VASA-1)")["FD-motion ↓"] == "3.000"


def settings() -> list[ResultRow]:
    rows = []
    for setting in PAPER_TABLES[5].rows:
        audio, gaze, steps = map(float, setting.split())
        told = {"lambda_audio": audio, "lambda_gaze": gaze, "steps": int(steps)}
        score = [clip + audio for clip in (1.0, 2.0, 4.0)]
        rows.append(row("sync/generated_confidence", score, stamp=told))
        rows.append(row("capp/generated", [v / 10 for v in score], stamp=told))
    return rows


def test_tables_that_have_rows_are_laid_out() -> None:
    capp = [row(f"capp/real_shift_{k}", [0.5 - 0.1 * k] * 3) for k in (0, 2, 8)]
    grids = paper_grids([*methods(), *capp, *settings(), row("sync/real_confidence", [3.0])])
    assert [grid.title.split(":")[0] for grid in grids if grid.num_paper > 1 or "Table 3" in
            grid.title] == ["Table 1", "Table 3", "Table 5"]  # fmt: skip
    (shifts,) = [grid for grid in grids if grid.title.startswith("Table 3")]
    assert cells(shifts, "8") == {
        "sound shifted by (frames)": "8",
        "CAPP own:cccccccc, real": "-0.300 (-0.300 … -0.300)",
        "less shift 0, clip by clip": "-0.800 (-0.800 … -0.800)",
        "CAPP paper": "—",
    }
    assert cells(shifts, "1")["CAPP own:cccccccc, real"] == "—"
    (table,) = [grid for grid in grids if grid.title.startswith("Table 5")]
    assert "CAPP own:cccccccc ↑" in table.header and "S_D own:aaaaaaaa" not in table.header
    assert "S_C own:aaaaaaaa ↑ 3.000" in " ".join(table.notes)
    assert paper_grids([row("generated/mouth_correlation", [0.5])]) == []
    with pytest.raises(InputError, match="rows of table 3"):
        paper_grids(methods(), tables=[3])
    with pytest.raises(InputError, match=r"tables of 1 to 5, got \[7\]"):
        paper_grids(methods(), tables=[7])


def test_figures_have_our_curve_and_the_papers() -> None:
    figure = guidance_figure(settings())
    assert figure is not None
    axes = [axis for axis in figure.axes if axis.get_visible()]
    own = axes[0].containers[0][0]
    assert list(own.get_xdata()) == [0.0, 0.5, 1.0, 2.0]
    assert list(own.get_ydata()) == pytest.approx([7 / 3 + x for x in (0, 0.5, 1, 2)])
    (paper,) = [axis for axis in axes if axis.get_ylabel() == "S_C paper"]
    assert np.asarray(paper.lines[0].get_ydata()).tolist() == [7.134, 7.957, 8.218, 8.295]
    figure = capp_figure([row(f"capp/real_shift_{k}", [0.5 - 0.1 * k]) for k in (0, 2, 8)])
    assert figure is not None
    assert list(figure.axes[0].containers[0][0].get_ydata()) == pytest.approx([0.5, 0.3, -0.3])
    assert capp_figure(methods()) is None and guidance_figure(methods()) is None


def test_a_score_that_the_paper_lacks_has_no_axis_of_the_papers() -> None:
    rows = [replace(one, metric="generated/frechet_motion") for one in settings()[::2]]
    figure = guidance_figure([*settings(), *rows])
    assert figure is not None
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert any(title.startswith("FD-motion") for title in titles)
    assert sorted(axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()) == [
        "CAPP paper",
        "S_C paper",
    ]


def test_markdown_marks_the_papers_numbers() -> None:
    lines = grids_markdown(paper_grids(methods(), tables=[1])[:1])
    (ours,) = [line for line in lines if line.startswith("| ours")]
    assert "| 4.000 (1.500 … 7.500) |" in ours and "| *8.841* |" in ours


def test_latex_is_plain_and_marks_the_papers_numbers() -> None:
    text = grids_latex(paper_grids([*methods(), *settings()]))
    assert r"\textit{8.841}" in text and r"\textit{4.000" not in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 5
    for line in text.splitlines():
        bare = re.sub(r"\\[_&%#$]|\\textit|\\ldots|\$[^$]*\$", "", line)
        if not line.startswith("%"):
            assert not re.search(r"[%#_^]", bare), line
    # The head of each tabular has as many cells as it declares columns.
    for columns, head in re.findall(r"\\begin\{tabular\}\{(.*)\}\n\\hline\n(.*) \\\\", text):
        assert len(re.findall("[lr]", columns)) == len(re.split(r"(?<!\\)&", head))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine")
def test_latex_compiles(tmp_path) -> None:
    (tmp_path / "tables.tex").write_text(grids_latex(paper_grids([*methods(), *settings()])))
    page = r"\documentclass{article}\begin{document}\tiny\input{tables}\end{document}"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_the_page_and_its_files(tmp_path) -> None:
    write_rows(tmp_path / "results.jsonl", [*methods(), *settings()])
    page = tmp_path / "report.html"
    text = write_report(runs=[], results=tmp_path / "results.jsonl", output=page).read_text()
    html = page.read_text()
    for found in (text, html):
        assert "Laid out as the paper's tables" in found and "Table 1: Methods" in found
        assert "different measurements" in found
    assert '<td class="num paper">8.841</td>' in html
    assert html.count("<svg") == 1, "scores against guidance"
    assert r"\textit{8.841}" in (tmp_path / "report.tex").read_text()
    # Settings of guidance are in table 5, and no list claims one of them as the result.
    assert "<code>sync/generated_confidence</code>" not in html
    write_report(runs=[], results=tmp_path / "results.jsonl", output=page, tables=[2])
    assert "Table 2:" in page.read_text() and "Table 1:" not in page.read_text()


def test_an_unfit_score_is_a_caveat(tmp_path) -> None:
    rows = [*methods(), row("ranking/capp", [0.0]), row("ranking/sync_confidence", [1.0])]
    write_rows(tmp_path / "results.jsonl", rows)
    output = tmp_path / "report.html"
    text = write_report(runs=[], results=tmp_path / "results.jsonl", output=output).read_text()
    (caveat,) = [line for line in text.splitlines() if line.startswith("- Unfit")]
    assert "ranking/capp" in caveat and "ranking/sync_confidence" not in caveat


def test_a_report_without_such_rows_is_as_before(tmp_path) -> None:
    write_rows(tmp_path / "results.jsonl", [row("generated/mouth_correlation", [0.5, 0.6])])
    output = tmp_path / "report.html"
    text = write_report(runs=[], results=tmp_path / "results.jsonl", output=output).read_text()
    assert "paper's tables\n" not in text.split("## Caveats")[0]
    assert "Laid out" not in output.read_text() and not (tmp_path / "report.tex").exists()
