"""Sheets, figures and videos beside the results: which protocol draws what."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from vasa.evaluation import sheets
from vasa.evaluation.methods.comparison import Comparison
from vasa.evaluation.report.controls import controls_figure
from vasa.evaluation.report.diversity import diversity_figure
from vasa.evaluation.report.leakage import leakage_figure
from vasa.evaluation.report.sync_offsets import offsets_figure
from vasa.evaluation.results import ResultRow
from vasa.evaluation.workbench import Workbench

DRAWN_FROM_CLIPS = {"self_reenactment", "cross_reenactment", "swaps", "generated"}


def draw(bench: Workbench, folder: Path, rows: Sequence[ResultRow]) -> None:
    """Sheets and videos; each is drawn again only after another configuration."""
    marker = bench.cache / "drawn"
    if marker.is_file():
        return
    shutil.rmtree(folder / "sheets", ignore_errors=True)
    shutil.rmtree(folder / "videos", ignore_errors=True)
    common: dict[str, Any] = {"num_rows": bench.settings.num_sheet_rows}
    if set(bench.settings.protocols) & DRAWN_FROM_CLIPS:
        common["clips"] = bench.clips
    drawings: Iterable[tuple[str, str, Callable[..., None]]] = (
        ("self_reenactment", "1_self_reenactment.png", sheets.self_reenactment_sheet),
        ("cross_reenactment", "2_cross_reenactment.png", sheets.cross_reenactment_sheet),
        ("swaps", "3_swaps.png", sheets.swap_sheet),
        ("swaps", "8_frontalisation.png", sheets.frontalisation_sheet),
    )
    for protocol, name, draw_sheet in drawings:
        if protocol in bench.settings.protocols:
            draw_sheet(folder / "sheets" / name, autoencoder=bench.autoencoder, **common)
    if "swaps" in bench.settings.protocols:
        sheets.warp_sheet(
            folder / "sheets" / "9_warp_field.png", autoencoder=bench.autoencoder.net, **common
        )
    if "disentanglement" in bench.settings.protocols:
        leakage_figure(folder / "sheets" / "6_leakage.png", rows)
        sheets.counterfactual_sheet(
            folder / "sheets" / "7_counterfactuals.png",
            autoencoder=bench.autoencoder,
            person=bench.counterfactuals[0],
            batch_size=bench.settings.batch_size,
        )
    if "controls" in bench.settings.protocols:
        controls_figure(folder / "sheets" / "10_controls.png", rows)
        sheets.control_sheet(
            folder / "sheets" / "11_control_pictures.png",
            asked=bench.asked,
            sources=next(iter(bench.sweeps.values())),
        )
    if "diversity" in bench.settings.protocols:
        diversity_figure(folder / "sheets" / "12_diversity.png", rows)
    if "generated" in bench.settings.protocols:
        videos = bench.videos
        sheets.generated_sheet(folder / "sheets" / "4_generated.png", videos=videos, **common)
        sheets.mouth_curves(
            folder / "sheets" / "5_mouth_opening.png",
            read=bench.measured,
            videos=videos,
            **common,
        )
        sheets.sample_videos(
            folder / "videos",
            clips=bench.clips,
            videos=videos,
            num_videos=bench.settings.num_videos,
        )
    if "sync" in bench.settings.protocols:
        offsets_figure(folder / "sheets" / "13_sync_offsets.png", rows)
    if "methods" in bench.settings.protocols:
        Comparison(bench).write_side_by_side(
            folder / "videos", num_videos=bench.settings.num_videos
        )
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
