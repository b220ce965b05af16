"""Measure models and videos on held-out clips, each number beside its control, into results.jsonl.

Sheets and short videos go to eval/ beside the results. A killed evaluation continues; a complete
one of the same configuration is not made again.
"""

from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="evaluate")
def main(cfg: DictConfig) -> None:
    """Check, measure, print the main numbers."""
    import torch

    from data_prep.synth.counterfactuals import counterfactual_source
    from vasa.data.remote import open_shards
    from vasa.evaluation.report.tables import console_table
    from vasa.evaluation.runner import evaluate
    from vasa.evaluation.settings import EvaluationInputs, EvaluationSettings
    from vasa.training.config import build
    from vasa.training.run_folder import describe_environment
    from vasa.types import InputError

    config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(config, dict)
    if Path(config["output"]).suffix != ".jsonl":
        raise InputError(
            f"expected output=DIR/NAME.jsonl, got {config['output']}; sheets and videos go to "
            "DIR/eval, so each evaluation takes a DIR of its own"
        )

    def path(name: str) -> Path | None:
        return None if config[name] is None else Path(config[name])

    data = open_shards(config["data"])
    settings = EvaluationSettings.from_config(config["evaluation"])
    if config["num_threads"]:
        torch.set_num_threads(config["num_threads"])
    environment = describe_environment(device=config["device"])
    rows = evaluate(
        settings=settings,
        pretrained=None if settings.instrument is None else build(cfg.evaluation.instrument),
        inputs=EvaluationInputs(
            data=data,
            stage1=Path(config["stage1"]),
            stage2=path("stage2"),
            syncnet=path("syncnet"),
            expert=path("expert"),
            capp=path("capp"),
        ),
        output=Path(config["output"]),
        seed=config["seed"],
        counterfactual_source=counterfactual_source(data),
        device=torch.device(config["device"]),
        shared=path("shared"),
        environment={
            "command": " ".join(environment["command"]),
            "commit": environment["commit"],
            "is_dirty": environment["is_dirty"],
            "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
            "versions": environment["versions"],
            "started_at": environment["started_at"],
        },
    )
    print(console_table(rows))
    print(f"results: {config['output']}")


if __name__ == "__main__":
    main()
