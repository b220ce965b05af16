"""Runs and results as one self-contained HTML page, and the same tables as Markdown next to it."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="report")
def main(cfg: DictConfig) -> None:
    """Read, write, say where."""
    from vasa.evaluation.report.page import write_report
    from vasa.types import InputError

    output = Path(cfg.output)
    if output.suffix != ".html":
        raise InputError(f"expected output=NAME.html, got {cfg.output}")
    markdown = write_report(
        runs=[Path(run) for run in cfg.runs], results=Path(cfg.results), output=output
    )
    print(f"report: {output}\ntables: {markdown}")


if __name__ == "__main__":
    main()
