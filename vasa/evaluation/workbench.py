"""What protocols share: clips, networks and generated videos, each made once and only if needed."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from vasa.data.schema import FPS, SPLITS
from vasa.data.shards import read_index
from vasa.evaluation.capp_windows import CappScorer
from vasa.evaluation.clips import EvaluationClip, load_clips
from vasa.evaluation.control_sweep import Asked, SweepReadings, asked_values, read_sweep
from vasa.evaluation.counterfactuals import (
    Counterfactuals,
    CounterfactualSource,
    to_counterfactuals,
)
from vasa.evaluation.devices import AutoencoderOn, InstrumentOn, SyncNetOn
from vasa.evaluation.emotion_reader import EmotionReader, ExpertEmotion, MeasuredEmotion
from vasa.evaluation.measuring import Instrument, PerceptualScale
from vasa.evaluation.protocols.pairing import unrelated
from vasa.evaluation.protocols.probes import random_twin
from vasa.evaluation.results import Bootstrap
from vasa.evaluation.sample_spread import SourceSamples, source_samples
from vasa.evaluation.settings import NO_NETWORK, EvaluationInputs, EvaluationSettings
from vasa.evaluation.talker import Talker, load_talker
from vasa.models.capp import Capp
from vasa.models.checkpoint import load_model, model_hash
from vasa.models.motion_transformer import MotionTransformer
from vasa.pretrained.perceptual import make_perceptual
from vasa.types import InputError

Track = Callable[[Iterable], Iterable]


class Workbench:
    """Loads on first use.

    Args:
        settings: of the evaluation.
        inputs: folders of data and runs.
        seed: of everything random.
        cache: folder that keeps generated videos between starts.
        track: wraps long loops (a progress bar).
        pretrained: the measuring expert of real faces; None: the run `expert`.
        device: where networks compute.
        counterfactual_source: draws pictures with single factors changed; None where nobody can.
    """

    def __init__(
        self,
        *,
        settings: EvaluationSettings,
        inputs: EvaluationInputs,
        seed: int,
        cache: Path,
        track: Track,
        pretrained: Any | None,
        device: torch.device,
        counterfactual_source: CounterfactualSource | None = None,
    ) -> None:
        self.counterfactual_source = counterfactual_source
        self.settings = settings
        self.inputs = inputs
        self.seed = seed
        self.cache = cache
        self.track = track
        self.pretrained = pretrained
        self.device = device
        self.bootstrap = Bootstrap(num_resamples=settings.num_resamples, seed=seed)

    def required(self, role: str) -> Path:
        """The folder of a role.

        Raises:
            InputError: it was not given.
        """
        path = getattr(self.inputs, role)
        if path is None:
            raise InputError(
                f"this evaluation needs {role}=RUN (a finished run folder); give it, or leave its "
                "protocols out with evaluation.protocols=[...]"
            )
        return path

    @cached_property
    def autoencoder(self) -> Any:
        """Stage 1."""
        net = load_model(self.inputs.stage1).requires_grad_(False)
        if not hasattr(net, "motion"):
            raise InputError(
                f"expected a stage-1 run at {self.inputs.stage1}, it holds a {type(net).__name__}"
            )
        return AutoencoderOn(net, self.device)

    @cached_property
    def random_autoencoder(self) -> Any:
        """Stage 1 as it was before it had learned anything."""
        folder = self.inputs.stage1 / "model"
        folder = folder if folder.is_dir() else self.inputs.stage1
        arguments = json.loads((folder / "config.json").read_text())
        arguments.pop("_target_")
        kind = type(self.autoencoder.net)
        twin = random_twin(build=lambda: kind(**arguments), seed=self.seed)
        return AutoencoderOn(twin, self.device)

    @cached_property
    def instrument(self) -> Instrument:
        """The measuring expert."""
        net = self.pretrained
        if net is None:
            net = load_model(self.required("expert")).requires_grad_(False)
        return InstrumentOn(net, self.device)

    @cached_property
    def perceptual(self) -> PerceptualScale | None:
        """The perceptual distance's network; None where the evaluation leaves it out.

        Raises:
            InputError: its weights are not there; nothing stands in for them.
        """
        name = self.settings.perceptual
        if name == NO_NETWORK or "self_reenactment" not in self.settings.protocols:
            return None
        try:
            network = make_perceptual(name)
        except InputError as error:
            raise InputError(
                f"{error}; or leave the distance out with evaluation.perceptual={NO_NETWORK}"
            ) from error
        return PerceptualScale(
            name=name, network=network, device=self.device, is_in_loss=self._loss_network() == name
        )

    def _loss_network(self) -> str | None:
        """The network that stage 1's perceptual loss looked through, where its run says so."""
        path = self.inputs.stage1 / "config.yaml"
        if not path.is_file():
            return None
        return OmegaConf.select(OmegaConf.load(path), "module.perceptual")

    @cached_property
    def syncnet(self) -> Any:
        """The scorer of lip sync."""
        net = load_model(self.required("syncnet")).requires_grad_(False)
        if not hasattr(net, "embed_audio"):
            raise InputError(
                f"expected a SyncNet run at {self.inputs.syncnet}, it holds a {type(net).__name__}"
            )
        return SyncNetOn(net, self.device)

    @cached_property
    def capp(self) -> CappScorer:
        """The scorer of head motion."""
        net = load_model(self.required("capp")).requires_grad_(False)
        if not isinstance(net, Capp):
            raise InputError(
                f"expected a CAPP run at {self.inputs.capp}, it holds a {type(net).__name__}"
            )
        settings = self.settings.capp
        return CappScorer(
            net=net.to(self.device),
            device=self.device,
            margin_frames=max(settings.shift_frames),
            stride_frames=settings.stride_frames,
        )

    @cached_property
    def clips(self) -> list[EvaluationClip]:
        """The held-out clips."""
        return self._load(self.settings.split, self.settings.num_clips)

    @cached_property
    def probe_clips(self) -> tuple[list[EvaluationClip], list[EvaluationClip]]:
        """Clips that probes are fitted on, and others that their penalty is chosen on.

        A set without a val split gives every fourth of its training people for that.
        """
        splits = set(read_index(self.inputs.data)["split"])
        train = self._load("train", self.settings.probe_train_clips)
        if "val" in splits:
            return train, self._load("val", self.settings.probe_val_clips)
        held_back = set(sorted({clip.speaker for clip in train})[::4])
        return (
            [clip for clip in train if clip.speaker not in held_back],
            [clip for clip in train if clip.speaker in held_back],
        )

    @cached_property
    def counterfactuals(self) -> list[Counterfactuals]:
        """Held-out people with single factors changed.

        Raises:
            InputError: nobody can draw them from this data.
        """
        if self.counterfactual_source is None:
            raise InputError(
                "the protocol disentanglement needs a synthetic set whose factors can be changed "
                "one at a time; run it by vasa evaluate with data= from vasa synth"
            )
        clips = self.counterfactual_source(
            self.settings.counterfactual_people,
            self.settings.counterfactual_states,
            self.settings.counterfactual_bases,
        )
        return [to_counterfactuals(c, image_size_px=self.autoencoder.image_size) for c in clips]

    def _load(self, split: str, num_clips: int) -> list[EvaluationClip]:
        assert split in SPLITS, f"no split {split!r}"
        clips = list(
            load_clips(
                self.inputs.data,
                split=split,
                num_clips=num_clips,
                max_seconds=self.settings.max_seconds,
                image_size_px=self.autoencoder.image_size,
            )
        )
        if not clips:
            raise InputError(
                f"expected usable clips of split {split!r} in {self.inputs.data}, found none"
            )
        return clips

    @cached_property
    def videos(self) -> list[Tensor]:
        """Each held-out clip's first frame saying its audio, uint8 `t c h w`; kept on disk."""
        folder = self.cache / "generated"
        folder.mkdir(parents=True, exist_ok=True)
        videos = []
        for index, clip in enumerate(self.track(self.clips)):
            path = folder / f"{index:03d}.npz"
            if not path.is_file():
                frames = self.talker(clip.source(), clip.audio, self.seed + index)
                part = path.with_name(path.name + ".part")
                with part.open("wb") as file:
                    np.savez_compressed(file, frames=frames.cpu().numpy())
                part.replace(path)
            with np.load(path) as arrays:
                videos.append(torch.from_numpy(arrays["frames"]))
        return videos

    @cached_property
    def talker(self) -> Talker:
        """Stage 1 and stage 2 together."""
        return load_talker(
            stage1=self.inputs.stage1,
            stage2=self.required("stage2"),
            settings=self.settings.generation,
            batch_size=self.settings.batch_size,
            device=self.device,
        )

    @property
    def start_frames(self) -> int:
        """Frames in which a generated head still comes from the source's pose."""
        return round(self.settings.generation.start_blend_s * FPS)

    @cached_property
    def asked_distance(self) -> float:
        """The head distance that videos are asked for where nobody says another."""
        model = load_model(self.required("stage2"))
        if not isinstance(model, MotionTransformer):
            raise InputError(
                f"expected a stage-2 run at {self.inputs.stage2}, it holds a {type(model).__name__}"
            )
        return float(model.distance_scale.mean)

    @cached_property
    def emotion_reader(self) -> EmotionReader | None:
        """Who reads emotion off frames; None where it is not asked for."""
        if not self.settings.controls.emotions:
            return None
        if self.pretrained is not None:
            return ExpertEmotion(self.pretrained, device=self.device)
        return MeasuredEmotion()

    @cached_property
    def asked(self) -> list[Asked]:
        """All values of all controls that each source is asked for."""
        return asked_values(self.settings.controls)

    @cached_property
    def sweeps(self) -> dict[float, list[SweepReadings]]:
        """By lambda, what the frames of each source show for `asked`; kept on disk."""
        settings = self.settings
        found: dict[float, list[SweepReadings]] = {
            scale: [] for scale in settings.controls.guidance
        }
        for index, clip in enumerate(self.track(self.clips[: settings.controls.num_clips])):
            for scale, readings in found.items():
                path = self.cache / "controls" / f"{index:03d}_{scale:g}.npz"
                if not path.is_file():
                    read_sweep(
                        self.talker,
                        clip,
                        asked=self.asked,
                        scale=scale,
                        guidance=settings.generation.guidance,
                        seed=self.seed + index,
                        start_frames=self.start_frames,
                        instrument=self.instrument,
                        reader=self.emotion_reader,
                        batch_size=settings.batch_size,
                    ).save(path)
                readings.append(SweepReadings.load(path))
        return found

    @cached_property
    def samples(self) -> list[SourceSamples]:
        """Several videos of each source, of one audio and of different ones; kept on disk.

        Raises:
            InputError: there are too few sentences.
        """
        settings = self.settings
        count = settings.diversity.num_samples
        found = []
        for index, clip in enumerate(self.track(self.clips[: settings.diversity.num_clips])):
            path = self.cache / "diversity" / f"{index:03d}.npz"
            if not path.is_file():
                others = unrelated(self.clips, index)
                if len(others) < count:
                    raise InputError(
                        f"expected {count} held-out clips with another sentence than {clip.key}, "
                        f"found {len(others)}; lower evaluation.diversity.num_samples"
                    )
                source_samples(
                    self.talker,
                    clip.source(),
                    sound=clip.audio,
                    other_sounds=[self.clips[other].audio for other in others[:count]],
                    seeds=[self.seed + index + 1000 * sample for sample in range(count)],
                    start_frames=self.start_frames,
                    instrument=self.instrument,
                    batch_size=settings.batch_size,
                ).save(path)
            found.append(SourceSamples.load(path))
        return found

    def describe_models(self) -> dict[str, dict[str, str]]:
        """Name and hash of every network that a number depends on, by role."""
        found = {}
        for role in ("stage1", "stage2", "syncnet", "capp", "expert"):
            path = getattr(self.inputs, role)
            if path is not None:
                found[role] = {
                    "name": _model_name(path),
                    "path": str(path),
                    "hash": model_hash(path),
                }
        return found

    def describe_instrument(self) -> list[dict[str, str]]:
        """The experts behind re-measured numbers: `name` and `hash` of each."""
        if self.pretrained is None:
            path = self.required("expert")
            return [{"name": _model_name(path), "hash": model_hash(path)}]
        described = self.pretrained.describe()
        return [
            {"name": expert["name"], "hash": expert["sha256"]}
            for expert in ([described] if isinstance(described, dict) else described)
        ]

    def describe_perceptual(self) -> list[dict[str, str]]:
        """The network of the perceptual distance, `name` and `hash`; none where it is left out."""
        if self.perceptual is None:
            return []
        described = self.perceptual.network.describe()
        return [{"name": described["name"], "hash": described["sha256"]}]

    def identity(self) -> str:
        """sha256 over all that decides the numbers: settings, seed, data index, networks."""
        index = self.inputs.data / "index.parquet"
        if not index.is_file():
            read_index(self.inputs.data)
        networks = {role: model["hash"] for role, model in self.describe_models().items()}
        facts = {
            "settings": asdict(self.settings),
            "seed": self.seed,
            "data": hashlib.sha256(index.read_bytes()).hexdigest(),
            "networks": networks,
            "instrument": self.describe_instrument(),
            "perceptual": self.describe_perceptual(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _model_name(path: Path) -> str:
    folder = path / "model" if (path / "model").is_dir() else path
    config = folder / "config.json"
    if not config.is_file():
        model_hash(path)  # raises with the right words
    return json.loads(config.read_text())["_target_"].rsplit(".", 1)[-1]
