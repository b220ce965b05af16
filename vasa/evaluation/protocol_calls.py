"""Which protocol needs what of the workbench: their names, and the call of each."""

from collections.abc import Callable
from functools import partial
from typing import Any

from vasa.evaluation.methods.comparison import Comparison
from vasa.evaluation.protocols.capp import capp
from vasa.evaluation.protocols.control_floor import control_floor
from vasa.evaluation.protocols.controls import controls
from vasa.evaluation.protocols.cross_reenactment import cross_reenactment
from vasa.evaluation.protocols.disentanglement import disentanglement
from vasa.evaluation.protocols.diversity import diversity
from vasa.evaluation.protocols.generated import generated
from vasa.evaluation.protocols.generated_distance import generated_distance
from vasa.evaluation.protocols.instrument import instrument_calibration
from vasa.evaluation.protocols.methods import methods
from vasa.evaluation.protocols.probes import probes
from vasa.evaluation.protocols.self_reenactment import self_reenactment
from vasa.evaluation.protocols.swaps import swaps
from vasa.evaluation.protocols.sync import sync
from vasa.evaluation.results import ResultRow
from vasa.evaluation.workbench import Workbench


def _shared(bench: Workbench) -> dict[str, Any]:
    """What nearly every protocol takes."""
    return {
        "batch_size": bench.settings.batch_size,
        "bootstrap": bench.bootstrap,
        "track": bench.track,
    }


def _reenactment(protocol: Callable[..., list[ResultRow]], bench: Workbench, **more: Any):
    return protocol(
        autoencoder=bench.autoencoder,
        instrument=bench.instrument,
        clips=bench.clips,
        frame_stride=bench.settings.frame_stride,
        **_shared(bench),
        **more,
    )


def _run_self(bench: Workbench) -> list[ResultRow]:
    return _reenactment(
        self_reenactment,
        bench,
        mouth_margin=bench.settings.mouth_margin,
        perceptual=bench.perceptual,
    )


def _run_probes(bench: Workbench) -> list[ResultRow]:
    train, val = bench.probe_clips
    return probes(
        autoencoder=bench.autoencoder,
        random_autoencoder=bench.random_autoencoder,
        train_clips=train,
        val_clips=val,
        test_clips=bench.clips,
        frame_stride=bench.settings.probe_frame_stride,
        codes=bench.settings.probe_codes,
        mlp_steps=bench.settings.probe_mlp_steps,
        seed=bench.seed,
        **_shared(bench),
    )


def _run_instrument(bench: Workbench) -> list[ResultRow]:
    return instrument_calibration(
        instrument=bench.instrument,
        clips=bench.clips,
        frame_stride=bench.settings.frame_stride,
        **_shared(bench),
    )


def _run_disentanglement(bench: Workbench) -> list[ResultRow]:
    return disentanglement(
        autoencoder=bench.autoencoder,
        random_autoencoder=bench.random_autoencoder,
        instrument=bench.instrument,
        people=bench.counterfactuals,
        **_shared(bench),
    )


def _run_generated(bench: Workbench) -> list[ResultRow]:
    i3d = bench.i3d(num_clips=len(bench.clips))
    rows = generated(
        read=bench.measured,
        clips=bench.clips,
        videos=bench.videos,
        real_videos=[clip.frames for clip in bench.coded_clips],
        events=bench.settings.events,
        start_frames=bench.start_frames,
        asked_distance=bench.asked_distance,
        motion_window_frames=bench.settings.methods.motion_window_frames,
        bootstrap=bench.bootstrap,
        track=bench.track,
    )
    if i3d is not None:
        rows += generated_distance(
            i3d=i3d,
            clips=bench.clips,
            videos=bench.videos,
            real_videos=[clip.frames for clip in bench.coded_clips],
            max_rows=bench.settings.methods.fvd_rows,
            batch_size=bench.settings.batch_size,
            track=bench.track,
        )
    return rows


def _run_controls(bench: Workbench) -> list[ResultRow]:
    reader = bench.emotion_reader
    sources = bench.clips[: bench.settings.controls.num_clips]
    split = bench.clips[0].split
    rows = controls(
        sweeps=bench.sweeps,
        asked=bench.asked,
        emotion_note="" if reader is None else reader.note,
        split=split,
        bootstrap=bench.bootstrap.over(clip.speaker for clip in sources),
    )
    return rows + control_floor(
        instrument=bench.instrument,
        reader=reader,
        clips=bench.coded_clips,
        **_shared(bench),
    )


def _run_diversity(bench: Workbench) -> list[ResultRow]:
    sources = bench.clips[: bench.settings.diversity.num_clips]
    bootstrap = bench.bootstrap.over(clip.speaker for clip in sources)
    return diversity(samples=bench.samples, split=sources[0].split, bootstrap=bootstrap)


def _run_sync(bench: Workbench) -> list[ResultRow]:
    return sync(
        syncnet=bench.kept_syncnet,
        clips=bench.coded_clips,
        videos=bench.videos if bench.inputs.stage2 is not None else None,
        shift_frames=bench.settings.sync_shift_frames,
        bootstrap=bench.bootstrap,
        track=bench.track,
    )


def _run_capp(bench: Workbench) -> list[ResultRow]:
    settings, is_generating = bench.settings.capp, bench.inputs.stage2 is not None
    return capp(
        scorer=bench.capp,
        random_scorer=bench.capp.untrained(seed=bench.seed),
        clips=bench.coded_clips if is_generating else bench.clips,
        videos=bench.videos if is_generating else None,
        read=bench.measured if is_generating else None,
        set_name=settings.set_name,
        shift_frames=settings.shift_frames,
        scales=settings.scales,
        bootstrap=bench.bootstrap,
        track=bench.track,
    )


def _run_methods(bench: Workbench) -> list[ResultRow]:
    comparison = Comparison(bench)
    if bench.settings.methods.write_inputs:
        comparison.write_inputs(bench.cache.parent.parent / "inputs")
    hashes = {role: model["hash"] for role, model in bench.describe_models().items()}
    rows = methods(
        readings=comparison.readings(),
        speakers=comparison.clips.speakers,
        split=bench.settings.split,
        weights={role: f"own:{hashes[role][:8]}" for role in SCALES if role in hashes},
        distances=comparison.describers.kinds(bench.settings.methods),
        bootstrap=bench.bootstrap,
    )
    return rows + comparison.throughput_rows()


PROTOCOLS: dict[str, Callable[[Workbench], list[ResultRow]]] = {
    "instrument": _run_instrument,
    "self_reenactment": _run_self,
    "cross_reenactment": partial(_reenactment, cross_reenactment),
    "swaps": partial(_reenactment, swaps),
    "disentanglement": _run_disentanglement,
    "probes": _run_probes,
    "generated": _run_generated,
    "sync": _run_sync,
    "capp": _run_capp,
    "controls": _run_controls,
    "diversity": _run_diversity,
    "methods": _run_methods,
}
NEEDS = {
    "generated": ("stage2",),
    "sync": ("syncnet",),
    "capp": ("capp",),
    "controls": ("stage2",),
    "diversity": ("stage2",),
    "methods": ("syncnet",),
}
SCALES = ("syncnet", "capp")
"""Roles whose weights are a scale of their own."""
SCORERS = {"sync": "syncnet", "capp": "capp"}
REMEASURED = (
    *("instrument", "self_reenactment", "cross_reenactment", "swaps"),
    *("disentanglement", "generated", "controls", "diversity", "methods"),
)
