"""A run's samples on the page: the last of each name, in order, with step and caption."""

from pathlib import Path

import torch

from vasa.evaluation.report.page import page_facts
from vasa.evaluation.report.runs import read_run
from vasa.training.samples import write_png


def shown(folder: Path, *names: str) -> list:
    (folder / "samples").mkdir()
    (folder / "config.yaml").write_text("stage: stage1\n")
    for name in names:
        write_png(folder / "samples" / f"{name}.png", torch.zeros(3, 4, 4))
    facts = page_facts(rows=[], runs=[read_run(folder)], results=folder / "results.jsonl")
    return facts["runs"][0]["samples"]


def test_last_of_each_name_with_its_step(tmp_path):
    figures = shown(
        tmp_path,
        *("warp_field_0000250", "warp_field_0000500"),
        *("self_reenactment_0000250", "self_reenactment_0000500", "pose_only_0000500"),
    )
    assert [figure.title for figure in figures] == ["self_reenactment", "pose_only", "warp_field"]
    assert all(figure.caption.endswith("Step 500.") for figure in figures)
    assert figures[0].caption.startswith("Self-reenactment")
    assert all(figure.uri.startswith("data:image/png;base64,") for figure in figures)


def test_old_and_unknown_names_are_shown_too(tmp_path):
    figures = shown(tmp_path, "zebra_0000010", "reenactment_0000010", "odd")
    assert [figure.title for figure in figures] == ["reenactment", "odd", "zebra"]
    assert [figure.caption for figure in figures[1:]] == ["odd.", "zebra. Step 10."]
