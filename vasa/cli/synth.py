"""Make the embedded synthetic talking-face set, as face shards or raw clips with their truth."""

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="synth")
def main(cfg: DictConfig) -> None:
    """Build the set, or say that it is there already."""
    from pathlib import Path

    from omegaconf import OmegaConf

    from data_prep.synth.build import build_set

    values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)
    output = Path(values.pop("output"))
    made = build_set(output=output, **values)
    total = sum(values["people"].values())
    if made:
        print(f"wrote {total * values['clips_per_person']} clips of {total} people to {output}")
    else:
        print(f"{output} is complete already")


if __name__ == "__main__":
    main()
