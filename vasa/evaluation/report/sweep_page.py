"""A sweep as a page, with its tables as Markdown, CSV and LaTeX beside it."""

from pathlib import Path

from markupsafe import Markup

from vasa.evaluation.report import sweep_tables as tables
from vasa.evaluation.report.curves import Strand, overlaid_svg
from vasa.evaluation.report.rendering import now, replace_text, write_page
from vasa.evaluation.report.runs import read_run
from vasa.evaluation.report.sweep import Sweep, Table


def write_sweep(sweep: Sweep, *, output: Path) -> list[Path]:
    """Writes the page and, next to it, .md, .csv and .tex.

    Args:
        sweep: of `read_sweep`.
        output: the .html to write.

    Returns:
        The files beside the page.
    """
    facts = {
        "title": f"Sweep: {sweep.root}",
        "made": now(),
        "counts": tables.counts(sweep),
        "how": tables.HOW,
        "how_paired": tables.HOW_PAIRED,
        "tables": [
            {
                "stage": table.stage,
                "means": tables.means(table, is_higher=sweep.is_higher),
                "paired": tables.paired(table, is_higher=sweep.is_higher),
                "curves": Markup(_curves(table) or ""),
            }
            for table in sweep.tables
        ],
        "incomplete": tables.members(sweep, are_complete=False),
        "complete": tables.members(sweep, are_complete=True),
        "notes": sweep.notes,
    }
    write_page(output, template="sweep", facts=facts)
    texts = {
        ".md": tables.sweep_markdown(sweep),
        ".csv": tables.sweep_csv(sweep),
        ".tex": tables.sweep_latex(sweep),
    }
    for suffix, text in texts.items():
        replace_text(output.with_suffix(suffix), text)
    return [output.with_suffix(suffix) for suffix in texts]


def _curves(table: Table) -> str | None:
    """The curves of all members whose records can be read, a colour a row."""
    return overlaid_svg(
        [
            Strand(
                label=row.name,
                runs=[
                    read_run(member.folder)
                    for member in row.members
                    if (member.folder / "config.yaml").is_file() and not member.run.damaged
                ],
            )
            for row in table.rows
        ]
    )
