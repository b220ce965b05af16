"""What an evaluation is: a schema for conf/evaluation, so that a misspelt key is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vasa.evaluation.results import Criterion
from vasa.pretrained.perceptual import PERCEPTUAL_NETWORKS
from vasa.types import InputError

NO_NETWORK = "none"
"""`evaluation.perceptual` where no perceptual distance is measured."""


@dataclass(kw_only=True)
class GenerationSettings:
    """How talking videos are made for scoring; gaze and distance are those of `vasa generate`.

    Attributes:
        steps: evaluations of the motion model a window.
        sampler: ddim or ddpm.
        eta: ddim's share of fresh noise.
        guidance: lambda of each condition (VASA-1 eq. 2).
        start_blend_s: seconds from the source's pose to the generated one.
    """

    steps: int
    sampler: str
    eta: float
    guidance: dict[str, float]
    start_blend_s: float


@dataclass(kw_only=True)
class EvaluationSettings:
    """One file of conf/evaluation.

    Attributes:
        name: of the set of protocols.
        protocols: in the order they are run (`vasa.evaluation.runner.PROTOCOLS`).
        instrument: `_target_` and arguments of the measuring expert; None: the run `expert`.
        split: of the shards; its people and sentences are held out.
        num_clips: clips of that split.
        max_seconds: of each clip.
        frame_stride: frames between scored frames of reenactments.
        mouth_margin: of the mouth box, as a share of the lips' width.
        perceptual: network of the perceptual distance: vgg19, squeezenet, or none to leave it out.
        probe_train_clips: clips that probes are fitted on.
        probe_val_clips: clips that their penalty is chosen on.
        probe_frame_stride: frames between probed frames.
        probe_codes: which of z_dyn, z_pose, z_id are probed.
        probe_mlp_steps: of training a small MLP beside each linear probe; 0: linear alone.
        counterfactual_people: held-out people that are drawn with single factors changed.
        counterfactual_states: independent states of each.
        counterfactual_bases: states of each in which every factor is changed alone.
        sync_shift_frames: of SyncNet's shifted-audio control.
        batch_size: frames at once.
        num_resamples: of the bootstrap.
        generation: of talking videos.
        num_sheet_rows: rows of the sheets.
        num_videos: videos beside the results.
        criteria: `{metric, rule, bound}` that rows are judged by.
    """

    name: str
    protocols: list[str]
    instrument: dict[str, Any] | None
    split: str
    num_clips: int
    max_seconds: float
    frame_stride: int
    mouth_margin: float
    perceptual: str
    probe_train_clips: int
    probe_val_clips: int
    probe_frame_stride: int
    probe_codes: list[str]
    probe_mlp_steps: int
    counterfactual_people: int
    counterfactual_states: int
    counterfactual_bases: int
    sync_shift_frames: int
    batch_size: int
    num_resamples: int
    generation: GenerationSettings
    num_sheet_rows: int
    num_videos: int
    criteria: list[dict[str, Any]]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "EvaluationSettings":
        """Checks keys and types of a resolved configuration.

        Raises:
            InputError: a key that is unknown, missing, or of another type.
        """
        try:
            merged = OmegaConf.merge(OmegaConf.structured(cls), OmegaConf.create(dict(config)))
            settings = OmegaConf.to_object(merged)
        except OmegaConfBaseException as error:
            first = str(error).splitlines()[0]
            where = f" at evaluation.{error.full_key}" if error.full_key else ""
            raise InputError(f"the evaluation does not fit its schema{where}: {first}") from error
        assert isinstance(settings, cls)
        settings.judges()
        known = (*PERCEPTUAL_NETWORKS, NO_NETWORK)
        if settings.perceptual not in known:
            raise InputError(
                f"expected evaluation.perceptual to be one of {known}, got {settings.perceptual!r}"
            )
        return settings

    def judges(self) -> list[Criterion]:
        """The criteria as objects."""
        try:
            return [Criterion(**criterion) for criterion in self.criteria]
        except TypeError as error:
            raise InputError(f"expected criteria of metric, rule and bound: {error}") from error


@dataclass(frozen=True, kw_only=True)
class EvaluationInputs:
    """What is evaluated: folders, None where it is not given."""

    data: Path
    stage1: Path
    stage2: Path | None
    syncnet: Path | None
    expert: Path | None
