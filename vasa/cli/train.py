"""Train what experiment=NAME says; the same command again continues or says that it is done.

-m with a=1,2 trains them all (docs/sweeps.md).
"""

import pickle
import re
import sys
from itertools import compress
from pathlib import Path

import hydra
from omegaconf import DictConfig, open_dict

from vasa.cli.paths import conf_dir


def main() -> None:
    """Train; with -m, the members of a sweep."""
    sys.argv[1:] = for_members(sys.argv[1:])
    try:
        _main()  # Hydra gives it its configuration
    except Exception as error:
        if type(error).__name__ not in _LOST_MEMBER:
            raise
        print(f"vasa: {_lost_member(error)}", file=sys.stderr)
        sys.exit(1)


_LOST_MEMBER = ("UncompletedJobError", "FailedJobError", "TerminatedWorkerError")
"""What submitit and joblib raise for a process that ended without an answer."""


def _lost_member(error: Exception) -> str:
    """What to say of a member that ended without a word: where a launcher's own frames are in the
    traceback, none of them is of use.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ... ".join(lines if len(lines) < 3 else [lines[0], lines[-1]])
    return (
        f"a member of the sweep was lost ({type(error).__name__}: {text}); the same command again "
        "continues it, `vasa report sweep=FOLDER` lists what is complete"
    )


def for_members(words: list[str]) -> list[str]:
    """The command line with which a list of experiments can be swept.

    Before it starts the members Hydra composes a configuration of what is not swept: without an
    experiment that has no `data.root` to override. A choice of one value is swept, and is given to
    the members alone.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    is_own = [re.match(r"(?!hydra[./])[\w./@]+=.", word) is not None for word in words]
    try:
        overrides = OverridesParser.create().parse_overrides(list(compress(words, is_own)))
    except HydraException:
        return words  # Hydra says it better
    swept = {one.input_line or "" for one in overrides if one.is_sweep_override()}
    if not any(word.startswith("experiment=") for word in swept):
        return words
    return [
        _as_choice(word) if own and word not in swept else word
        for word, own in zip(words, is_own, strict=True)
    ]


def _as_choice(word: str) -> str:
    """A choice of one; Hydra's choices know no null."""
    key, _, value = word.partition("=")
    return f"{key}=choice({'${oc.decode:null}' if value.lower() == 'null' else value})"


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="train")
def _main(cfg: DictConfig) -> float | None:
    """Compose, check, train.

    Returns:
        The last value of the metric that `objective` names, for a sweeper that searches; None
        where it names none.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from vasa.cli.mistakes import options
    from vasa.training.config import check_keys
    from vasa.training.failure import record_failure
    from vasa.training.runner import train
    from vasa.types import InputError

    chosen = HydraConfig.get()
    overrides = list(chosen.overrides.task)
    is_member = chosen.mode == RunMode.MULTIRUN
    with open_dict(cfg):
        objective = cfg.pop("objective", None)
    try:
        if "module" not in cfg:
            raise InputError(
                f"experiment=... must be given, one of: {', '.join(options('experiment'))}"
            )
        check_keys(cfg)
        folder = train(cfg=cfg, overrides=overrides)
        return None if objective is None else _last_value(folder, objective)
    except Exception as error:
        record = record_failure(cfg, error, overrides=overrides, is_member=is_member)
        if not is_member:
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        told = f"vasa: member {chosen.job.num} failed, the others go on: {text}"
        print(f"{told} ({record or ' '.join(overrides)})", file=sys.stderr, flush=True)
        if not _is_portable(error):
            raise RuntimeError(text) from None
        raise


def _last_value(folder: Path, name: str) -> float:
    """The last logged value of a metric."""
    from vasa.cli.mistakes import nearest
    from vasa.evaluation.report.run_records import Results, read_run
    from vasa.types import InputError

    metrics = read_run(folder, root=folder, is_higher=None, results=Results()).metrics
    if name not in metrics:
        raise InputError(
            f"objective={name}: {folder} logged no finite value of that name"
            + (nearest(name, list(metrics)) or f"; it has {', '.join(metrics)}")
        )
    return metrics[name].last


def _is_portable(error: Exception) -> bool:
    """Whether it comes whole out of another process, as a launcher sends it."""
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:
        return False


if __name__ == "__main__":
    main()
