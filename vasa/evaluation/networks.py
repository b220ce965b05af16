"""The networks of an evaluation, each loaded once and only if needed, and what they are named."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from vasa.evaluation.capp_windows import CappScorer
from vasa.evaluation.clip_features import ClipFeatures, i3d_features
from vasa.evaluation.devices import AutoencoderOn, InstrumentOn, SyncNetOn
from vasa.evaluation.emotion_reader import EmotionReader, ExpertEmotion, MeasuredEmotion
from vasa.evaluation.measuring import Instrument, LpipsScale, PerceptualScale
from vasa.evaluation.protocols.probes import random_twin
from vasa.evaluation.settings import NO_NETWORK, EvaluationInputs, EvaluationSettings
from vasa.evaluation.talker import Talker, load_talker
from vasa.models.capp import Capp
from vasa.models.checkpoint import load_model, model_hash
from vasa.models.motion_transformer import MotionTransformer
from vasa.pretrained.lpips import LPIPS_NETWORKS, Lpips
from vasa.pretrained.perceptual import make_perceptual
from vasa.types import InputError

PERCEIVING = {"self_reenactment"}
"""Protocols that look through the perceptual network."""


class Networks:
    """Loads on first use.

    Args:
        settings: of the evaluation.
        inputs: folders of data and runs.
        seed: of everything random.
        pretrained: the measuring expert of real faces; None: the run `expert`.
        device: where networks compute.
    """

    def __init__(
        self,
        *,
        settings: EvaluationSettings,
        inputs: EvaluationInputs,
        seed: int,
        pretrained: Any | None,
        device: torch.device,
    ) -> None:
        self.settings = settings
        self.inputs = inputs
        self.seed = seed
        self.pretrained = pretrained
        self.device = device

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
    def perceptual(self) -> PerceptualScale | LpipsScale | None:
        """The perceptual distance's network; None where the evaluation leaves it out.

        Raises:
            InputError: its weights are not there; nothing stands in for them.
        """
        name = self.settings.perceptual
        if name == NO_NETWORK or not PERCEIVING & set(self.settings.protocols):
            return None
        try:
            if name in LPIPS_NETWORKS:
                return LpipsScale(name=name, network=Lpips(name), device=self.device)
            network = make_perceptual(name)
        except InputError as error:
            raise InputError(
                f"{error}; or leave the distance out with evaluation.perceptual={NO_NETWORK}"
            ) from error
        return PerceptualScale(
            name=name, network=network, device=self.device, is_in_loss=self._loss_network() == name
        )

    def i3d(self, *, num_clips: int) -> ClipFeatures | None:
        """Who describes short clips for FVD, enough of each of so many; None where nobody asks.

        Raises:
            InputError: its file is not there.
        """
        methods = self.settings.methods
        if "fvd_25" not in methods.published:
            return None
        return i3d_features(
            max_rows=methods.fvd_rows, num_clips=num_clips, seed=self.seed, device=self.device
        )

    def _loss_network(self) -> str | None:
        """The network that stage 1's perceptual loss looked through, where its run says so."""
        return self._trained_with("perceptual")

    def _trained_with(self, name: str) -> str | None:
        """A setting of stage 1's module, where its run says so."""
        path = self.inputs.stage1 / "config.yaml"
        if not path.is_file():
            return None
        return OmegaConf.select(OmegaConf.load(path), f"module.{name}")

    def describe_losses(self) -> dict[str, str | None]:
        """What stage 1's losses looked through: `perceptual`, `face_expert`, `face_expert_hash`.

        None where its run does not say; no hash where the expert's run is no longer at the path
        that stage 1's configuration names.
        """
        expert = self._trained_with("expert")
        is_here = expert is not None and (Path(expert) / "model").is_dir()
        return {
            "perceptual": self._trained_with("perceptual"),
            "face_expert": None if expert is None else Path(expert).name,
            "face_expert_hash": model_hash(expert)[:8] if expert and is_here else None,
        }

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
    def talker(self) -> Talker:
        """Stage 1 and stage 2 together."""
        return load_talker(
            stage1=self.inputs.stage1,
            stage2=self.required("stage2"),
            settings=self.settings.generation,
            batch_size=self.settings.batch_size,
            device=self.device,
        )

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


def _model_name(path: Path) -> str:
    folder = path / "model" if (path / "model").is_dir() else path
    config = folder / "config.json"
    if not config.is_file():
        model_hash(path)  # raises with the right words
    return json.loads(config.read_text())["_target_"].rsplit(".", 1)[-1]
