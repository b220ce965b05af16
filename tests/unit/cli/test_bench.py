"""Rates are units over time, and each measurement is a line with its ratio."""

import json

import pytest

from vasa.cli import bench, main


def test_rate_leaves_the_warm_up_out(monkeypatch):
    clock = iter([10.0, 10.0, 11.0, 12.0])  # start, then one look before each call and at the end
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(clock))
    done = []
    value, calls = bench.rate(lambda: done.append(1) or 3, seconds=2.0)
    assert calls == 2
    assert len(done) == 3
    assert value == pytest.approx(2 * 3 / 2.0)


def test_measures_at_least_once():
    assert bench.rate(lambda: 1, seconds=0.0)[1] == 1


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
    table = capsys.readouterr().out
    assert all(line["metric"] in table for line in lines)


def test_unknown_part(capsys):
    assert main(["bench", "parts=[nothing]"]) == 2
    assert "expected parts of synth, shards" in capsys.readouterr().err
