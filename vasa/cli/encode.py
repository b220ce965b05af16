"""Turn face shards and a trained stage 1 into motion shards for stage 2."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="encode")
def main(cfg: DictConfig) -> None:
    """Encode what is missing; say so when nothing is."""
    from dataclasses import fields

    import torch
    from omegaconf import OmegaConf

    from data_prep.encode import encode_set
    from data_prep.settings import EncodeSettings
    from vasa.cli.outputs import is_complete, mark_complete
    from vasa.data.remote import open_shards
    from vasa.data.shards import index_hash
    from vasa.models.checkpoint import load_model, model_hash
    from vasa.training.config import build
    from vasa.types import InputError

    config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(config, dict)
    names = [item.name for item in fields(EncodeSettings)]
    settings = OmegaConf.to_object(
        OmegaConf.merge(OmegaConf.structured(EncodeSettings), OmegaConf.masked_copy(cfg, names))
    )
    assert isinstance(settings, EncodeSettings)
    settings.check()
    partition = settings.partition
    data, output = open_shards(config["data"]), Path(config["output"])
    data_hash = index_hash(data)
    stage1_hash = model_hash(config["stage1"])
    audio = build(cfg.audio_encoder)
    record = {
        "data": data_hash,
        "stage1": stage1_hash,
        "audio": audio.describe(),
    }
    done, begun = output / "done.json", output / "begun.json"
    if is_complete(done, record):
        _tidy(output)
        print(f"already complete: {output}")
        return
    if done.is_file() or (begun.is_file() and not is_complete(begun, record)):
        raise InputError(
            f"expected a new folder or the unfinished output of this command, {output} holds a "
            "motion set of other face shards, stage 1 or audio encoder; choose another output"
        )
    net = load_model(config["stage1"])
    if not hasattr(net, "motion"):
        raise InputError(
            f"expected a stage-1 run at {config['stage1']}, it holds a {type(net).__name__}"
        )
    if settings.num_threads:
        torch.set_num_threads(settings.num_threads)
    output.mkdir(parents=True, exist_ok=True)
    mark_complete(begun, record)
    share = encode_set(
        data=data,
        output=output,
        net=net,
        stage1_hash=stage1_hash,
        audio=audio,
        batch_size=settings.batch_size,
        device=torch.device(settings.device),
        max_bad_share=settings.max_bad_share,
        partition=partition,
    )
    if share.dropped:
        print(f"left out {share.dropped}; each is listed beside its shard, and in dropped.parquet")
    if partition.count > 1:
        print(
            f"partition {partition.index} of {partition.count}: {share.shards} of "
            f"{share.of_shards} shards are encoded, {share.made_now} of them in this run; "
            + ("they are all" if share.is_finished else "the last partition finishes the set")
        )
    if share.is_finished:
        mark_complete(done, record, config=config, dropped=share.dropped)
        _tidy(output)
        print(f"wrote motion shards to {output}")


def _tidy(output: Path) -> None:
    """Remove what only an unfinished set needs; of its own, another run has no more shards."""
    for left in output.glob("*/*.part"):
        left.unlink(missing_ok=True)
    (output / "begun.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
