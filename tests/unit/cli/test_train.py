"""The command line of a sweep, before Hydra sees it."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from vasa.cli import train
from vasa.cli.train import for_members

OWN = {
    "data.root": "/a b/set",
    "run_dir": "runs/${name}-${seed}",
    "module.widths": "[1,2]",
    "module.stage1": "null",
    "module.note": "'a, b'",
    "logger": "none",
}


def test_swept_experiments_take_all_other_words_to_the_members():
    own = [f"{key}={value}" for key, value in OWN.items()]
    others = ["experiment=a/x,a/y", "seed=0,1", "hydra.sweep.dir=here", "hydra/launcher=joblib"]
    words = for_members([*others, *own, "-m"])
    assert [word for word in words if word in others] == others and words[-1] == "-m"
    parsed = OverridesParser.create().parse_overrides(words[:-1])
    values = {
        override.key_or_group: [text.replace("\\", "") for text in override.sweep_string_iterator()]
        for override in parsed
        if override.is_sweep_override()
    }
    expected = {key: [value.strip("'")] for key, value in OWN.items()}
    expected["module.stage1"] = ["${oc.decode:null}"]
    assert values == {"experiment": ["a/x", "a/y"], "seed": ["0", "1"], **expected}


def test_other_command_lines_stay_as_they_are():
    for words in (
        ["experiment=stage2/tiny", "seed=0,1", "data.root=x", "-m"],
        ["experiment=stage2/tiny", "data.root=x"],
        ["experiment=a,b", "seed=[", "-m"],  # Hydra's to complain of
    ):
        assert for_members(words) == words


class UncompletedJobError(RuntimeError):
    """As submitit's."""


def test_a_member_that_was_killed_is_told_in_a_line(monkeypatch, capsys):
    def lose():
        raise UncompletedJobError("Job 1_3 (task: 0) has not produced any output\n\nsrun: Killed\n")

    monkeypatch.setattr(train, "_main", lose)
    monkeypatch.setattr("sys.argv", ["vasa", "-m"])
    with pytest.raises(SystemExit) as ended:
        train.main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "Job 1_3 (task: 0)" in told and "srun: Killed" in told


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail():
        raise RuntimeError("a bug")

    monkeypatch.setattr(train, "_main", fail)
    monkeypatch.setattr("sys.argv", ["vasa", "-m"])
    with pytest.raises(RuntimeError, match="a bug"):
        train.main()
