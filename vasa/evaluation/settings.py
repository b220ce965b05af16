"""What an evaluation is: a schema for conf/evaluation, so that a misspelt key is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vasa.data.remote import ShardRoot
from vasa.data.schema import EMOTIONS
from vasa.evaluation.method_settings import ListRule, MethodSettings
from vasa.evaluation.results import Criterion
from vasa.pretrained.lpips import LPIPS_NETWORKS
from vasa.pretrained.perceptual import PERCEPTUAL_NETWORKS
from vasa.types import InputError

Criteria = list[dict[str, Any]]
Judges = list[Criterion]
NO_NETWORK = "none"
"""`evaluation.perceptual` where no perceptual distance is measured."""


@dataclass(kw_only=True)
class GenerationSettings:
    """How talking videos are made for scoring; gaze and distance are those of `vasa generate`.

    Attributes:
        steps: evaluations of the motion model a window.
        sampler: ddpm, ddim or dpm++.
        eta: ddim's share of fresh noise.
        hop_frames: of motion at a time; None: the model's window.
        lookahead_frames: of audio heard beyond them.
        guidance: lambda of each condition (VASA-1 eq. 2).
        start_blend_s: seconds from the source's pose to the generated one.
    """

    steps: int
    sampler: str
    eta: float
    hop_frames: int | None
    lookahead_frames: int
    guidance: dict[str, float]
    start_blend_s: float


@dataclass(kw_only=True)
class EventSettings:
    """What counts as closed lips and as a blink in re-measured frames.

    Attributes:
        closure_share: lips are closed below this share of the video's own wide opening (its 90th
            percentile), so that people's and experts' scales cancel.
        closure_tolerance_frames: frames before and after the sound that count as well.
        blink_shut: a blink begins where the eyes are shut at least so far,
        blink_open: and ends where they are shut less than this.
    """

    closure_share: float
    closure_tolerance_frames: int
    blink_shut: float
    blink_open: float


@dataclass(kw_only=True)
class ControlSettings:
    """What the protocol `controls` asks for; an empty list leaves a control out.

    Attributes:
        num_clips: sources, each with its own sentence.
        gaze_theta: sideways, rad.
        gaze_phi: up and down, rad.
        distance: over the mean distance.
        emotions: by name.
        emotion_weight: of the emotion asked for; the rest is neutral.
        guidance: lambdas of the control asked for; the first is that of the plain rows.
    """

    num_clips: int
    gaze_theta: list[float]
    gaze_phi: list[float]
    distance: list[float]
    emotions: list[str]
    emotion_weight: float
    guidance: list[float]


@dataclass(kw_only=True)
class DiversitySettings:
    """Samples of the protocol `diversity`.

    Attributes:
        num_clips: sources, each with its own sentence.
        num_samples: of each sentence, at least two.
    """

    num_clips: int
    num_samples: int


@dataclass(kw_only=True)
class CappSettings:
    """What the protocol `capp` does to pairs of head motion and sound.

    Attributes:
        set_name: what rows are named by: synthetic or real.
        shift_frames: of the sound, both ways; the largest is kept free at both ends of a clip.
        scales: of the differences of poses.
        stride_frames: between the starts of windows.
    """

    set_name: str
    shift_frames: list[int]
    scales: list[float]
    stride_frames: int


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
        crf: of the codec that all scored videos go through, generated and real ones.
        frame_stride: frames between scored frames of reenactments.
        mouth_margin: of the mouth box, as a share of the lips' width.
        perceptual: network of the perceptual distance: vgg19, squeezenet; lpips_vgg or lpips_alex
            for LPIPS; or none to leave it out.
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
        events: closed lips and blinks.
        controls: of the protocol controls.
        diversity: of the protocol diversity.
        capp: of the protocol capp.
        methods: of the protocol methods.
        list: file of clip keys, which are scored in place of `num_clips` of the split.
        list_rule: by which that file is drawn and written where it is not there; without `list` it
            is `<list_rule>.txt` beside the results.
        list_rules: by name.
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
    crf: int
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
    events: EventSettings
    controls: ControlSettings
    diversity: DiversitySettings
    capp: CappSettings
    methods: MethodSettings
    list: str | None
    list_rule: str | None
    list_rules: dict[str, ListRule]
    num_sheet_rows: int
    num_videos: int
    criteria: Criteria

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
        settings.check_samples()
        settings.methods.check()
        settings.check_list()
        known = (*PERCEPTUAL_NETWORKS, *LPIPS_NETWORKS, NO_NETWORK)
        if settings.perceptual not in known:
            raise InputError(
                f"expected evaluation.perceptual to be one of {known}, got {settings.perceptual!r}"
            )
        return settings

    def check_samples(self) -> None:
        """What the types can't say of `controls`, `diversity` and `capp`.

        Raises:
            InputError: fewer than two values or samples, an unknown emotion, no guidance, or
                shifts without 0.
        """
        for name in ("gaze_theta", "gaze_phi", "distance", "emotions"):
            values = getattr(self.controls, name)
            if values and len(set(values)) < max(2, len(values)):
                raise InputError(
                    f"expected evaluation.controls.{name} of at least two different values, or [] "
                    f"to leave it out, got {values}"
                )
        if unknown := set(self.controls.emotions) - set(EMOTIONS):
            raise InputError(
                f"expected evaluation.controls.emotions of {', '.join(EMOTIONS)}, got "
                f"{', '.join(sorted(unknown))}"
            )
        lambdas = self.controls.guidance
        if not lambdas or len(set(lambdas)) < len(lambdas):
            raise InputError(
                f"expected evaluation.controls.guidance of different lambdas, got {lambdas}"
            )
        if self.diversity.num_samples < 2:
            raise InputError(
                "expected evaluation.diversity.num_samples of at least 2, got "
                f"{self.diversity.num_samples}"
            )
        shifts = self.capp.shift_frames
        if 0 not in shifts or min(shifts) < 0 or self.capp.stride_frames < 1:
            raise InputError(
                "expected evaluation.capp.shift_frames of 0 and more with 0 among them and a "
                f"stride_frames of at least 1, got {shifts} and {self.capp.stride_frames}"
            )

    def check_list(self) -> None:
        """Whether the clip list's rule is there.

        Raises:
            InputError: an unknown rule, or one that contradicts itself.
        """
        if self.list_rule is not None and self.list_rule not in self.list_rules:
            raise InputError(
                f"expected evaluation.list_rule of {', '.join(self.list_rules)}, got "
                f"{self.list_rule!r}"
            )
        for name, rule in self.list_rules.items():
            rule.check(name)

    def judges(self) -> Judges:
        """The criteria as objects."""
        try:
            return [Criterion(**criterion) for criterion in self.criteria]
        except TypeError as error:
            raise InputError(f"expected criteria of metric, rule and bound: {error}") from error


@dataclass(frozen=True, kw_only=True)
class EvaluationInputs:
    """What is evaluated: folders (`data`: a set at a URL too), None where it is not given.

    In place of a run `syncnet` may be `official`, the published weights.
    """

    data: Path | ShardRoot
    stage1: Path
    stage2: Path | None
    syncnet: Path | None
    expert: Path | None
    capp: Path | None = None
