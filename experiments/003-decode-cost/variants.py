"""What the 512 px decoder costs when its width, depth or enlargement is another.

usage: python experiments/003-decode-cost/variants.py RESULTS.json README [presets] [variants]

Parameters and operations are counted; seconds are measured on one thread, the paper preset's on two
as well, each in a process of its own, all of them twice in turn. Parts that are named, or that
RESULTS.json lacks, are measured; the others stay as they were, with the commit and machine they are
from. results.jsonl beside RESULTS.json holds the presets' rows; the README's tables are replaced.
"""

import json
import sys
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vasa.cli.decode_cost import Timing, timing
from vasa.cli.paths import conf_dir
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import Criterion, ResultRow, measured_row, write_rows
from vasa.models.face_cost import face_cost
from vasa.training.config import build
from vasa.training.run_folder import describe_environment

PRESETS = ("tiny", "small", "base", "paper")
VARIANTS: dict[str, dict[str, Any]] = {
    "chosen: 8 blocks of 256 at 64 px, then 96, 48, shuffle x2": {},
    "wider: 384": {"generator_channels": [384, 96, 48]},
    "wider: 512 (MegaPortraits)": {"generator_channels": [512, 96, 48]},
    "narrower: 192": {"generator_channels": [192, 96, 48]},
    "shallower: 4 blocks": {"generator_blocks": [4, 2, 1]},
    "narrower and deeper: 14 blocks of 192": {
        "generator_channels": [192, 96, 48],
        "generator_blocks": [14, 2, 1],
    },
    "wider stages above: 128, 64": {"generator_channels": [256, 128, 64]},
    "no shuffle: stages 96, 48, 32 to 512 px": {
        "generator_channels": [256, 96, 48, 32],
        "generator_blocks": [8, 2, 1, 1],
        "last_scale": 1,
    },
    "shuffle x4 from 128 px": {
        "generator_channels": [256, 96],
        "generator_blocks": [8, 2],
        "last_scale": 4,
    },
    "shuffle x8 from 64 px": {
        "generator_channels": [256],
        "generator_blocks": [8],
        "last_scale": 8,
    },
    "blocks at 32 px: fold 2, 8 blocks of 512": {
        "volume_fold": 2,
        "generator_channels": [512, 256, 96, 48],
        "generator_blocks": [8, 1, 2, 1],
    },
    "warp fields at 16 x 64 x 64": {
        "warp_channels": [256, 192, 128, 64, 32],
        "warp_size": [16, 64, 64],
    },
}
ROUNDS = 2
SIZES = {"tiny": 64, "small": 128, "base": 256, "paper": 512}
CEILING = Criterion(metric="decode/paper_512_gflop", rule="at_most", bound=250)
"""Of one 512 px frame; the aim is near 120."""
ON_TWO_THREADS = "paper"
COMMAND = (
    "python experiments/003-decode-cost/variants.py experiments/003-decode-cost/costs.json "
    "experiments/003-decode-cost/README.md presets"
)


def preset(name: str) -> dict[str, Any]:
    """A file of conf/model as plain values."""
    with initialize_config_dir(version_base="1.3", config_dir=str(Path(conf_dir()))):
        cfg = compose(overrides=[f"+model@_global_=face_{name}"])
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def counted(config: dict[str, Any]) -> dict[str, Any]:
    """Parameters and operations."""
    import torch

    with torch.device("meta"):
        cost = face_cost(build(OmegaConf.create(config)))
    return {
        "parameters": sum(cost.parameters.values()),
        "generator_parameters": cost.parameters["generate"],
        "gflop": sum(cost.decode_gflop.values()),
        "gflop_by_part": cost.decode_gflop,
        "sampling_gflop": cost.decode_sampling_gflop,
        "encode_gflop": sum(cost.encode_gflop.values()),
    }


def timed(found: list[Timing]) -> dict[str, Any]:
    """The faster round, and both: other work on the machine only ever adds."""
    return {
        "decode_cpu_s": min(one.decode_cpu_s for one in found),
        "decode_s": min(one.decode_s for one in found),
        "encode_cpu_s": min(one.encode_cpu_s for one in found),
        "encode_s": min(one.encode_s for one in found),
        "decode_peak_gb": max(one.decode_peak_gb for one in found),
        "encode_peak_gb": max(one.encode_peak_gb for one in found),
        "decode_cpu_s_of_rounds": [one.decode_cpu_s for one in found],
        "encode_cpu_s_of_rounds": [one.encode_cpu_s for one in found],
    }


def measure(configs: dict[str, dict[str, Any]], *, threads: int = 1) -> dict[str, dict[str, Any]]:
    """Everything of each configuration."""
    times: dict[str, list[Timing]] = {name: [] for name in configs}
    for number in range(ROUNDS):
        for name, config in configs.items():
            times[name].append(timing(config, threads=threads, seconds=2.0))
            found = times[name][-1].decode_cpu_s
            print(f"round {number}: {found:.2f} CPU s, threads: {threads}, {name}", flush=True)
    return {name: {**counted(config), **timed(times[name])} for name, config in configs.items()}


def measured_part(part: str) -> dict[str, Any]:
    """`presets` or `variants`, and the state of the code and the machine they were measured on."""
    environment = describe_environment(device="cpu")
    kept = ("commit", "is_dirty", "processor", "cpu_count", "versions", "started_at")
    record: dict[str, Any] = {"machine": {key: environment[key] for key in kept}}
    if part == "variants":
        base = preset("paper")
        return {**record, "costs": measure({name: base | new for name, new in VARIANTS.items()})}
    record["costs"] = measure({name: preset(name) for name in PRESETS})
    record["on_two_threads"] = measure({ON_TWO_THREADS: preset(ON_TWO_THREADS)}, threads=2)
    return record


