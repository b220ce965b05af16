"""Motion of any length by sliding windows (VASA-1 sec. 3.3).

The audio is cut into windows, generated one after another, each given the last K frames of motion
and audio of the one before. Shapes: r rows (samples of one speech), t frames, m motion, f audio
features.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from einops import repeat
from torch import Tensor

from vasa.data.order import step_generator
from vasa.diffusion.guidance import Guidance
from vasa.diffusion.sampler import Sampler, draw_rows
from vasa.models.conditions import Conditions
from vasa.models.motion_transformer import MotionTransformer
from vasa.types import InputError

PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True, kw_only=True)
class MotionControls:
    """What the user may ask of the motion; None: left to the model.

    Attributes:
        gaze: main gaze theta, phi in rad; the default is forward.
        distance: head distance over the mean distance; "mean" is that of the training split.
        emotion: weights of the eight emotions.
    """

    gaze: tuple[float, float] | None = (0.0, 0.0)
    distance: float | None | str = "mean"
    emotion: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class ChunkPlan:
    """Which frames are made at once; the same plan gives the same motion, streamed or not.

    Unspecified in the paper, whose windows follow each other without overlap: how the first frame
    comes before W frames have been spoken. Here windows may be shorter than in training.

    Attributes:
        hop_frames: of motion, made at a time.
        lookahead_frames: of audio beyond them, that are heard: the window reaches over them, but
            their motion is thrown away and made anew in the next one.
    """

    hop_frames: int
    lookahead_frames: int = 0

    def __post_init__(self) -> None:
        if self.hop_frames < 1 or self.lookahead_frames < 0:
            raise InputError(
                "expected a plan of at least 1 frame of motion at a time and 0 or more of "
                f"look-ahead, got {self.hop_frames} and {self.lookahead_frames}"
            )

    @property
    def window_frames(self) -> int:
        """Frames of a whole window."""
        return self.hop_frames + self.lookahead_frames

    def windows(self, num_frames: int) -> Iterator[slice]:
        """The frames of each window of a clip."""
        for start in range(0, num_frames, self.hop_frames):
            yield slice(start, min(start + self.window_frames, num_frames))


def chosen_plan(
    model: MotionTransformer, *, hop_frames: int | None, lookahead_frames: int
) -> ChunkPlan | None:
    """The plan of settings that may leave the hop to the model; None: the model's own.

    Raises:
        InputError: no plan has these numbers.
    """
    if hop_frames is None and not lookahead_frames:
        return None
    hop = model.window if hop_frames is None else hop_frames
    return ChunkPlan(hop_frames=hop, lookahead_frames=lookahead_frames)


@dataclass(frozen=True, kw_only=True)
class MotionSettings:
    """How motion is sampled.

    Attributes:
        guidance: lambda of each condition by name (VASA-1 eq. 2).
        sampler: a sampler of `vasa.diffusion.sampler` over the model's schedule.
        seed: of the noise; window i draws from (seed, i).
        controls: gaze, distance, emotion.
        plan: which frames are made at once; None: the model's W at a time, as in training.
        precision: of the model, one of `PRECISIONS`; "bf16-mixed" is faster on a GPU and on
            processors that multiply bfloat16, and differs in the second digit of the deviation.
    """

    guidance: Mapping[str, float]
    sampler: Sampler
    seed: int
    controls: MotionControls = field(default_factory=MotionControls)
    plan: ChunkPlan | None = None
    precision: str = "32-true"

    def plan_for(self, model: MotionTransformer) -> ChunkPlan:
        """The plan, where none is asked for that of the model.

        Raises:
            InputError: its windows are longer than the model was trained on.
        """
        if self.plan is None:
            return ChunkPlan(hop_frames=model.window)
        if self.plan.window_frames > model.window:
            raise InputError(
                f"expected windows of at most the {model.window} frames that the motion model was "
                f"trained on, got {self.plan.hop_frames} at a time and "
                f"{self.plan.lookahead_frames} of look-ahead; ask for fewer"
            )
        return self.plan


class MotionWindows:
    """Motion window by window; remembers the last K frames of motion and audio, and no more.

    Row i draws from `seeds[i]`, whatever the other rows: one motion is the same alone and among
    others, but for the rounding of products of larger matrices.

    Args:
        model: H.
        settings: how to sample.
        seeds: of the rows; None: one row, of the settings' seed.
    """

    def __init__(
        self,
        model: MotionTransformer,
        settings: MotionSettings,
        *,
        seeds: Sequence[int] | None = None,
    ) -> None:
        self.model = model
        self.settings = settings
        self.plan = settings.plan_for(model)
        self.seeds = (settings.seed,) if seeds is None else tuple(seeds)
        self._index = 0
        self._before: tuple[Tensor, Tensor] | None = None
        self._controls: dict[str, Tensor] | None = None

    @torch.inference_mode()
    def next(self, audio: Tensor) -> Tensor:
        """Motion of the next window.

        Args:
            audio: features of its frames, `t f`; fewer than the plan's only at the end.

        Returns:
            [z_pose, z_dyn] of its first `hop_frames` in their own units, `r t m`.
        """
        rows, model = len(self.seeds), self.model
        if self._controls is None:
            controls = _control_tensors(model, self.settings.controls, audio.device)
            self._controls = {k: repeat(v, "1 c -> r c", r=rows) for k, v in controls.items()}
        generators = [step_generator(seed, self._index, "generate-window") for seed in self.seeds]
        noise = draw_rows((len(audio), model.num_motion), generators).to(audio.device)
        conditions = Conditions(
            audio=repeat(audio, "t f -> r t f", r=rows), **self._previous(), **self._controls
        )
        guided = Guidance(model, conditions, scales=self.settings.guidance)

        def predict_x0(x_t: Tensor, t: Tensor) -> Tensor:
            is_mixed = self.settings.precision == "bf16-mixed"
            with torch.autocast(x_t.device.type, torch.bfloat16, enabled=is_mixed):
                return guided(x_t, t).float()

        x0 = self.settings.sampler.sample(predict_x0, noise, generators)
        kept = slice(0, self.plan.hop_frames)
        motion = model.denormalise(x0)[:, kept]
        self._remember(motion, audio[kept])
        self._index += 1
        return motion

    def _previous(self) -> dict[str, Tensor]:
        """X_pre and A_pre; frames before the first are marked as absent."""
        if self._before is None:
            return {}
        motion, audio = self._before
        known, wanted = len(audio), self.model.num_previous
        told = {
            "motion_pre": torch.nn.functional.pad(motion, (0, 0, wanted - known, 0)),
            "audio_pre": torch.nn.functional.pad(audio, (0, 0, wanted - known, 0)),
        }
        told["audio_pre"] = repeat(told["audio_pre"], "k f -> r k f", r=len(motion))
        if known < wanted:
            mask = torch.arange(wanted, device=audio.device) >= wanted - known
            told["pre_mask"] = repeat(mask, "k -> r k", r=len(motion))
        return told

    def _remember(self, motion: Tensor, audio: Tensor) -> None:
        if self._before is not None:
            motion = torch.cat((self._before[0], motion), dim=1)
            audio = torch.cat((self._before[1], audio))
        first = max(0, len(audio) - self.model.num_previous)
        self._before = (motion[:, first:].clone(), audio[first:].clone())


def generate_motion(model: MotionTransformer, audio: Tensor, settings: MotionSettings) -> Tensor:
    """Motion for a whole clip.

    Args:
        model: H.
        audio: audio features of the clip, `t f`.
        settings: how to sample.

    Returns:
        [z_pose, z_dyn] in their own units, `t m`.
    """
    return generate_samples(model, audio, settings, seeds=(settings.seed,))[0]


def generate_samples(
    model: MotionTransformer, audio: Tensor, settings: MotionSettings, *, seeds: Sequence[int]
) -> Tensor:
    """Several motions for one clip, in one batch.

    Args:
        model: H.
        audio: audio features of the clip, `t f`.
        settings: how to sample; its seed is left alone.
        seeds: one a sample.

    Returns:
        [z_pose, z_dyn] in their own units, `r t m`.
    """
    windows = MotionWindows(model, settings, seeds=seeds)
    pieces = [windows.next(audio[part]) for part in windows.plan.windows(len(audio))]
    return torch.cat(pieces, dim=1)


def _control_tensors(
    model: MotionTransformer, controls: MotionControls, device: torch.device
) -> dict[str, Tensor]:
    values: dict[str, Tensor] = {}
    if controls.gaze is not None:
        values["gaze"] = torch.tensor([controls.gaze], dtype=torch.float32)
    if controls.distance == "mean":
        values["distance"] = model.distance_scale.mean[None]
    elif controls.distance is not None:
        values["distance"] = torch.tensor([[controls.distance]], dtype=torch.float32)
    if controls.emotion is not None:
        values["emotion"] = torch.tensor([controls.emotion], dtype=torch.float32)
    return {name: value.to(device) for name, value in values.items()}
