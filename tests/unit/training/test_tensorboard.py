"""TensorBoard shows what the record holds, without a step twice after a kill."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import SIGKILL, train_toy
from toy import toy_config

from vasa.data.video import write_video
from vasa.training.exhibits import histogram_of
from vasa.training.mirrors import open_mirrors
from vasa.training.runner import train

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
WORDS = ("logger.kind=tensorboard", "log_every=1", "sample_every=4")


def events(folder: Path):
    found = event_accumulator.EventAccumulator(str(folder / "tensorboard"), size_guidance={})
    return found.Reload()


def test_a_killed_run_has_every_step_once(tmp_path):
    words = [f"run_dir={tmp_path}", *WORDS]
    assert train_toy([*words, "module.kill_at=7"], kill="training") == -SIGKILL
    (tmp_path / "config.yaml").unlink()
    train(cfg=toy_config(*words))
    found = events(tmp_path)
    lines = [json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 12
    for name in set(lines[0]) - {"step", "time_s"}:
        scalars = found.Scalars(name)
        assert [one.step for one in scalars] == list(range(1, 13)), name
        expected = [line[name] for line in lines]
        assert [one.value for one in scalars] == pytest.approx(expected, rel=1e-6), name
    assert [one.step for one in found.Images("samples/grey")] == [4, 8, 12]
    texts = found.Tags()["tensors"]
    assert {"environment/text_summary", "code/text_summary", "model/text_summary"} <= set(texts)


def test_a_start_within_the_second_of_the_last_one_is_read_after_it(tmp_path):
    folder = tmp_path / "tensorboard"
    folder.mkdir()
    earlier = folder / f"events.out.tfevents.{int(time.time())}.zzz.99999.0"
    earlier.touch()
    mirrors = open_mirrors(kind="tensorboard", project="x", folder=tmp_path, config={})
    mirrors.begin(tmp_path / "metrics.jsonl", step=7)
    mirrors.close()
    first, second = sorted(folder.iterdir())
    assert first == earlier and second != earlier


def test_pictures_histograms_and_clips_with_their_sound(tmp_path):
    mirrors = open_mirrors(kind="tensorboard", project="x", folder=tmp_path, config={})
    mirrors.begin(tmp_path / "metrics.jsonl", step=0)
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    mirrors.histogram("z_dyn", histogram_of(values), step=3)
    frames = np.random.default_rng(0).integers(0, 255, (10, 32, 64, 3), dtype=np.uint8)
    sound = 0.5 * np.sin(np.arange(6400) / 20, dtype=np.float32)
    write_video(tmp_path / "loud.mp4", frames, sound)
    write_video(tmp_path / "silent.mp4", frames)
    for name in ("loud", "silent"):
        mirrors.clip(name, tmp_path / f"{name}.mp4", step=3)
    mirrors.close()
    found = events(tmp_path)
    (histogram,) = found.Histograms("latents/z_dyn")
    counted = histogram.histogram_value
    assert histogram.step == 3 and counted.num == 1000
    assert counted.sum / 1000 == pytest.approx(float(values.mean()), abs=1e-6)
    assert counted.sum_squares / 1000 == pytest.approx(float(values.square().mean()), rel=1e-5)
    (moving,) = found.Images("clips/loud")
    assert moving.encoded_image_string.startswith(b"GIF8") and moving.width == 64
    assert found.Tags()["audio"] == ["clips/loud"]
