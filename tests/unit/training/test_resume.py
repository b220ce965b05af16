"""A run that is killed, or out of room, and run again is the run that was never disturbed."""

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from full_disk import room_for
from processes import SIGKILL, train_toy
from records import metrics_of, weights_of
from toy import ToyData, toy_config

from vasa.training import wandb_mirror
from vasa.training.checkpoint_store import CheckpointNote, CheckpointStore
from vasa.training.logging import MetricsRecord
from vasa.training.runner import Stopped, train
from vasa.types import InputError


def state_of(run_dir: Path) -> dict[str, Any]:
    """The last checkpoint without what time it took."""
    state = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)
    del state["callbacks"]["Record"]["time_s"]
    return {key: state[key] for key in ("state_dict", "optimizer_states", "callbacks", "ToyData")}


def assert_same(expected: Any, found: Any) -> None:
    """To the bit, tensors inside containers too."""
    if isinstance(expected, torch.Tensor):
        assert torch.equal(expected, found)
    elif isinstance(expected, dict):
        assert expected.keys() == found.keys()
        for key, value in expected.items():
            assert_same(value, found[key])
    elif isinstance(expected, list):
        for value, other in zip(expected, found, strict=True):
            assert_same(value, other)
    else:
        assert expected == found


def assert_same_run(whole: Path, found: Path) -> None:
    assert_same(weights_of(whole), weights_of(found))
    assert_same(state_of(whole), state_of(found))
    assert metrics_of(whole) == metrics_of(found)


