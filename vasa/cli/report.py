"""Runs and results as one self-contained HTML page, and the same tables as Markdown next to it.

vasa report results=RUN/results.jsonl runs=[DIR,DIR]   an evaluation, and how its models trained
vasa report runs=[DIR,DIR]                             runs beside each other
vasa report results=FILE paper_tables=[1]              laid out as the paper's table 1 (of 5)
vasa report sweep=DIR metric=[NAME,NAME]               a sweep: mean and interval over seeds
"""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="report")
def main(cfg: DictConfig) -> None:
    """Read, write, say where."""
    from vasa.types import InputError

    output = Path(cfg.output)
    if output.suffix != ".html":
        raise InputError(f"expected output=NAME.html, got {cfg.output}")
    if cfg.sweep is not None:
        if cfg.runs or cfg.results is not None:
            raise InputError("expected sweep=DIR alone, got it with runs= or results=")
        _report_sweep(cfg, output)
        return
    for key in ("metric", "ignore", "reference"):
        if cfg[key]:
            raise InputError(f"{key}= chooses in a sweep's table; give sweep=DIR with it")
    if cfg.paper_tables and cfg.results is None:
        raise InputError("paper_tables= lays out results; give results=FILE with it")
    if not cfg.runs and cfg.results is None:
        raise InputError("expected results=FILE, runs=[DIR,...] or sweep=DIR, got none of them")
    from vasa.evaluation.report.page import write_report

    results = None if cfg.results is None else Path(cfg.results)
    if results is not None and results.suffix != ".jsonl":
        raise InputError(f"expected results=DIR/NAME.jsonl of vasa evaluate, got {cfg.results}")
    markdown = write_report(
        runs=_paths(cfg.runs), results=results, output=output, tables=_tables(cfg.paper_tables)
    )
    print(f"report: {output}\ntables: {markdown}")


def _report_sweep(cfg: DictConfig, output: Path) -> None:
    from vasa.evaluation.report.sweep import read_sweep
    from vasa.evaluation.report.sweep_page import write_sweep
    from vasa.evaluation.report.sweep_tables import counts
    from vasa.evaluation.report.tables import HEADLINES

    sweep = read_sweep(
        Path(cfg.sweep),
        metrics=_words(cfg.metric),
        ignore=_words(cfg.ignore),
        reference=cfg.reference,
        headlines=list(HEADLINES),
    )
    files = write_sweep(sweep, output=output)
    print(f"{counts(sweep)}\nreport: {output}\ntables: {', '.join(map(str, files))}")


def _paths(value: object) -> list[Path]:
    return [Path(word) for word in _words(value)]


def _tables(value: object) -> list[int]:
    """One number or a list of them."""
    from vasa.types import InputError

    words = _words(str(value) if isinstance(value, int) else value)
    if bad := [word for word in words if not word.isdigit()]:
        raise InputError(f"expected paper_tables=[1,...] of 1 to 5, got {', '.join(bad)}")
    return [int(word) for word in words]


def _words(value: object) -> list[str]:
    """One word or a list of them."""
    return [value] if isinstance(value, str) else [str(word) for word in value]  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
