"""Turn a folder of raw talking-face clips into face shards; needs the frozen experts' weights."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="prep")
def main(cfg: DictConfig) -> None:
    """Prepare what is missing; say so when nothing is."""
    import hashlib
    from dataclasses import asdict

    from omegaconf import OmegaConf

    from data_prep.experts import PrepExperts
    from data_prep.index import SplitRule, find_clips, share_of
    from data_prep.settings import PrepSettings
    from data_prep.write import BEGUN, PREP_VERSION, prepare_set, prepare_share, tidy
    from vasa.cli.outputs import is_complete, mark_complete
    from vasa.types import InputError

    settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(PrepSettings), cfg))
    assert isinstance(settings, PrepSettings)
    settings.check()
    root, output = Path(settings.input), Path(settings.output)
    split = settings.split
    sources = find_clips(
        root,
        rule=SplitRule(
            val=split.val,
            test=split.test,
            val_speakers=tuple(split.val_speakers),
            test_speakers=tuple(split.test_speakers),
        ),
        data=settings.data,
        include=tuple(settings.include),
        speakers=tuple(settings.speakers),
        per_speaker=settings.per_speaker,
        limit=settings.limit,
        source=settings.source,
        licence=settings.licence,
    )
    made_by = PrepExperts(settings.recipe()).describe()
    listed = "\n".join(
        f"{clip.key} {clip.split} {_size(clip.path)} {clip.start_s} {clip.end_s} {clip.region}"
        for clip in sources
    )
    config = {
        name: value
        for name, value in asdict(settings).items()
        if name not in ("input", "output", "workers", "time_limit_s", "partition")
    }
    record = {
        "prep_version": PREP_VERSION,
        "config": config,
        "files": hashlib.sha256(listed.encode()).hexdigest(),
        "made_by": made_by,
    }
    done, begun = output / "done.json", output / BEGUN
    if is_complete(done, record):
        tidy(output)
        print(f"already complete: {output}")
        return
    if done.is_file() or (begun.is_file() and not is_complete(begun, record)):
        raise InputError(
            f"expected a new folder or the unfinished output of this command, {output} holds a "
            "set made with other settings, clips or networks; choose another output= or remove it"
        )
    output.mkdir(parents=True, exist_ok=True)
    mark_complete(begun, record)
    part = settings.partition
    if part.count > 1:
        share = share_of(sources, index=part.index, count=part.count)
        num_now = prepare_share(
            share,
            output=output,
            recipe=settings.recipe(),
            workers=settings.workers,
            time_limit_s=settings.time_limit_s,
        )
        print(
            f"partition {part.index} of {part.count}: {len(share)} of {len(sources)} clips are "
            f"prepared, {num_now} of them in this run; when all partitions are done, the same "
            "command with partition.count=1 writes the set"
        )
        return
    summary = prepare_set(
        sources,
        output=output,
        recipe=settings.recipe(),
        clips_per_shard=settings.clips_per_shard,
        max_bytes=settings.shard_mb * 2**20,
        workers=settings.workers,
        time_limit_s=settings.time_limit_s,
        made_by=made_by,
    )
    mark_complete(done, record, summary=asdict(summary), input=str(root))
    tidy(output)
    print(f"wrote face shards to {output}")
    print("\n".join(summary.lines()))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


if __name__ == "__main__":
    main()
