"""What is trained and killed: each stage at its smallest, with and without loader workers, in one
process and in two."""

from dataclasses import dataclass
from pathlib import Path

COMMON = (
    "log_every=1",
    "sample_every=0",
    "checkpoint_every_s=0.5",
    "trainer.precision=32-true",
    "trainer.num_threads=1",
)
STAGE1 = (
    "experiment=stage1/tiny",
    "data.root={run}/data",
    "module.expert={run}/expert",
    "module.discriminator={{_target_: vasa.models.discriminator.MultiScaleDiscriminator, "
    "num_scales: 2, channels: [8, 16, 16]}}",
    "module.weights.adversarial=0.1",
    "module.weights.matching=1.0",
    "module.adversary.start_step=16",
    "module.encoder_steps=10",
    "module.warmup_steps=5",
    "data.batch_size=4",
    "max_steps=30",
)
STAGE2 = (
    "experiment=stage2/tiny",
    "data.root={run}/motion",
    "module.stage1={run}/stage1/whole",
    "module.validate_every=10",
    "data.batch_size=8",
    "data.min_frames=10",
    "max_steps=60",
)
SYNCNET = (
    "experiment=syncnet/tiny",
    "data.root={run}/data",
    "data.batch_size=4",
    "data.span_frames=20",
    "data.held_out_clips=2",
    "max_steps=40",
)
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is trained, how.

    Attributes:
        words: of the command.
        whole: folder below RUN of what it is compared with.
        workers: loader processes.
        logger: that mirrors the record.
    """

    words: tuple[str, ...]
    whole: str
    workers: int
    logger: str = "none"

    def command(self, run: Path, root: Path, *, seed: int = SEED) -> list[str]:
        """`vasa ...` that trains it into `root`."""
        own = [f"run_dir={root}", f"seed={seed}", f"data.num_workers={self.workers}"]
        own.append(f"logger={self.logger}")
        given = [word.format(run=run) for word in self.words]
        return ["train", *given, *COMMON, *own]


CASES = {
    "stage1-0-workers": Case(words=STAGE1, whole="stage1", workers=0),
    "stage1-2-workers": Case(words=STAGE1, whole="stage1", workers=2),
    "stage1-2-processes": Case(words=(*TWO, *STAGE1), whole="stage1-ddp", workers=2),
    "stage2-0-workers": Case(words=STAGE2, whole="stage2", workers=0),
    "stage2-2-workers": Case(words=STAGE2, whole="stage2", workers=2),
    "stage2-2-processes": Case(words=(*TWO, *STAGE2), whole="stage2-ddp", workers=2),
    "stage2-wandb": Case(words=STAGE2, whole="stage2", workers=0, logger="wandb"),
    "syncnet-0-workers": Case(words=SYNCNET, whole="syncnet", workers=0),
    "syncnet-2-workers": Case(words=SYNCNET, whole="syncnet", workers=2),
    "syncnet-2-processes": Case(words=(*TWO, *SYNCNET), whole="syncnet-ddp", workers=2),
}