def result_rows(record: dict[str, Any]) -> list[ResultRow]:
    """The presets' costs by the names of `vasa bench parts=[decode]`, with what they come from."""
    rows = []
    for name, values in record["costs"].items():
        rows += _rows_of(name, values, record["machine"], threads=1)
    for name, values in record.get("on_two_threads", {}).items():  # records of before have none
        rows += _rows_of(name, values, record["machine"], threads=2)
    return rows


def _rows_of(
    name: str, values: dict[str, Any], machine: dict[str, Any], *, threads: int
) -> list[ResultRow]:
    stamp = {
        **{"seed": 0, "commit": machine["commit"], "is_dirty": machine["is_dirty"]},
        **{"command": COMMAND, "device": "cpu", "threads": threads, "date": machine["started_at"]},
        **{"machine": machine["processor"], "versions": machine["versions"]},
    }
    counted = "multiply-adds of convolutions and matrix products, twice"
    words = "one thread" if threads == 1 else f"{threads} threads"
    timed = f"{words}, float32, the less of {ROUNDS} rounds"
    by_clock = f"{timed}, by the clock, on a shared machine"
    which = f"decode/{name}_{SIZES[name]}" + ("" if threads == 1 else f"_{threads}_threads")
    once = [
        ("parameters", "parameters", "million", 1e-6, "all of the autoencoder"),
        ("gflop", "gflop", "GFLOP", 1.0, counted),
        ("encode_gflop", "encode_gflop", "GFLOP", 1.0, counted),
    ]
    by_threads = [
        ("cpu_s", "decode_cpu_s", "s", 1.0, timed),
        ("s", "decode_s", "s", 1.0, by_clock),
        ("encode_cpu_s", "encode_cpu_s", "s", 1.0, timed),
        ("encode_s", "encode_s", "s", 1.0, by_clock),
        ("peak_gb", "decode_peak_gb", "GB", 1.0, "the whole process"),
        ("encode_peak_gb", "encode_peak_gb", "GB", 1.0, "the whole process"),
    ]
    rows = []
    for metric, key, unit, scale, note in (once if threads == 1 else []) + by_threads:
        is_timed = key.endswith("_s")
        row = measured_row(
            metric=f"{which}_{metric}",
            value=values[key] * scale,
            unit=unit,
            n=ROUNDS if is_timed else 1,
            note=note,
            higher_is_better=False if is_timed or "gflop" in key else None,
            stamp=stamp,
        )
        rows.append(row.judged([CEILING]))
    return rows


def preset_table(rows: dict[str, dict[str, Any]]) -> str:
    """The four sizes as Markdown."""
    lines = [
        "| preset | parameters, M | encode, GFLOP | decode, GFLOP | of it warp | of it G2D "
        "| reading at places, GFLOP (own estimate) | encode, CPU s | decode, CPU s | decode, s "
        "| peak while decoding, GB | while encoding, GB |",
        "| --- |" + " --- |" * 11,
    ]
    for name, row in rows.items():
        part = row["gflop_by_part"]
        lines.append(
            f"| {name} | {row['parameters'] / 1e6:.1f} | {row['encode_gflop']:.1f} "
            f"| {row['gflop']:.1f} | {part['warp_driver']:.1f} | {part['generate']:.1f} "
            f"| {row['sampling_gflop']:.2f} | {row['encode_cpu_s']:.3f} "
            f"| {row['decode_cpu_s']:.3f} | {row['decode_s']:.3f} "
            f"| {row['decode_peak_gb']:.2f} | {row['encode_peak_gb']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def variant_table(rows: dict[str, dict[str, Any]]) -> str:
    """The variants of the paper preset as Markdown."""
    lines = [
        "| decoder | parameters of G2D, M | decode, GFLOP | CPU s (two rounds) | GFLOP a CPU s |",
        "| --- |" + " --- |" * 4,
    ]
    for name, row in rows.items():
        rounds = ", ".join(f"{value:.2f}" for value in row["decode_cpu_s_of_rounds"])
        lines.append(
            f"| {name} | {row['generator_parameters'] / 1e6:.1f} | {row['gflop']:.1f} "
            f"| {row['decode_cpu_s']:.2f} ({rounds}) | {row['gflop'] / row['decode_cpu_s']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def publish(results: dict[str, Any], readme: Path) -> None:
    """Replace what stands between the marks of `readme`."""
    tables = {"presets": preset_table, "variants": variant_table}
    for mark, table in tables.items():
        machine = results[mark]["machine"]
        where = (
            f"commit {machine['commit'][:12]}{'+changes' if machine['is_dirty'] else ''}, "
            f"{machine['processor']}, {machine['started_at'][:10]}, one thread, float32\n\n"
        )
        put_between(readme, mark, where + table(results[mark]["costs"]))


if __name__ == "__main__":
    output, readme, *asked = (Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
    record = json.loads(output.read_text()) if output.exists() else {}
    for part in ("presets", "variants"):
        if part in asked or part not in record:
            record[part] = measured_part(part)
            output.write_text(json.dumps(record, indent=2) + "\n")
    write_rows(output.with_name("results.jsonl"), result_rows(record["presets"]))
    publish(record, readme)