EVERY_STEP = ("log_every=1", "sample_every=0")


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "whole"
    return train(cfg=toy_config(f"run_dir={folder}", *EVERY_STEP))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_killed_at_random_and_resumed_is_bit_identical(whole_run, tmp_path, num_workers):
    words = [f"run_dir={tmp_path}", f"data.num_workers={num_workers}", *EVERY_STEP]
    rng = random.Random(num_workers)
    first, second = sorted(rng.sample(range(1, 12), 2))
    for number in (first, second):
        code = train_toy([*words, f"module.kill_at={number}"], kill="training")
        assert code == -SIGKILL
        assert not (tmp_path / "done.json").exists()
        (tmp_path / "config.yaml").unlink()  # it names the step of the kill
    train(cfg=toy_config(*words))
    assert_same_run(whole_run, tmp_path)
    assert len(json.loads((tmp_path / "env.json").read_text())["starts"]) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_asked_to_stop_it_saves_the_batch_and_continues(
    whole_run, tmp_path, monkeypatch, number, num_workers
):
    """As the whole group is asked: Ctrl-C and queues reach loader workers too."""
    words = [f"run_dir={tmp_path}", f"data.num_workers={num_workers}", *EVERY_STEP]
    words += [f"module.kill_signal={int(number)}", "checkpoint_every_s=1000"]
    monkeypatch.setenv("TOY_KILL", "training")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as stopped:
        train(cfg=toy_config(*words, "module.kill_at=3"))
    assert stopped.value.code == 128 + (2 if number == signal.SIGINT else signal.SIGTERM)
    assert state_of(tmp_path)["ToyData"] == {"batches_consumed": 4}
    (tmp_path / "config.yaml").unlink()
    train(cfg=toy_config(*words))
    assert_same_run(whole_run, tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_asked_to_stop_before_the_first_batch_it_ends_at_once(whole_run, tmp_path, monkeypatch):
    """Lightning alone would train a batch and end with exit code 0."""
    monkeypatch.setenv("TOY_KILL", "loading")
    with pytest.raises(Stopped) as stopped:
        train(cfg=toy_config(f"run_dir={tmp_path}", *EVERY_STEP))
    assert stopped.value.code == 128 + signal.SIGTERM
    train(cfg=toy_config(f"run_dir={tmp_path}", *EVERY_STEP))
    assert_same_run(whole_run, tmp_path)


def test_no_batch_is_seen_twice_or_left_out(whole_run, tmp_path, monkeypatch):
    """Of each start the batches up to the checkpoint that the next one continues from."""
    seen: list[int] = []
    real = ToyData.batch_at

    def batch_at(self: ToyData, step: int) -> Any:
        seen.append(step)
        return real(self, step)

    monkeypatch.setattr(ToyData, "batch_at", batch_at)
    kept: list[int] = []
    for last in (4, 9, None):
        seen.clear()
        if last is None:
            train(cfg=toy_config(f"run_dir={tmp_path}", *EVERY_STEP))
        else:
            words = (f"run_dir={tmp_path}", *EVERY_STEP, f"module.kill_at={last}")
            monkeypatch.setenv("TOY_KILL", "training")
            with pytest.raises(Stopped):
                train(cfg=toy_config(*words, f"module.kill_signal={int(signal.SIGTERM)}"))
            (tmp_path / "config.yaml").unlink()
        consumed = state_of(tmp_path)["ToyData"]["batches_consumed"]
        kept += [step for step in seen if step < consumed]
    assert kept == list(range(12))
    assert metrics_of(tmp_path) == metrics_of(whole_run)  # each line names its batch


def stop_after(monkeypatch: pytest.MonkeyPatch, folder: Path, step: int, *words: str) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("TOY_KILL", "training")
        stop = (f"module.kill_at={step - 1}", f"module.kill_signal={int(signal.SIGTERM)}")
        with pytest.raises(Stopped):
            train(cfg=toy_config(f"run_dir={folder}", *EVERY_STEP, *words, *stop))
    (folder / "config.yaml").unlink()


def test_from_a_torn_checkpoint_the_one_before_is_continued(
    whole_run, tmp_path, monkeypatch, capsys
):
    stop_after(monkeypatch, tmp_path, 8)
    newest = tmp_path / "checkpoints" / "step_0000008.ckpt"
    newest.write_bytes(newest.read_bytes()[:-100])
    train(cfg=toy_config(f"run_dir={tmp_path}", *EVERY_STEP))
    assert f"{newest} is damaged" in capsys.readouterr().err
    assert_same_run(whole_run, tmp_path)


def test_code_in_a_checkpoint_ends_the_run_before_it_is_run(tmp_path, monkeypatch):
    stop_after(monkeypatch, tmp_path, 3)
    store = CheckpointStore(folder=tmp_path / "checkpoints", keep_last=2, keep_best=0)
    note = CheckpointNote(step=4, score=None)
    store.save_checkpoint({"state_dict": Path("/")}, store.path_of(4), note)
    with pytest.raises(InputError, match="expected tensors and plain values"):
        train(cfg=toy_config(f"run_dir={tmp_path}", *EVERY_STEP))


def test_no_room_for_checkpoints_does_not_end_the_training(
    whole_run, tmp_path, monkeypatch, capsys
):
    real = CheckpointStore.save_checkpoint

    def save(self: CheckpointStore, checkpoint: Any, path: Any, storage_options: Any) -> None:
        with room_for(2000 if storage_options.step in (3, 4, 5) else -1):
            real(self, checkpoint, path, storage_options)

    monkeypatch.setattr(CheckpointStore, "save_checkpoint", save)
    train(cfg=toy_config(f"run_dir={tmp_path}", *EVERY_STEP))
    said = capsys.readouterr().err
    assert [f"STEP {step} NOT SAVED" in said for step in (2, 3, 4, 5, 6)] == [0, 1, 1, 1, 0]
    assert "checkpoints are saved again, of step 6" in said
    assert_same_run(whole_run, tmp_path)


def test_no_room_for_logs_does_not_end_the_training(whole_run, tmp_path, monkeypatch, capsys):
    """Lines that found no room, a kill in between, a bar and pictures that cannot be shown."""
    real = MetricsRecord._flush

    def full(self: MetricsRecord) -> None:
        with room_for(100):
            real(self)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(MetricsRecord, "_flush", full)
        patched.setattr("vasa.training.samples.write_png", fail)
        patched.setattr("vasa.training.progress.tqdm.update", fail)
        stop_after(monkeypatch, tmp_path, 8, "sample_every=2")
    said = capsys.readouterr().err
    assert said.count("metrics.jsonl cannot be written") == 1
    assert said.count("samples cannot be written") == 1
    train(cfg=toy_config(f"run_dir={tmp_path}", *EVERY_STEP))
    assert_same_run(whole_run, tmp_path)


def test_a_wandb_that_does_not_start_does_not_end_the_run(tmp_path, monkeypatch, capfd):
    broken = tmp_path / "standin" / "wandb.py"
    broken.parent.mkdir()
    broken.write_text("def init(**_): raise RuntimeError('no network')\nSettings = dict\n")
    monkeypatch.syspath_prepend(str(broken.parent))
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(cfg=toy_config(f"run_dir={tmp_path / 'run'}", "logger.kind=auto"))
    assert capfd.readouterr().err.count("wandb stopped (RuntimeError: no network)") == 1
    assert (tmp_path / "run" / "done.json").is_file()


def test_wandb_offline_has_every_step_of_a_run_that_was_killed(tmp_path, monkeypatch):
    """wandb itself, twice, which takes seconds to begin."""
    from test_logging import logged_steps

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb_mirror, "PATIENCE_S", 240.0)
    words = [f"run_dir={tmp_path}", "logger.kind=wandb", *EVERY_STEP]
    assert train_toy([*words, "module.kill_at=7"], kill="training") == -SIGKILL
    (tmp_path / "config.yaml").unlink()
    train(cfg=toy_config(*words))
    assert len((tmp_path / "wandb_id.txt").read_text()) == 12
    files = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) in (1, 2)  # on a busy machine the kill comes before wandb has begun
    assert logged_steps(files[-1]) == list(range(1, 13))
