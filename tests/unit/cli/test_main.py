"""The command table, and one clear line with exit code 2 for every mistake of a user's."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import vasa
from vasa.cli import COMMANDS, main
from vasa.cli.mistakes import options
from vasa.cli.paths import conf_dir


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a mistaken command prints."""
    assert main(words) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("vasa: ")
    return lines[0]


def test_help_lists_the_commands(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {command}" in text for command in COMMANDS)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vasa {vasa.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_module_and_a_configuration(command):
    assert (Path(vasa.__file__).parent / "cli" / f"{command}.py").is_file()
    assert (Path(conf_dir()) / f"{command}.yaml").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_configuration_of_each_command(command, capsys):
    with pytest.raises(SystemExit) as exit_of_help:
        main([command, "--help"])
    assert exit_of_help.value.code == 0
    assert "== Config ==" in capsys.readouterr().out
    assert main([command, "--cfg", "job"]) == 0
    assert ":" in capsys.readouterr().out


def test_no_command_says_how(capsys):
    assert main([]) == 2
    assert "usage: vasa <command>" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trian"], "no command 'trian'; expected one of: synth"),
        (["train"], "experiment=... must be given, one of: "),
        (["train", "experiment=stage1/tinny"], "no experiment 'stage1/tinny' (nearest: "),
        (["train", "trainer=xpu"], "no trainer 'xpu'"),
        (["train", "max_step=3"], "no key 'max_step'"),
        (["train", "max_step=3"], "nearest: max_steps"),
        (["train", "trainer.precison=16"], "nearest: trainer.precision"),
        (["train", "max_steps=["], "expected overrides as key=value"),
        (["train", "max_steps"], "expected overrides as key=value"),
        (["train", "-m", "seed=0,1", "--cfg", "job"], "expected one of --multirun (-m), --cfg"),
        (["bench", "decoed", "seconds=1"], "expected parts of synth, data, training, train_step"),
        (
            ["evaluate", "data=a", "stage1=b", "output=results/small"],
            "expected output=DIR/NAME.jsonl, got results/small; sheets and videos go to DIR/eval",
        ),
        (["report", "results=results/small"], "expected results=DIR/NAME.jsonl of vasa evaluate"),
        (["synth"], "output must be given: vasa synth output=VALUE"),
        (["synth", "outptu=x"], "nearest: output"),
    ],
)
def test_mistakes(words, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert expected in mistake(capsys, *words)
    assert list(tmp_path.iterdir()) == []


def test_unknown_experiment_lists_those_there_are(capsys):
    line = mistake(capsys, "train", "experiment=nope")
    assert all(name in line for name in options("experiment"))


def test_missing_inputs_of_an_experiment_are_named(capsys):
    assert "data.root" in mistake(capsys, "train", "experiment=stage1/tiny")


def test_missing_checkpoint(capsys, tmp_path):
    line = mistake(
        capsys,
        *("train", "experiment=stage1/tiny", "logger=none"),
        *(f"data.root={tmp_path}", f"module.expert={tmp_path / 'nothing'}"),
    )
    assert "no model at" in line
    assert "vasa train" in line


def test_bug_shows_its_traceback():
    program = (
        "import sys, vasa.cli.report as module\n"
        "def broken(): raise KeyError('ours')\n"
        "module.main = broken\n"
        "from vasa.cli import main\n"
        "sys.exit(main(['report']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "KeyError: 'ours'" in done.stderr


def test_commands_run_as_programs_of_their_own(tmp_path):
    """Distributed launchers start their other processes that way."""
    train = Path(vasa.__file__).parent / "cli" / "train.py"
    done = subprocess.run(
        [sys.executable, str(train), "--cfg", "job"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "max_steps" in done.stdout


def test_sweep_leaves_its_record_under_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "-m", "seed=0,1"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["decode"], ["decode"]),
        (["train-step", "decode", "seconds=1"], ["train_step", "decode"]),
        (["seconds=1", "train_step"], ["train_step"]),
        (["parts=[synth]"], ["synth"]),
    ],
)
def test_parts_of_bench_are_words(words, expected, capsys):
    assert main(["bench", *words, "--cfg", "job"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["parts"] == expected
