"""Rates are units over time, and each measurement is a line with its ratio."""

import json
import math

import pytest
import torch

from vasa.cli import main, measurement
from vasa.cli.measurement import Measurement
from vasa.evaluation.results import read_rows


def test_rate_leaves_the_warm_up_out(monkeypatch):
    clock = iter([10.0, 10.0, 11.0, 12.0])  # start, then one look before each call and at the end
    monkeypatch.setattr(measurement.time, "perf_counter", lambda: next(clock))
    done = []
    value, calls = measurement.rate(lambda: done.append(1) or 3, seconds=2.0)
    assert calls == 2
    assert len(done) == 3
    assert value == pytest.approx(2 * 3 / 2.0)


def test_measures_at_least_once():
    assert measurement.rate(lambda: 1, seconds=0.0)[1] == 1


def test_record_and_table(tmp_path, capsys):
    output = tmp_path / "bench.jsonl"
    words = ["bench", "parts=[decode,motion]", "seconds=0", "sampling_steps=2"]
    assert main([*words, "num_threads=1", f"output={output}"]) == 0
    lines = [json.loads(text) for text in output.read_text().splitlines()]
    assert [line["metric"] for line in lines] == [
        "stage1/motion_of_pictures",
        "stage1/decode",
        "stage2/motion_2_steps",
    ]
    assert all(line["ratio"] == line["value"] / line["reference"] > 0 for line in lines)
    assert all(line["device"] == "cpu" and line["seed"] == 0 for line in lines)
    assert all(line["command"].startswith("vasa bench parts=[decode,motion]") for line in lines)
    assert [row.metric for row in read_rows(output)] == [line["metric"] for line in lines]
    table = capsys.readouterr().out
    assert all(line["metric"] in table for line in lines)


def test_unknown_part(capsys):
    assert main(["bench", "parts=[nothing]"]) == 2
    assert "expected parts of synth, data" in capsys.readouterr().err


def test_the_ratio_of_a_speed_a_time_and_of_what_is_neither():
    def found(unit: str, value: float = 4.0) -> float | None:
        return Measurement(metric="a/b", unit=unit, value=value, calls=1).ratio(2.0)

    assert (found("frames/s"), found("s"), found("GB")) == (2.0, 8.0, None)
    assert found("s", math.nan) is None


def test_a_device_that_is_not_here(capsys):
    assert main(["bench", "parts=[decode]", "device=tpu"]) == 2
    assert "expected device=cpu or device=cuda" in capsys.readouterr().err
    if not torch.cuda.is_available():
        assert main(["bench", "parts=[decode]", "device=cuda"]) == 2
        assert "found none" in capsys.readouterr().err
