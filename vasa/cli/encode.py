"""Turn face shards and a trained stage 1 into motion shards for stage 2."""

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="encode")
def main(cfg: DictConfig) -> None:
    """Encode what is missing; say so when nothing is."""
    from pathlib import Path

    import torch
    from omegaconf import OmegaConf

    from data_prep.encode import encode_set
    from vasa.cli.outputs import is_complete, mark_complete
    from vasa.data.remote import open_shards
    from vasa.data.shards import index_hash
    from vasa.models.checkpoint import load_model, model_hash
    from vasa.training.config import build
    from vasa.types import InputError

    config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(config, dict)
    data, output = open_shards(config["data"]), Path(config["output"])
    data_hash = index_hash(data)
    stage1_hash = model_hash(config["stage1"])
    audio = build(cfg.audio_encoder)
    record = {
        "data": data_hash,
        "stage1": stage1_hash,
        "audio": audio.describe(),
    }
    marker = output / "done.json"
    if is_complete(marker, record):
        print(f"already complete: {output}")
        return
    if marker.is_file():
        raise InputError(
            f"expected a new folder or the unfinished output of this command, {output} holds a "
            "motion set of other face shards, stage 1 or audio encoder; choose another output"
        )
    net = load_model(config["stage1"])
    if not hasattr(net, "motion"):
        raise InputError(
            f"expected a stage-1 run at {config['stage1']}, it holds a {type(net).__name__}"
        )
    if config["num_threads"]:
        torch.set_num_threads(config["num_threads"])
    encode_set(
        data=data,
        output=output,
        net=net,
        stage1_hash=stage1_hash,
        audio=audio,
        batch_size=config["batch_size"],
        device=torch.device(config["device"]),
    )
    mark_complete(marker, record, config=config)
    print(f"wrote motion shards to {output}")


if __name__ == "__main__":
    main()
