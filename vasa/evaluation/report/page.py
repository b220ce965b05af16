"""The report: one HTML page that needs nothing else, and the same tables as Markdown."""

import base64
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vasa.evaluation.report import captions
from vasa.evaluation.report.controls import asked_facts
from vasa.evaluation.report.curves import curves_svg, figure_svg, histograms_svg
from vasa.evaluation.report.leakage import PICTURE, matrix_facts
from vasa.evaluation.report.markdown import markdown_page, runs_markdown
from vasa.evaluation.report.overlays import overlays, run_labels
from vasa.evaluation.report.paper_layout import PaperGrid, grid_facts, grids_latex
from vasa.evaluation.report.paper_plots import capp_figure, guidance_figure
from vasa.evaluation.report.paper_tables import paper_grids
from vasa.evaluation.report.rendering import now, replace_text, write_page
from vasa.evaluation.report.runs import RunRecord, read_run
from vasa.evaluation.report.summary import caveats, experts_used, headlines
from vasa.evaluation.report.tables import cells, grouped
from vasa.evaluation.results import ResultRow, read_rows


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture or a clip, inlined."""

    title: str
    caption: str
    uri: str


def data_uri(path: Path) -> str:
    """A file as a data URI."""
    kind = {".png": "image/png", ".mp4": "video/mp4"}[path.suffix]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def _stamps(rows: Sequence[ResultRow], name: str) -> str:
    values = dict.fromkeys(str(row.stamp[name]) for row in rows if row.stamp.get(name) is not None)
    return "; ".join(values) or "unknown"


def _run_facts(run: RunRecord) -> dict[str, Any]:
    starts = len(run.environment.get("starts", []))
    return {
        "name": run.name,
        "path": str(run.path),
        "steps": run.steps,
        "time": duration(run.seconds),
        "seed": run.config.get("seed", "?"),
        "commit": run.commit,
        "machine": run.machine,
        "command": run.command,
        "started": run.environment.get("started_at", "?"),
        "status": "complete" if run.done else "not complete",
        "starts": starts,
        "model_hash": str(run.done.get("model_hash", ""))[:16],
        "samples": _sample_figures(run),
        "histograms": Markup(histograms_svg(run) or ""),
        "config": json.dumps(run.config, indent=2, sort_keys=False),
    }


def _sample_figures(run: RunRecord) -> list[Figure]:
    """The last sample of each name, the known ones first and in their order."""
    known = [name for name in captions.SAMPLES if name in run.samples]
    figures = []
    for name in [*known, *(name for name in run.samples if name not in known)]:
        sample = run.samples[name]
        words = [captions.SAMPLES.get(name, f"{name}.")]
        if sample.step is not None:
            words.append(f"Step {sample.step}.")
        figures.append(Figure(title=name, caption=" ".join(words), uri=data_uri(sample.path)))
    return figures


def _figures(folder: Path, suffix: str) -> list[Figure]:
    return [
        Figure(
            title=path.stem, caption=captions.SHEETS.get(path.stem, path.stem), uri=data_uri(path)
        )
        for path in sorted(folder.glob(f"*.{suffix}"), key=_place)
    ]


def _place(path: Path) -> tuple[int, str]:
    """Files are numbered: 2 comes before 10."""
    number = path.stem.split("_")[0]
    return int(number) if number.isdigit() else sys.maxsize, path.stem


def _evaluation_facts(rows: Sequence[ResultRow], results: Path) -> dict[str, Any]:
    record = results.parent / "eval" / "done.json"
    done = json.loads(record.read_text()) if record.is_file() else {}
    names = ("command", "commit", "seed", "machine", "data")
    return {name: _stamps(rows, name) for name in names} | {
        "is_dirty": any(row.stamp.get("is_dirty") for row in rows),
        "date": _stamps(rows, "date").split("; ")[-1],
        "time": duration(done["seconds"]) if "seconds" in done else "",
        "results": str(results),
    }


def page_facts(
    *,
    rows: Sequence[ResultRow],
    runs: Sequence[RunRecord],
    results: Path,
    paper: Sequence[PaperGrid] = (),
) -> dict[str, Any]:
    """All that the page and the Markdown say."""
    judged = [criterion["passed"] for row in rows for criterion in row.criteria]
    return {
        "title": f"Report: {_stamps(rows, 'evaluation')}",
        "made": now(),
        "num_met": sum(judged),
        "num_judged": len(judged),
        "headlines": headlines(rows),
        "groups": [
            {"title": title, "text": text, "rows": [cells(row) for row in group]}
            for title, text, group in grouped(rows)
        ],
        "matrices": matrix_facts(rows),
        "asked": asked_facts(rows),
        "paper_tables": grid_facts(paper),
        "paper_figures": [
            Markup(figure_svg(figure))
            for figure in (capp_figure(rows), guidance_figure(rows))
            if paper and figure is not None
        ],
        "videos": _figures(results.parent / "eval" / "videos", "mp4"),
        "sheets": _figures(results.parent / "eval" / "sheets", "png"),
        **runs_facts(runs),
        "caveats": caveats(rows),
        "experts": experts_used(rows),
        "evaluation": _evaluation_facts(rows, results),
    }


def runs_facts(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """What the page says of training; runs of one stage share a figure."""
    labels = run_labels(runs)
    overlaid = overlays(runs, labels)
    shared = {id(run) for overlay in overlaid for run in overlay.runs}
    facts = []
    for run, label in zip(runs, labels, strict=True):
        is_overlaid = id(run) in shared
        curves = Markup("" if is_overlaid else curves_svg(run) or "")
        facts.append(
            {**_run_facts(run), "label": label, "is_overlaid": is_overlaid, "curves": curves}
        )
    figures = [{"title": overlay.title, "curves": Markup(overlay.svg)} for overlay in overlaid]
    return {"runs": facts, "overlays": figures}


def write_report(
    *, runs: Sequence[Path], results: Path | None, output: Path, tables: Sequence[int] = ()
) -> Path:
    """Writes the page and, next to it, the Markdown; the paper's tables as LaTeX as well.

    Args:
        runs: run folders, in the order to show.
        results: results.jsonl; sheets and videos are looked for in `eval/` beside it. None: the
            page is of the runs alone.
        output: the .html to write.
        tables: the paper's tables to lay out, 1 to 5; none: those that the results have rows for.

    Returns:
        The Markdown file; of LaTeX, .tex beside it.
    """
    records = [read_run(path) for path in runs]
    markdown = output.with_suffix(".md")
    if results is None:
        facts = runs_facts(records) | {"title": _title(records), "made": now(), "evaluation": None}
        write_page(output, template="runs", facts=facts)
        replace_text(markdown, runs_markdown(facts))
        return markdown
    rows = read_rows(results)
    paper = paper_grids(rows, tables=tables)
    facts = page_facts(rows=rows, runs=records, results=results, paper=paper)
    write_page(output, template="report", facts=facts)
    picture = results.parent / "eval" / "sheets" / PICTURE
    picture = Path(os.path.relpath(picture, output.parent)) if picture.is_file() else None
    replace_text(markdown, markdown_page(rows, facts, paper=paper, leakage_picture=picture))
    if paper:
        replace_text(output.with_suffix(".tex"), grids_latex(paper))
    return markdown


def _title(runs: Sequence[RunRecord]) -> str:
    return f"Runs: {', '.join(dict.fromkeys(run.name for run in runs))}"
