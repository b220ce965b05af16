"""What holds for every metric: it says what it is, worsens when it should, and merges."""

import copy
import importlib
import inspect
import math
import pkgutil
import socket

import pytest
import torch
import torch.distributed as dist
from metric_cases import CASES, metric_classes
from torch.multiprocessing.spawn import spawn
from torchmetrics import Metric

import vasa.evaluation.protocols as protocols
from vasa.evaluation.metrics.clip_metric import ClipMetric
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.frechet import FrechetDistance
from vasa.evaluation.metrics.probe import R2
from vasa.evaluation.metrics.ratio import RatioOfSums

NUM_CLIPS = 6
IN_TWO = (ClipCorrelation, R2, RatioOfSums, FrechetDistance)


@pytest.fixture(params=metric_classes(), ids=lambda kind: kind.__name__)
def kind(request) -> type[Metric]:
    assert request.param in CASES, f"{request.param.__name__} has no case in metric_cases.py"
    return request.param


def test_protocols_define_no_metric_of_their_own() -> None:
    for module in pkgutil.iter_modules(protocols.__path__, f"{protocols.__name__}."):
        for _, one in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            assert not (issubclass(one, Metric) and one.__module__ == module.name), one


def test_it_names_range_source_and_direction(kind: type[Metric]) -> None:
    said = " ".join((kind.__doc__ or "").split())
    assert " Range: " in said and " Source: " in said
    assert "higher_is_better" in vars(kind), "its direction is set, None where there is none"
    wanted = {True: "higher is better", False: "lower is better"}.get(kind.higher_is_better)  # type: ignore[arg-type]
    assert wanted is None or wanted in said
    assert not kind.full_state_update


def test_it_worsens_as_it_should(kind: type[Metric]) -> None:
    case = CASES[kind]
    good = case.of([case.clip(seed) for seed in range(NUM_CLIPS)]).compute()
    worse = case.of([case.perturbed(seed) for seed in range(NUM_CLIPS)]).compute()
    assert good.isfinite() and worse.isfinite()
    assert bool(worse > good) is case.rises and worse != good, case.perturbation
    if kind.higher_is_better is not None:
        assert case.rises is not kind.higher_is_better, case.perturbation


def test_halves_merge_to_the_whole(kind: type[Metric]) -> None:
    case = CASES[kind]
    clips = [case.clip(seed) for seed in range(NUM_CLIPS)]
    whole, first, second = (case.of(part) for part in (clips, clips[:2], clips[2:]))
    first.merge_state(copy.deepcopy(second))
    torch.testing.assert_close(first.compute(), whole.compute(), rtol=1e-9, atol=1e-12)
    if isinstance(first, ClipMetric) and isinstance(whole, ClipMetric):
        assert len(first.stacked()) == len(whole.stacked()) == NUM_CLIPS


def _in_one_process(rank: int, port: int) -> None:
    clips_of = {kind: [CASES[kind].clip(seed) for seed in range(NUM_CLIPS)] for kind in IN_TWO}
    wholes = {kind: CASES[kind].of(clips_of[kind]) for kind in IN_TWO}
    expected = {kind: whole.compute() for kind, whole in wholes.items()}
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    for kind in IN_TWO:
        case, clips, whole = CASES[kind], clips_of[kind], wholes[kind]
        # Halves that are not halves, and a process that has seen no clip.
        for cut in (4, NUM_CLIPS):
            metric = case.of(clips[:cut] if rank == 0 else clips[cut:])
            torch.testing.assert_close(metric.compute(), expected[kind], rtol=1e-9, atol=1e-12)
            if isinstance(metric, ClipMetric) and isinstance(whole, ClipMetric):
                metric.sync()
                assert torch.equal(metric.stacked(), whole.stacked())
                metric.unsync()
                own = cut if rank == 0 else NUM_CLIPS - cut
                assert len(metric.statistics) == own
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore")
def test_states_merge_over_two_processes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(_in_one_process, args=(port,), nprocs=2)


def test_a_process_that_is_alone_without_clips_says_so() -> None:
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="no clip"):
        RatioOfSums().compute()
    assert math.isnan(float(CASES[RatioOfSums].of([(0.0, 0.0)]).compute()))
