"""The `vasa` command: one table from a command's name to its module.

Each module is an ordinary `@hydra.main` program, so overrides, multirun, launchers and shell
completion work as Hydra documents them. This file adds only what Hydra leaves open: the table,
one clear line for a user's mistake (exit code 2), and no litter in the working folder.
"""

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from vasa import __version__

COMMANDS = {
    "synth": "make the embedded synthetic talking-face set, with ground truth",
    "prep": "turn a folder of raw clips into face shards",
    "validate": "read a set of face shards again: vasa prep validate DIR",
    "train": "train what experiment=... names (stage1/*, stage2/*, syncnet/*, ...)",
    "encode": "turn face shards and a stage-1 model into motion shards",
    "generate": "one image and one sound file to a talking video",
    "evaluate": "measure models and videos, with controls, into results.jsonl",
    "runs": "list, filter and compare runs by their records: vasa runs DIR",
    "report": "runs and results to one HTML page and Markdown",
    "doctor": "what works on this machine; which pretrained files are found, and how to get them",
    "bench": "measure the speed of each part on this machine: vasa bench PART ...",
}

# Hydra's own folders and log files stay out of the user's working folder. The sweep folder is
# fixed because every process of a distributed job must name the same one.
HYDRA_DEFAULTS = {
    "hydra.run.dir": ".",
    "hydra.output_subdir": "null",
    "hydra.sweep.dir": "runs/multirun",
    "hydra.sweep.subdir": "${hydra.job.num}",
    "hydra/job_logging": "stdout",
    "hydra/hydra_logging": "none",
}


_TWO_FLAGS = "Only one of --run, --multirun, --cfg"  # Hydra's words, as a bare ValueError


def usage() -> str:
    """What `vasa --help` prints."""
    rows = "\n".join(f"  {name:<10}{about}" for name, about in COMMANDS.items())
    return (
        "usage: vasa <command> [key=value ...]\n\n"
        f"commands:\n{rows}\n\n"
        "vasa <command> --help     what it does and its configuration\n"
        "vasa <command> --cfg job  the configuration it would run with\n"
        "vasa --version            the version"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: command and overrides; those of the process when None.

    Returns:
        Exit code: 0 all done, 1 a bug (with its traceback), 2 the user's mistake, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"vasa {__version__}")
        return 0
    command, overrides = words[0], words[1:]
    if command == "prep" and overrides[:1] == ["validate"]:
        command = "validate"
        overrides = [f"input={word}" if _is_path(word) else word for word in overrides[1:]]
    if command == "runs":
        overrides = _words_of_runs(overrides)
    if command == "bench":
        overrides = _words_of_bench(overrides)
    if command not in COMMANDS:
        expected = ", ".join(COMMANDS)
        return _complain(f"there is no command {command!r}; expected one of: {expected}")
    return _run(command, overrides)


def _is_path(word: str) -> bool:
    return "=" not in word and not word.startswith("-")


def _words_of_runs(words: list[str]) -> list[str]:
    """`DIR filter=a=b filter=c=d` as Hydra takes it: `input=DIR filter=['a=b','c=d']`."""
    place = {f"input={word}" for word in words[:1] if _is_path(word)}
    words = words[len(place) :]
    filters = [word for word in words if re.match(r"filter=[^\['\"]", word)]
    quoted = ",".join("'" + word[len("filter=") :].replace("'", "\\'") + "'" for word in filters)
    others = [word for word in words if word not in filters]
    return [*place, *([f"filter=[{quoted}]"] if filters else []), *others]


def _words_of_bench(words: list[str]) -> list[str]:
    """`train-step decode seconds=1` as Hydra takes it: `parts=[train_step,decode] seconds=1`.

    After a flag a word is the flag's own: `--cfg job`.
    """
    before = list(takewhile(lambda word: not word.startswith("-"), words))
    parts = [word.replace("-", "_") for word in before if _is_path(word)]
    others = [word for word in before if not _is_path(word)] + words[len(before) :]
    return [*([f"parts=[{','.join(parts)}]"] if parts else []), *others]


def _run(command: str, overrides: list[str]) -> int:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from vasa.cli.mistakes import explain

    module = importlib.import_module(f"vasa.cli.{command}")
    if {"--help", "-h"} & set(overrides):
        print((module.__doc__ or "").strip(), end="\n\n")
    given = {word.split("=", 1)[0].lstrip("+~") for word in overrides}
    extra = [f"{key}={value}" for key, value in HYDRA_DEFAULTS.items() if key not in given]
    argv_before, os.environ["HYDRA_FULL_ERROR"] = sys.argv, "1"
    # A distributed launcher starts its other processes by argv[0]: the module is a program too.
    # Overrides first, together: argparse takes no second group of them after a flag.
    chosen = [word for word in overrides if word[0] == "~" or ("=" in word and word[0] != "-")]
    flags = [word for word in overrides if word not in chosen]
    sys.argv = [module.__file__ or command, *chosen, *extra, *flags]
    try:
        with contextlib.redirect_stderr(_WithoutPreface(sys.stderr)):  # type: ignore[type-var]
            module.main()
    except (HydraException, OmegaConfBaseException) as error:  # some are ValueErrors too
        text = explain(error=error, command=command, overrides=overrides)
        if text is None:
            raise
        return _complain(text)
    except ValueError as error:
        from vasa.types import InputError  # takes torch, which `vasa runs` does without

        if str(error).startswith(_TWO_FLAGS):
            return _complain(
                "expected one of --multirun (-m), --cfg and --info, got more of them; --cfg shows "
                "one configuration: leave out -m, and give one value where a sweep has several"
            )
        if not isinstance(error, InputError):
            raise
        return _complain(str(error))
    except KeyboardInterrupt:
        print("vasa: interrupted", file=sys.stderr)
        return 130
    finally:
        sys.argv = argv_before
    return 0


class _WithoutPreface:
    """stderr without the line that Hydra writes before every exception, a user's mistake too."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if text.startswith("Error executing job with overrides"):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _complain(text: str) -> int:
    print(f"vasa: {' '.join(text.split())}", file=sys.stderr)
    return 2
