"""The cost of a preset: counted numbers and measured ones, each under the preset's name."""

from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from vasa.cli import decode_cost, main
from vasa.training.config import build

CONF = Path(__file__).parents[3] / "conf" / "model" / "face_tiny.yaml"


def test_costs_of_the_smallest(monkeypatch):
    asked = []
    timing = decode_cost.Timing(
        decode_s=1.0,
        decode_cpu_s=2.0,
        encode_s=3.0,
        encode_cpu_s=4.0,
        decode_peak_gb=0.5,
        encode_peak_gb=0.6,
        decodes=7,
        encodes=5,
    )
    monkeypatch.setattr(
        decode_cost, "timing", lambda _, threads, seconds: asked.append(threads) or timing
    )
    config = yaml.safe_load(CONF.read_text())
    rows = list(decode_cost.decode_costs(config, name="tiny_64", threads=[1, 2], seconds=0.0))
    assert asked == [1, 2]
    found = {row.metric: (row.value, row.unit, row.calls) for row in rows}
    assert len(found) == len(rows), "a metric stands once"
    counts = [parameter.numel() for parameter in build(OmegaConf.create(config)).parameters()]
    assert found["decode/tiny_64_parameters"][0] == pytest.approx(sum(counts) / 1e6)
    parts = [value for name, (value, *_) in found.items() if "tiny_64_gflop/" in name]
    assert found["decode/tiny_64_gflop"][0] == pytest.approx(sum(parts))
    assert found["decode/tiny_64_cpu_s"] == (2.0, "s", 7)
    assert found["decode/tiny_64_2_threads_s"] == (1.0, "s", 7)
    assert found["decode/tiny_64_encode_peak_gb"] == (0.6, "GB", 5)


def test_seconds_and_memory_come_from_a_process_of_its_own():
    config = yaml.safe_load(CONF.read_text())
    found = decode_cost.timing(config, threads=1, seconds=0.0)
    assert 0 < found.decode_cpu_s < found.encode_cpu_s < 10
    assert found.decodes == found.encodes == 1
    assert 0.05 < found.decode_peak_gb <= found.encode_peak_gb < 4


def test_what_a_gpu_is_asked_for_one_motion_and_many():
    config = yaml.safe_load(CONF.read_text())
    rows = decode_cost.gpu_decode_costs(
        config, name="tiny_64", seconds=0.0, is_compiled=False, device="cpu"
    )
    found = {row.metric.removeprefix("decode/tiny_64_"): row for row in rows}
    assert {"gflop", "gpu", "gpu_batch", "gpu_bf16", "gpu_bf16_batch", "gpu_encode"} < set(found)
    assert "gpu_compiled" not in found
    assert all(row.value > 0 for row in found.values())
    assert found["gpu"].note == "one motion at a time"
    assert found["gpu_batch"].note == "16 motions at once"


def test_a_preset_given_as_a_value_is_refused(capsys):
    assert main(["bench", "parts=[decode]", "stage1=face_paper"]) == 2
    assert "model@stage1=face_paper" in capsys.readouterr().err
