"""The report's tables as Markdown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vasa.evaluation.report.controls import asked_markdown
from vasa.evaluation.report.leakage import matrix_markdown
from vasa.evaluation.report.paper_layout import PaperGrid, grids_markdown
from vasa.evaluation.report.table_lines import table_lines
from vasa.evaluation.report.tables import grouped, markdown_table
from vasa.evaluation.results import ResultRow


def markdown_page(
    rows: Sequence[ResultRow],
    facts: dict[str, Any],
    *,
    paper: Sequence[PaperGrid] = (),
    leakage_picture: Path | None = None,
) -> str:
    """The tables, what was run and the caveats.

    Args:
        rows: the results.
        facts: of `page_facts`.
        paper: the paper's tables with our numbers.
        leakage_picture: the heat map, from the page's folder.
    """
    evaluation = facts["evaluation"]
    lines = [
        f"# {facts['title']}",
        "",
        f"Evaluated {evaluation['date']} on {evaluation['machine']}, commit "
        f"{evaluation['commit'][:12]}, seed {evaluation['seed']}.",
    ]
    if facts["num_judged"]:
        lines += ["", f"{facts['num_met']} of {facts['num_judged']} criteria met."]
    lines += ["", "## Caveats", "", *(f"- {caveat}" for caveat in facts["caveats"])]
    for title, text, group in grouped(rows):
        lines += ["", f"## {title}", "", *([text, ""] if text else []), markdown_table(group)]
        if notes := [f"- `{row.metric}`: {row.note}" for row in group if row.note]:
            lines += ["", *notes]
    if paper:
        lines += ["", "## Laid out as the paper's tables", *grids_markdown(paper)]
    if found := matrix_markdown(rows):
        lines += ["", "## Leakage matrices", ""]
        lines += ["`value (control)`; * is the error of a change that should arrive."]
        if leakage_picture is not None:
            lines += ["", f"![Leakage matrices]({leakage_picture.as_posix()})"]
        lines += found
    if found := asked_markdown(rows):
        lines += ["", "## Controls, value by value", ""]
        lines += ["What the frames show where the value was asked (and where the others were)."]
        lines += found
    lines += ["", "## What was run", ""]
    if facts["runs"]:
        lines += [*_runs_table(facts), ""]
    commands = [run["command"] for run in facts["runs"]] + [evaluation["command"]]
    lines += ["```", *commands, "```", "", "## Networks behind the numbers", ""]
    experts = [(found["name"], f"`{found['hash']}`", found["used"]) for found in facts["experts"]]
    lines += table_lines(("name", "sha256, first digits", "measures"), experts)
    return "\n".join(lines) + "\n"


def runs_markdown(facts: dict[str, Any]) -> str:
    """Runs without results: what was run."""
    commands = [run["command"] for run in facts["runs"]]
    lines = [f"# {facts['title']}", "", *_runs_table(facts), "", "```", *commands, "```"]
    return "\n".join(lines) + "\n"


def _runs_table(facts: dict[str, Any]) -> list[str]:
    header = ("steps", "time", "seed", "commit", "machine", "status")
    rows = [[run["label"], *(run[name] for name in header)] for run in facts["runs"]]
    return table_lines(("name", *header), rows)
