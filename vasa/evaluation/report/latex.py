"""Cells to LaTeX, for \\input into a paper."""

import re
from collections.abc import Sequence

_TEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}"}
_TEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
_TEX |= {"±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "…": r"\ldots{}", "−": "$-$"}
_TEX |= {"—": "---", "×": r"$\times$"}


def tex(text: str) -> str:
    """Plain text with what TeX would read as a command written out."""
    return re.sub("|".join(map(re.escape, _TEX)), lambda found: _TEX[found.group()], text)


def tabular(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, columns: str, num_italic: int = 0
) -> list[str]:
    """Lines of a tabular.

    Args:
        header: plain text.
        rows: plain text, as many cells each.
        columns: of the tabular, such as `llrr`.
        num_italic: the last so many columns of each row are set in italics.
    """
    first_italic = len(header) - num_italic

    def line(cells: Sequence[str]) -> str:
        words = [
            rf"\textit{{{tex(cell)}}}" if place >= first_italic and cell != "—" else tex(cell)
            for place, cell in enumerate(cells)
        ]
        return f"{' & '.join(words)} \\\\"

    head = f"{' & '.join(map(tex, header))} \\\\"
    body = [line(row) for row in rows]
    begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    return [begin, r"\hline", head, r"\hline", *body, r"\hline", end]
