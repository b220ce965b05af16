"""Two processes train what one does, and continue exactly: same global batch, same loss curve."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from processes import (
    SIGKILL,
    SIGTERM,
    TWO,
    Mishap,
    arrange,
    config,
    expert,
    stage1,
    stage2,
    syncnet,
    train_in_two,
    with_adversary,
)
from records import metrics_of, weights_of
from small_faces import write_small_faces
from small_motion import write_small_motion

from vasa.cli import main
from vasa.data.order import RowShare, step_generator
from vasa.data.step_datamodule import StepDataModule
from vasa.training.runner import Stopped, train
from vasa.training.stage1_pairs import num_transfers
from vasa.types import InputError


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    return write_small_motion(tmp_path_factory.mktemp("motion"))


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_small_faces(tmp_path_factory.mktemp("faces"), num_frames=24)


@pytest.fixture(scope="module")
def both(motion, tmp_path_factory):
    """Stage 2, uninterrupted, in two processes, by the command, which starts the other itself."""
    run_dir = tmp_path_factory.mktemp("both") / "run"
    words = [*stage2(motion, run_dir), *TWO, "logger=none", "log_every=1", "trainer.num_threads=1"]
    words += ["checkpoint_every_s=0"]
    done = subprocess.run(
        [sys.executable, "-m", "vasa.cli", "train", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return run_dir


def assert_same_training(one: Path, two: Path, *, but: str = "") -> None:
    expected, found = metrics_of(one), metrics_of(two)
    assert len(expected) == len(found) > 4
    for line, other in zip(expected, found, strict=True):
        assert other == pytest.approx(line, rel=1e-4, abs=1e-6)
    weights, other_weights = weights_of(one), weights_of(two)
    for name in weights.keys() - {but}:
        torch.testing.assert_close(other_weights[name], weights[name], rtol=1e-3, atol=1e-4)


def test_stage2_in_two_processes_is_stage2_in_one(motion, both, tmp_path):
    """Windows are padded unevenly here: a mean of the processes' means would not do."""
    one = train(cfg=config(*stage2(motion, tmp_path / "one"), "trainer.precision=32-true"))
    assert_same_training(one, both)
    files = {path.name for path in both.rglob("*") if path.is_file()}
    assert files == {path.name for path in one.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def expert_run(faces, tmp_path_factory):
    """The face expert in one process."""
    return train(cfg=config(*expert(faces, tmp_path_factory.mktemp("expert") / "run")))


def test_expert_in_two_processes_is_the_expert_in_one(faces, expert_run, tmp_path):
    """The bias of the heat maps has no gradient but rounding: a softmax takes it out."""
    assert train_in_two(expert(faces, tmp_path / "two")) == [0, 0]
    assert_same_training(expert_run, tmp_path / "two", but="landmark_finder.mix.5.bias")


EVERY_TERM = (
    "module.weights.cycle=0.5",
    "module.weights.face_features=0.5",
    "module.weights.gaze_features=0.5",
    "module.log_unused_every=1",
)


def test_stage1_in_two_processes_is_stage1_in_one(faces, expert_run, tmp_path):
    """People move as their neighbours of the global batch do, whichever process holds those.

    Losses and the gradient's size are the same while the weights are: up to the first step of all
    losses. From then on rounding grows, for Adam makes a step of a gradient that is nearly nothing.
    """

    def words(name: str) -> list[str]:
        return [*stage1(faces, expert_run, tmp_path / name), *EVERY_TERM, "max_steps=4"]

    one = train(cfg=config(*words("one"), "trainer.precision=32-true"))
    assert train_in_two(words("two")) == [0, 0]
    expected, found = metrics_of(one), metrics_of(tmp_path / "two")
    assert {"train/transfer", "train/cycle", "train/consistency"} < expected[2].keys()
    assert len(expected) == len(found) == 4
    for line, other, tolerance in zip(expected, found, (1e-4, 1e-4, 5e-4, 2e-2), strict=True):
        assert other == pytest.approx(line, rel=tolerance, abs=1e-5)


@pytest.mark.parametrize(
    ("people", "count", "expected"), [(8, 1, 2), (4, 2, 1), (2, 4, 1), (48, 1, 12), (2, 1, 2)]
)
def test_transfers_are_shared_evenly(people, count, expected):
    share = RowShare(index=0, count=count)
    assert num_transfers(people, transfer_share=0.25, share=share) == expected


def test_stage1_with_an_adversary_in_two_processes_is_stage1_in_one(faces, expert_run, tmp_path):
    """Up to pairs of people; both networks are the same in both processes after their steps."""
    more = [*with_adversary(), "max_steps=4"]
    words = [*stage1(faces, expert_run, tmp_path / "one"), *more]
    one = metrics_of(train(cfg=config(*words, "trainer.precision=32-true")))
    assert train_in_two([*stage1(faces, expert_run, tmp_path / "two"), *more]) == [0, 0]
    two = metrics_of(tmp_path / "two")
    assert ["train/discriminator" in line for line in one] == [False, False, True, True]
    for name in ("discriminator", "adversarial", "matching", "reconstruction"):
        assert two[2][f"train/{name}"] == pytest.approx(one[2][f"train/{name}"], rel=1e-3, abs=1e-5)
        assert two[3][f"train/{name}"] == pytest.approx(one[3][f"train/{name}"], rel=0.05, abs=0.01)
    found = torch.load(tmp_path / "two/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    wanted = torch.load(tmp_path / "one/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    names = [name for name in wanted if name.startswith("discriminator.")]
    assert names
    for name in names:  # two steps of Adam, each of the size of the learning rate
        torch.testing.assert_close(found[name], wanted[name], atol=2e-3, rtol=0.05)


def test_syncnet_has_the_negatives_of_all_processes(faces, tmp_path):
    one = train(cfg=config(*syncnet(faces, tmp_path / "one")))
    assert train_in_two(syncnet(faces, tmp_path / "two")) == [0, 0]
    assert_same_training(one, tmp_path / "two")


@pytest.mark.parametrize(
    ("mishap", "codes"),
    [
        (Mishap(rank=1, step=4, signal=SIGTERM), [128 + SIGTERM, 0]),
        (Mishap(rank=0, step=5, signal=SIGKILL), [-SIGKILL, 1]),
    ],
)
def test_stopped_and_resumed_is_bit_identical(motion, both, tmp_path, mishap, codes):
    """A signal to one process stops both; a gentle one with a checkpoint of the last batch."""
    run = stage2(motion, tmp_path / "run")
    assert train_in_two(run, mishap) == codes
    assert not (tmp_path / "run" / "done.json").exists()
    kept = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert 3 <= kept["global_step"] < 8
    if mishap.signal == SIGKILL:  # and the newest is torn: both take the one before
        newest = max((tmp_path / "run" / "checkpoints").glob("step_*.ckpt"))
        newest.write_bytes(newest.read_bytes()[:-50])
    assert train_in_two(run) == [0, 0]
    expected, found = weights_of(both), weights_of(tmp_path / "run")
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert metrics_of(tmp_path / "run") == metrics_of(both)


def test_number_that_is_none_in_one_process_ends_both(motion, tmp_path):
    assert train_in_two(stage2(motion, tmp_path / "run"), Mishap(rank=1, step=3)) == [1, 1]
    checkpoint = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())


def test_accumulated_batches_are_saved_by_whole_optimiser_steps(motion, tmp_path, monkeypatch):
    def run(name: str) -> list[str]:
        words = ["trainer.precision=32-true", "trainer.accumulate_grad_batches=4"]
        return [*stage2(motion, tmp_path / name), *words]

    whole = train(cfg=config(*run("whole")))
    with monkeypatch.context() as patched:
        patched.setattr(StepDataModule, "own_rows_at", StepDataModule.own_rows_at)
        arrange(Mishap(rank=0, step=2, signal=SIGTERM))
        with pytest.raises(Stopped):
            train(cfg=config(*run("stopped")))
    kept = torch.load(tmp_path / "stopped/checkpoints/last.ckpt", weights_only=True)
    assert kept["global_step"] == 1 and kept["MotionDataModule"]["batches_consumed"] == 4
    weights = weights_of(whole)
    found = weights_of(train(cfg=config(*run("stopped"))))
    assert all(torch.equal(weights[name], found[name]) for name in weights)


def test_batch_that_does_not_divide_is_one_clear_line(motion, tmp_path, capsys):
    words = [*stage2(motion, tmp_path / "run"), *TWO, "data.batch_size=5", "logger=none"]
    assert main(["train", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert "2 processes share evenly, got data.batch_size=5" in said and "take 4 or 6" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("axis", "groups", "shape"), [(0, 1, (4, 3)), (-1, 1, (3, 4)), (0, 2, (4,))]
)
def test_rows_are_drawn_as_in_one_process(axis, groups, shape):
    def draw(own: tuple[int, ...], share: RowShare) -> tuple[torch.Tensor, torch.Tensor]:
        generator = step_generator(0, 0, "test")
        with share.drawing(axis=axis, groups=groups):
            return torch.randn(*own, generator=generator), torch.rand(own, generator=generator)

    whole = list(shape)
    whole[axis] *= 2
    everyone = draw(tuple(whole), RowShare())
    for index in range(2):
        share = RowShare(index=index, count=2)
        for found, expected in zip(draw(shape, share), everyone, strict=True):
            assert torch.equal(found, share.take(expected, axis=axis, groups=groups))
            assert found.shape == shape


def test_a_share_of_two_groups_takes_the_same_people_of_both():
    sources_then_drivers = torch.tensor([0, 1, 2, 3, 10, 11, 12, 13])
    taken = RowShare(index=1, count=2).take(sources_then_drivers, groups=2)
    assert taken.tolist() == [2, 3, 12, 13]
    with pytest.raises(InputError, match="take 3 or 6"):
        RowShare(index=0, count=3).take(torch.zeros(4))
