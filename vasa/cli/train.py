"""Train what experiment=NAME says; the same command again continues or says that it is done."""

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="train")
def main(cfg: DictConfig) -> None:
    """Compose, check, train."""
    from hydra.core.hydra_config import HydraConfig

    from vasa.cli.mistakes import options
    from vasa.training.config import check_keys
    from vasa.training.runner import train
    from vasa.types import InputError

    chosen = HydraConfig.get()
    if chosen.runtime.choices.get("experiment") is None and "module" not in cfg:
        raise InputError(
            f"experiment=... must be given, one of: {', '.join(options('experiment'))}"
        )
    check_keys(cfg)
    train(cfg=cfg, overrides=list(chosen.overrides.task))


if __name__ == "__main__":
    main()
