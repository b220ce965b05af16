"""Stage 2 learns what it is shown, through the same runner as everything else."""

import json

import pytest
import torch
from small_motion import HASH, small_config, write_small_motion

from vasa.data.motion_datamodule import MotionDataModule
from vasa.diffusion.sampler import DDIMSampler
from vasa.inference.windows import MotionSettings, generate_motion
from vasa.losses.diffusion import x0_loss
from vasa.models.checkpoint import load_model
from vasa.training.config import build, check_keys
from vasa.training.runner import train
from vasa.training.stage2 import conditions_of, draw_timesteps
from vasa.types import InputError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_small_motion(tmp_path_factory.mktemp("motion"))


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    cfg = small_config(root, f"run_dir={tmp_path_factory.mktemp('run')}/a")
    check_keys(cfg)
    return train(cfg=cfg)


def test_the_exported_model_knows_its_statistics_and_its_stage_1(run, root):
    model = load_model(run)
    data = build(small_config(root).data)
    assert model.stage1_hash == HASH
    expected = torch.from_numpy(data.statistics()["motion_mean"])
    torch.testing.assert_close(model.motion_scale.mean, expected)
    assert model.audio.describe() == data.info.audio_encoder
    assert model.window == 30 and model.schedule.num_timesteps == 1000


def test_the_record_has_losses_and_pictures(run):
    lines = [json.loads(text) for text in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 6
    assert {"train/loss", "val/x0_loss_t25", "val/x0_loss_t100"} <= set(lines[0])
    assert list((run / "samples").glob("motion_*.png"))


def test_training_is_a_function_of_the_seed(run, root, tmp_path):
    again = train(cfg=small_config(root, f"run_dir={tmp_path}/b"))
    other = train(cfg=small_config(root, f"run_dir={tmp_path}/c", "seed=1"))
    names = ("model/model.safetensors",)
    assert all((run / name).read_bytes() == (again / name).read_bytes() for name in names)
    assert any((run / name).read_bytes() != (other / name).read_bytes() for name in names)


def test_motion_of_another_stage_1_stops_the_run(run, root, tmp_path):
    """`run` stands for a stage 1 here: any saved network has a hash."""
    with pytest.raises(InputError, match="vasa encode"):
        train(cfg=small_config(root, f"run_dir={tmp_path}/d", f"module.stage1={run}"))


def test_every_term_is_logged_and_weighed(root, tmp_path):
    """Eq. 1 is the mean over all dimensions; other terms come on top, at their weights."""
    names = [part + kind for part in ("pose", "dyn") for kind in ("", "_velocity", "_acceleration")]
    few = ["max_steps=1", "module.validate_every=0"]
    none = [f"module.weights.{name}=0.0" for name in names if "_" in name]
    plain = train(cfg=small_config(root, f"run_dir={tmp_path}/plain", *few, *none))
    extra = [f"module.weights.{name}=2.0" for name in names]
    heavy = train(cfg=small_config(root, f"run_dir={tmp_path}/heavy", *few, *extra))
    first, second = (
        json.loads((run / "metrics.jsonl").read_text().splitlines()[0]) for run in (plain, heavy)
    )
    num_motion = small_config(root).module.model.num_motion
    share = {"pose": 6 / num_motion, "dyn": 1 - 6 / num_motion}
    terms = {name: share[name.split("_")[0]] * first[f"train/{name}"] for name in names}
    assert first["train/loss"] == pytest.approx(terms["pose"] + terms["dyn"], rel=1e-5)
    assert second["train/loss"] == pytest.approx(2 * sum(terms.values()), rel=1e-5)


def test_overfits_one_batch(root):
    cfg = small_config(root)
    module, data = build(cfg.module), build(cfg.data)
    assert isinstance(data, MotionDataModule)
    model = _with_statistics(module, data)
    batch = data.batch_at(0)
    x0 = model.normalise(batch["motion"])
    mask = batch["frame_mask"] & batch["loss_mask"]
    t = torch.full((len(x0),), model.schedule.num_timesteps)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(150):
        x_t = model.schedule.q_sample(x0, torch.randn(x0.shape, generator=generator), t)
        loss = x0_loss(model(x_t, t, conditions_of(batch)), x0, mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.7 and losses[-1] < 0.05

    model.eval()
    settings = MotionSettings(
        guidance={},
        sampler=DDIMSampler(schedule=model.schedule, num_steps=1, eta=0.0),
        seed=0,
    )
    row = int(batch["pre_mask"].sum(dim=1).argmin())
    made = model.normalise(generate_motion(model, batch["audio"][row], settings))
    valid = mask[row]
    assert torch.corrcoef(torch.stack((made[valid, 0], x0[row, valid, 0])))[0, 1] > 0.9


def _with_statistics(module, data):
    from vasa.models.motion_statistics import MotionStatistics

    arrays = {name: torch.from_numpy(array) for name, array in data.statistics().items()}
    module.model.set_statistics(MotionStatistics(**arrays, stage1_hash=HASH))
    return module.model


@pytest.mark.parametrize(("bias", "mean"), [(0.0, 1 / 2), (1.0, 2 / 3)])
def test_timesteps_have_their_density(bias, mean):
    generator = torch.Generator().manual_seed(0)
    t = draw_timesteps(50_000, num_timesteps=1000, bias=bias, generator=generator)
    assert t.min() >= 1 and t.max() == 1000
    assert abs(float(t.float().mean()) / 1000 - mean) < 0.01
