"""Read a set of face shards again and say what is wrong with it: `vasa prep validate DIR`."""

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="validate")
def main(cfg: DictConfig) -> None:
    """Print the report; a set with faults is the user's to mend, so it ends as a mistake does."""
    from data_prep.validate import validate_set
    from vasa.types import InputError

    result = validate_set(cfg.input, workers=cfg.workers)
    print("\n".join(result.lines()))
    if result.findings:
        raise InputError(
            f"expected a sound set at {cfg.input}, found {len(result.findings)} faults (above); "
            "prepare it again, or leave out what they name"
        )
    print("nothing is wrong")


if __name__ == "__main__":
    main()
