"""The videos that `vasa generate` makes: what is asked for, whether it is there, and its making."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from tqdm import tqdm

from data_prep.locate import TrackedFaceLocator
from data_prep.settings import TrackSettings
from vasa.cli.outputs import file_hash, is_complete, mark_complete
from vasa.data.audio_features import num_video_frames
from vasa.data.video import VideoWriter
from vasa.diffusion.sampler import make_sampler
from vasa.inference.controls import read_controls
from vasa.inference.face_locator import ExpertLocator, FaceLocator
from vasa.inference.paste import PasteBack
from vasa.inference.picture import read_picture
from vasa.inference.pipeline import RenderSettings, TalkingFace, to_video_frames
from vasa.inference.pose_override import PoseOverride, read_pose
from vasa.inference.sound import conversion_notice, original_sound, read_speech
from vasa.inference.speech_features import KnownFeatures
from vasa.inference.windows import PRECISIONS, MotionSettings, chosen_plan
from vasa.models.checkpoint import load_model, model_hash
from vasa.types import InputError

_LEAST = {
    **{"seed": 0, "steps": 1, "num_samples": 1, "batch_size": 1},
    **{"hop_frames": 1, "lookahead_frames": 0, "eta": 0.0, "start_blend_s": 0.0},
}
"""Least values of numbers; whole ones are whole numbers."""
_OF_A_RUN = ("batch", "num_samples")
_CONTROLS = ("gaze", "distance", "emotion")


class Studio:
    """What all videos of a run share, loaded when it is first needed.

    Args:
        cfg: the run's configuration.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self._cfg = cfg

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Of both models' files."""
        return {stage: model_hash(self._cfg[stage]) for stage in ("stage1", "stage2")}

    @cached_property
    def face(self) -> TalkingFace:
        """Both stages."""
        return TalkingFace.load(
            stage1=Path(self._cfg.stage1),
            stage2=Path(self._cfg.stage2),
            device=torch.device(self._cfg.device),
        )

    @cached_property
    def locator(self) -> FaceLocator:
        """The expert if one is given, else the detector of `vasa prep` if its weights are there."""
        if self._cfg.expert is not None:
            return ExpertLocator(expert=load_model(self._cfg.expert))
        if TrackedFaceLocator.available():
            track: Any = OmegaConf.to_container(self._cfg.track)
            return TrackedFaceLocator(settings=TrackSettings(**track))
        raise InputError(
            "expected a way to find the face: set VASA_WEIGHTS to the folder of face_detect.pt and "
            "face_landmarks.pt, or give expert=RUN (a trained face expert) for a picture that is "
            "a face crop already"
        )


