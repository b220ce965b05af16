"""Runs protocols one after another; what is done stays done when it is killed and run again."""

import json
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from vasa.evaluation.counterfactuals import CounterfactualSource
from vasa.evaluation.devices import device_name
from vasa.evaluation.drawings import draw
from vasa.evaluation.networks import PERCEIVING
from vasa.evaluation.protocol_calls import NEEDS, PROTOCOLS, REMEASURED, SCORERS
from vasa.evaluation.results import ResultRow, read_rows, write_rows
from vasa.evaluation.scales import named
from vasa.evaluation.settings import EvaluationInputs, EvaluationSettings
from vasa.evaluation.video_bench import Track
from vasa.evaluation.workbench import Workbench
from vasa.types import InputError


def evaluate(
    *,
    settings: EvaluationSettings,
    inputs: EvaluationInputs,
    output: Path,
    seed: int,
    environment: dict[str, Any],
    device: torch.device,
    pretrained: Any | None = None,
    counterfactual_source: CounterfactualSource | None = None,
    shared: Path | None = None,
) -> list[ResultRow]:
    """Runs every protocol and writes `output`, with sheets and videos in `eval/` beside it.

    The rows of a protocol are kept in `eval/parts/<hash>/` as soon as they are measured, so that
    the same command continues after a kill; another configuration has another hash.

    Args:
        settings: which protocols, on how much.
        inputs: folders of data and runs.
        output: the results.jsonl to write.
        seed: of generation, random twins and bootstrap.
        environment: command, commit and machine, recorded with every row beside the device.
        pretrained: the measuring expert of real faces; None: the run `inputs.expert`.
        device: where networks compute; no part of the result.
        counterfactual_source: draws what the protocol `disentanglement` needs from `inputs.data`.
        shared: folder for videos and readings, which evaluations may have in common; None:
            `eval/parts/shared`.

    Raises:
        InputError: an unknown protocol, or an input that one needs and that is not there.
    """
    started = time.monotonic()
    _check(settings, inputs)
    if settings.list is None and settings.list_rule is not None:
        settings = replace(settings, list=str(output.parent / f"{settings.list_rule}.txt"))
    folder = output.parent / "eval"
    bench = Workbench(
        settings=settings,
        inputs=inputs,
        seed=seed,
        cache=folder / "parts",
        track=_progress("evaluate"),
        pretrained=pretrained,
        device=device,
        counterfactual_source=counterfactual_source,
        shared=shared,
    )
    identity = bench.identity()
    done = folder / "done.json"
    if _is_complete(done, output, identity):
        print(f"evaluation is complete: {output} (same configuration {identity[:8]})")
        return read_rows(output)
    bench.cache = folder / "parts" / identity[:8]
    done.unlink(missing_ok=True)
    stamp = _stamp(bench, identity=identity, seed=seed, environment=environment)
    rows: list[ResultRow] = []
    with torch.inference_mode():
        for name in settings.protocols:
            rows += _run_part(name, bench, stamp)
        draw(bench, folder, rows)
    rows = [row.judged(settings.judges()) for row in rows]
    write_rows(output, rows)
    record = {
        "identity": identity,
        "seconds": round(time.monotonic() - started, 1),
        "num_rows": len(rows),
        "models": bench.describe_models(),
        "environment": environment,
    }
    part = done.with_name(done.name + ".part")
    part.write_text(json.dumps(record, indent=2) + "\n")
    part.replace(done)
    for old in (folder / "parts").iterdir():
        if old not in (bench.cache, bench.shared_cache):
            shutil.rmtree(old, ignore_errors=True)
    return rows


def _check(settings: EvaluationSettings, inputs: EvaluationInputs) -> None:
    for name in settings.protocols:
        if name not in PROTOCOLS:
            raise InputError(
                f"there is no protocol {name!r}; expected some of: {', '.join(PROTOCOLS)}"
            )
        roles = settings.methods.needs() if name == "methods" else NEEDS.get(name, ())
        for role in roles:
            if getattr(inputs, role) is None:
                raise InputError(
                    f"protocol {name} needs {role}=RUN (a finished run folder); give it, or leave "
                    "the protocol out with evaluation.protocols=[...]"
                )
    if settings.instrument is None and inputs.expert is None:
        raise InputError(
            f"evaluation={settings.name} measures with a trained expert; give its run as expert=RUN"
        )


def _is_complete(done: Path, output: Path, identity: str) -> bool:
    if not (done.is_file() and output.is_file()):
        return False
    return json.loads(done.read_text()).get("identity") == identity


def _stamp(
    bench: Workbench, *, identity: str, seed: int, environment: dict[str, Any]
) -> dict[str, Any]:
    return {
        "evaluation": bench.settings.name,
        "identity": identity[:8],
        "seed": seed,
        "models": {role: model["hash"][:8] for role, model in bench.describe_models().items()},
        "loss_networks": bench.describe_losses(),
        "data": str(bench.inputs.data),
        "clip_list": None
        if bench.clip_list is None
        else {"file": bench.settings.list, "sha256": bench.clip_list.sha256},
        "command": environment.get("command"),
        "commit": environment.get("commit"),
        "is_dirty": environment.get("is_dirty"),
        "machine": environment.get("machine"),
        "device": device_name(bench.device),
        "threads": torch.get_num_threads(),
    }


def _progress(name: str) -> Track:
    """A progress bar over clips; silent where nobody looks."""
    return partial(tqdm, desc=name, unit="clip", disable=None, leave=False, ncols=88)


def _run_part(name: str, bench: Workbench, stamp: dict[str, Any]) -> list[ResultRow]:
    """The rows of one protocol, from its part file if it is there."""
    path = bench.cache / f"{name}.jsonl"
    if path.is_file():
        print(f"{name}: done before")
        return read_rows(path)
    started = time.monotonic()
    bench.track = _progress(name)
    scales = bench.scales()
    rows = [named(row, scales) for row in PROTOCOLS[name](bench)]
    experts: list[dict[str, str]] = []
    if name in REMEASURED:
        experts = bench.describe_instrument()
    if name in PERCEIVING:
        experts = experts + bench.describe_perceptual()
    if name == "capp" and bench.inputs.stage2 is not None:
        experts = bench.describe_instrument()
    if name in SCORERS:
        model = bench.describe_models()[SCORERS[name]]
        experts = [*experts, {"name": model["name"], "hash": model["hash"]}]
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rows = [
        replace(
            row, stamp={**row.stamp, "protocol": name, "experts": experts, **stamp, "date": date}
        )
        for row in rows
    ]
    write_rows(path, rows)
    print(f"{name}: {len(rows)} numbers in {time.monotonic() - started:.1f} s")
    return rows
