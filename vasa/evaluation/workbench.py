"""What protocols share: clips, networks and generated videos, each made once and only if needed."""

import hashlib
import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from vasa.data.shards import index_hash, read_index
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.control_sweep import Asked, SweepReadings, asked_values, read_sweep
from vasa.evaluation.counterfactuals import (
    Counterfactuals,
    CounterfactualSource,
    to_counterfactuals,
)
from vasa.evaluation.methods.folder import folder_hash
from vasa.evaluation.protocols.pairing import unrelated
from vasa.evaluation.results import Bootstrap
from vasa.evaluation.sample_spread import SourceSamples, source_samples
from vasa.evaluation.settings import EvaluationInputs, EvaluationSettings
from vasa.evaluation.video_bench import Track, VideoBench
from vasa.types import InputError


class Workbench(VideoBench):
    """Makes on first use.

    Args:
        settings: of the evaluation.
        inputs: folders of data and runs.
        seed: of everything random.
        cache: folder of this configuration, that keeps what was made between starts.
        track: wraps long loops (a progress bar).
        pretrained: the measuring expert of real faces; None: the run `expert`.
        device: where networks compute.
        counterfactual_source: draws pictures with single factors changed; None where nobody can.
        shared: folder for what is known by its own hash; None: beside `cache`.
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
        shared: Path | None = None,
    ) -> None:
        super().__init__(
            settings=settings,
            inputs=inputs,
            seed=seed,
            cache=cache,
            shared=shared,
            track=track,
            pretrained=pretrained,
            device=device,
        )
        self.counterfactual_source = counterfactual_source
        self.bootstrap = Bootstrap(num_resamples=settings.num_resamples, seed=seed)

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
                        self.coded_talker,
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
                    self.coded_talker,
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

    def _folder_hashes(self) -> list[str]:
        """What is in the folders of other methods, where these are compared."""
        if "methods" not in self.settings.protocols:
            return []
        return [folder_hash(Path(path)) for path in self.settings.methods.outside.values()]

    def _library_hash(self) -> str | None:
        """sha256 of the index that other methods' motion is taken from, where it is another set."""
        library = self.settings.methods.library
        if "methods" not in self.settings.protocols or library is None:
            return None
        return index_hash(library)

    def identity(self) -> str:
        """sha256 over all that decides the numbers: settings, seed, data index, networks."""
        networks = {role: model["hash"] for role, model in self.describe_models().items()}
        settings = asdict(self.settings)
        listed = None if self.clip_list is None else self.clip_list.sha256
        facts = {
            "settings": settings | {"list": listed},
            "folders": self._folder_hashes(),
            "library": self._library_hash(),
            "seed": self.seed,
            "data": self.data_hash(),
            "networks": networks,
            "instrument": self.describe_instrument(),
            "perceptual": self.describe_perceptual(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
