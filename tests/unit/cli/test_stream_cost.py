"""What a listener of a stream would see follows from when its frames came."""

import json

import pytest

from vasa.cli import main
from vasa.cli.stream_cost import Timeline


def test_a_timeline_by_hand():
    """Windows of two frames: 0.1 s for the first, then 0.02 s, and 0.01 s for a frame alone."""
    found = Timeline(
        work_s=[0.1, 0.11, 0.13, 0.14, 0.16, 0.17],
        shown_s=[0.3, 0.31, 0.36, 0.37, 0.52, 0.53],
        first_chunk_s=0.2,
        parts_s={},
        steady_from=2,
    )
    assert found.first_frame_s == pytest.approx(0.1)
    assert found.frame_s == pytest.approx(0.06 / 4)
    assert found.between_s(0.0) == pytest.approx(0.01)
    assert found.between_s(0.99) == pytest.approx(0.02)
    # frame 4 came 0.22 s after the first; a player wants it after 0.16 s
    assert found.hold_back_s == pytest.approx(0.06)


def test_the_part_stream(tmp_path):
    output = tmp_path / "bench.jsonl"
    words = ["bench", "parts=[stream]", "sampling_steps=1", "stream_seconds=0.9", "num_threads=1"]
    assert main([*words, "stream_motion_presets=[tiny]", f"output={output}"]) == 0
    lines = {row["metric"]: row for row in map(json.loads, output.read_text().splitlines())}
    value = {metric: row["value"] for metric, row in lines.items()}
    start = "stream/tiny_64"
    assert value[f"{start}_real_time_factor"] == pytest.approx(25 / value[start])
    parts = sum(value[f"{start}_{part}_s"] for part in ("features", "motion", "decode"))
    assert 0.5 / value[start] < parts < 1.01 / value[start]
    assert value[f"{start}_first_sound_s"] == pytest.approx(0.42)
    assert value[f"{start}_p50_s"] <= value[f"{start}_p99_s"]
    assert value[f"{start}_max_difference_to_offline"] == 0
    assert lines[f"{start}_max_difference_to_offline"]["n"] == 25
    assert value[f"{start}_max_difference_to_offline_features"] <= 1
    live = value[f"{start}_first_sound_s"] + value[f"{start}_first_frame_s"]
    assert value[f"{start}_start_to_first_frame_s"] == pytest.approx(live)
    assert "RTX 4090" in lines[start]["note"] and "random weights" in lines[start]["note"]
    assert value["motion/tiny_cpu_s_for_4s"] > 0 and value["motion/tiny_cpu_s_for_4s_bf16"] > 0