class Source:
    """The inputs of a request, read once for all its samples.

    Args:
        config: the request's.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    @cached_property
    def photo(self) -> Tensor:
        """`3 h w` in [0, 1]."""
        return read_picture(Path(self._config["image"]))

    @cached_property
    def speech(self) -> Tensor:
        """`n`, as the model hears it."""
        samples = read_speech(Path(self._config["audio"]))
        if notice := conversion_notice(Path(self._config["audio"])):
            print(notice)
        return samples

    @cached_property
    def known_features(self) -> KnownFeatures | None:
        """Of the speech, where more than one sample needs them."""
        return {} if self._config["num_samples"] > 1 else None

    @cached_property
    def pose(self) -> PoseOverride | None:
        """What is asked of the head's pose."""
        return read_pose(self._config["pose"])


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video to make.

    Attributes:
        config: its settings, with its own seed and output.
        hashes: of its files and models.
        source: its inputs.
    """

    config: Mapping[str, Any]
    hashes: Mapping[str, str]
    source: Source

    @property
    def output(self) -> Path:
        """The mp4."""
        return Path(self.config["output"])

    @property
    def _marker(self) -> Path:
        return self.output.with_suffix(".json")

    @property
    def _record(self) -> dict[str, Any]:
        return {"config": dict(self.config), **self.hashes}

    def is_done(self) -> bool:
        """Whether exactly this was made before."""
        return self.output.is_file() and is_complete(self._marker, self._record)

    def num_frames(self) -> int:
        """Frames of the video that is there."""
        return json.loads(self._marker.read_text())["frames"]

    def make(self, studio: Studio) -> None:
        """Generate and write it; but for the speech, memory does not grow with its length.

        Raises:
            InputError: the inputs are not what they should be.
        """
        photo, speech, pose = self.source.photo, self.source.speech, self.source.pose
        face, size = studio.face, studio.face.autoencoder.image_size
        motion = motion_settings(self.config, face=face)
        found = studio.locator(photo, size=size)
        paste = PasteBack(photo, found.square, size=size) if self.config["paste"] else None
        render = RenderSettings(
            batch_size=self.config["batch_size"],
            start_blend_s=self.config["start_blend_s"],
            precision=self.config["render"]["precision"],
            is_compiled=self.config["render"]["compile"],
        )
        frames = face.frames(
            found.crop,
            speech,
            motion=motion,
            render=render,
            edit=pose,
            known=self.source.known_features,
        )
        self._clear_the_place()
        sound = original_sound(Path(self.config["audio"]))
        total = num_video_frames(len(speech))
        bar = tqdm(total=total, desc=self.output.name, unit="frame", mininterval=1.0)
        with bar, VideoWriter(self.output, sound=sound) as writer:
            for batch in frames:
                if paste is None:
                    writer.add(to_video_frames(batch))
                else:
                    for frame in batch:
                        writer.add(paste(frame)[None])
                bar.update(len(batch))
        mark_complete(self._marker, self._record, frames=writer.num_frames)

    def _clear_the_place(self) -> None:
        try:
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self._marker.unlink(missing_ok=True)
            self.output.with_name(f"{self.output.name}.part").touch()
        except OSError as error:
            raise InputError(
                f"expected a place to write {self.output}, got: {error.strerror}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for: one video, or several samples of it.

    Attributes:
        config: the settings, resolved.
    """

    config: Mapping[str, Any]

    @staticmethod
    def of(cfg: DictConfig) -> "Request":
        """The request of a whole configuration.

        Raises:
            InputError: a setting makes no sense by itself.
        """
        config: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
        _check_numbers(config)
        render = config["render"]
        for name, flag in (("paste", config["paste"]), ("render.compile", render["compile"])):
            if not isinstance(flag, bool):
                raise InputError(f"expected {name}=true or false, got {flag!r}")
        named = {"precision": config["precision"], "render.precision": render["precision"]}
        for name, precision in named.items():
            if precision not in PRECISIONS:
                raise InputError(
                    f"expected {name} to be one of {', '.join(PRECISIONS)}, got {precision!r}"
                )
        read_controls(**{name: config[name] for name in _CONTROLS})
        config |= {name: str(config[name]) for name in ("image", "audio", "output")}
        if Path(config["output"]).suffix != ".mp4":
            raise InputError(f"expected output=NAME.mp4, got {config['output']}")
        request = Request(config=config)
        inputs = {Path(config[name]).resolve() for name in ("image", "audio")}
        if inputs & {path.resolve() for path in request.outputs()}:
            raise InputError(
                f"expected an output beside the inputs, {config['output']} is one of them"
            )
        return request

    def outputs(self) -> list[Path]:
        """NAME.mp4, or NAME_0.mp4, NAME_1.mp4, ..."""
        output, num = Path(self.config["output"]), self.config["num_samples"]
        if num == 1:
            return [output]
        return [output.with_stem(f"{output.stem}_{index}") for index in range(num)]

    def videos(self, studio: Studio) -> list[Video]:
        """Its samples, of seeds from `seed` on.

        Raises:
            InputError: a file or a model is missing.
        """
        hashes = dict(studio.hashes)
        for name, kind in (("image", "an image"), ("audio", "an audio"), ("pose", "a pose")):
            if isinstance(path := self.config[name], str):
                if not Path(path).is_file():
                    raise InputError(f"expected {kind} file, found none at {path}")
                hashes[name] = file_hash(Path(path))
        shared = {key: value for key, value in self.config.items() if key not in _OF_A_RUN}
        source = Source(self.config)
        return [
            Video(
                config={**shared, "seed": self.config["seed"] + index, "output": str(output)},
                hashes=hashes,
                source=source,
            )
            for index, output in enumerate(self.outputs())
        ]


def _check_numbers(config: Mapping[str, Any]) -> None:
    for key, least in _LEAST.items():
        value = config[key]
        if key == "hop_frames" and value is None:
            continue
        kinds = (int,) if isinstance(least, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not value >= least:
            name = "a whole number" if isinstance(least, int) else "a number"
            raise InputError(f"expected {name} from {least:g} on for {key}, got {value!r}")
    for name, scale in config["guidance"].items():
        if isinstance(scale, bool) or not isinstance(scale, (int, float)):
            raise InputError(f"expected a number for guidance.{name}, got {scale!r}")


def motion_settings(config: Mapping[str, Any], *, face: TalkingFace) -> MotionSettings:
    """How motion is sampled; warns of guidance by a control that is not given.

    Raises:
        InputError: the sampler or the plan of chunks makes no sense for this model.
    """
    for name in _CONTROLS:
        if config[name] is None and (scale := config["guidance"].get(name, 0)):
            warnings.warn(f"guidance.{name}={scale} has no effect: {name}=null", stacklevel=2)
    try:
        sampler = make_sampler(
            name=config["sampler"],
            schedule=face.motion_model.schedule,
            num_steps=config["steps"],
            eta=config["eta"],
        )
        plan = chosen_plan(
            face.motion_model,
            hop_frames=config["hop_frames"],
            lookahead_frames=config["lookahead_frames"],
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    return MotionSettings(
        guidance=config["guidance"],
        sampler=sampler,
        seed=config["seed"],
        controls=read_controls(**{name: config[name] for name in _CONTROLS}),
        plan=plan,
        precision=config["precision"],
    )
