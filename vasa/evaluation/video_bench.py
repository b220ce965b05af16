"""Held-out clips, their videos through one codec, and what is measured in them, made once."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vasa.data.schema import FPS, SPLITS
from vasa.data.shards import index_hash, read_index
from vasa.evaluation.clip_reader import ClipReader
from vasa.evaluation.clips import EvaluationClip, choose_rows, load_clips
from vasa.evaluation.coding import CodedTalker, VideoFiles, read_coded
from vasa.evaluation.kept import Kept, KeptSyncNet, keep_measurements
from vasa.evaluation.lists import ClipList, build_list, listed_rows, read_list, write_list
from vasa.evaluation.measuring import measure
from vasa.evaluation.methods.ours import Ours
from vasa.evaluation.methods.real import Real
from vasa.evaluation.networks import Networks
from vasa.evaluation.settings import EvaluationInputs, EvaluationSettings
from vasa.models.checkpoint import model_hash
from vasa.pretrained.sync_scorer import SyncScorer, procedure_of, weights_name
from vasa.types import FaceMeasurements, InputError

Track = Callable[[Iterable], Iterable]
SHARED = "shared"


class VideoBench(Networks):
    """Makes on first use.

    Args:
        settings: of the evaluation.
        inputs: folders of data and runs.
        seed: of everything random.
        cache: folder of this configuration.
        shared: folder for what is known by its own hash, that several evaluations may share; None:
            `shared` beside `cache`.
        track: wraps long loops (a progress bar).
        pretrained: the measuring expert of real faces; None: the run `expert`.
        device: where networks compute.
    """

    def __init__(
        self,
        *,
        settings: EvaluationSettings,
        inputs: EvaluationInputs,
        seed: int,
        cache: Path,
        shared: Path | None,
        track: Track,
        pretrained: Any | None,
        device: torch.device,
    ) -> None:
        super().__init__(
            settings=settings, inputs=inputs, seed=seed, pretrained=pretrained, device=device
        )
        self.cache = cache
        self.track = track
        self._shared = shared

    @cached_property
    def clips(self) -> list[EvaluationClip]:
        """The held-out clips; exactly those of the list where there is one."""
        if self.clip_list is not None:
            return [self.clip_reader.clip(index) for index in range(len(self.clip_reader))]
        return self._load(self.settings.split, self.settings.num_clips)

    @cached_property
    def clip_list(self) -> ClipList | None:
        """The clips that are asked for; drawn by its rule and written where it is not there yet."""
        if self.settings.list is None:
            return None
        path, name = Path(self.settings.list), self.settings.list_rule
        if not path.is_file() and name is not None:
            drawn = build_list(
                read_index(self.inputs.data),
                name=name,
                rule=self.settings.list_rules[name],
                split=self.settings.split,
                seed=self.seed,
            )
            write_list(path, drawn)
        return read_list(path)

    @cached_property
    def clip_reader(self) -> ClipReader:
        """The held-out clips, decoded one at a time."""
        split = self.settings.split
        if self.clip_list is None:
            rows = choose_rows(
                read_index(self.inputs.data, split=split), num_clips=self.settings.num_clips
            )
        else:
            rows = listed_rows(read_index(self.inputs.data), self.clip_list, split=split)
        return ClipReader(
            self.inputs.data,
            rows,
            max_seconds=self.settings.max_seconds,
            image_size_px=self.autoencoder.image_size,
            is_exact=self.clip_list is not None,
        )

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

    @property
    def shared_cache(self) -> Path:
        """Folder for what is known by its own hash."""
        return self.cache.parent / SHARED if self._shared is None else self._shared

    def data_hash(self) -> str:
        """sha256 of the set's index."""
        return index_hash(self.inputs.data)

    @property
    def start_frames(self) -> int:
        """Frames in which a generated head still comes from the source's pose."""
        return round(self.settings.generation.start_blend_s * FPS)

    @cached_property
    def video_facts(self) -> dict[str, Any]:
        """What every video depends on, besides the clip and the method."""
        return {
            "data": self.data_hash(),
            "stage1": model_hash(self.inputs.stage1),
            "max_seconds": self.settings.max_seconds,
            "start_blend_s": self.settings.generation.start_blend_s,
        }

    @cached_property
    def files(self) -> VideoFiles:
        """Where videos of all methods are kept."""
        folder = self.shared_cache / "methods"
        return VideoFiles(folder, crf=self.settings.crf, facts=self.video_facts)

    @property
    def talking(self) -> dict[str, Any]:
        """What methods that talk are made of."""
        return {
            "talker": lambda: self.talker,
            "seed": self.seed,
            "facts": {
                "generation": asdict(self.settings.generation),
                "stage2": model_hash(self.required("stage2")),
            },
        }

    @cached_property
    def videos(self) -> list[Tensor]:
        """Each held-out clip's first frame saying its audio, uint8 `t c h w`, past the codec: the
        first samples of the method `ours`.
        """
        return self._filmed(Ours(num_samples=1, **self.talking))

    @cached_property
    def coded_clips(self) -> list[EvaluationClip]:
        """The held-out clips with frames past the codec, which generated videos are compared with;
        source pictures are those of `clips`.
        """
        videos = self._filmed(Real())
        return [replace(clip, frames=video) for clip, video in zip(self.clips, videos, strict=True)]

    def _filmed(self, method: Ours | Real) -> list[Tensor]:
        found = []
        for clip in self.track(self.clips):
            path = self.files.path(method, clip.key, 0)
            if not path.is_file():
                self.files.write(path, method(clip, sample=0).frames, clip.audio)
            found.append(read_coded(path))
        return found

    @cached_property
    def coded_talker(self) -> CodedTalker:
        """Stage 1 and stage 2 together, for videos that nobody keeps."""
        return CodedTalker(self.talker, crf=self.settings.crf)

    @cached_property
    def _measurements(self) -> Kept:
        return Kept(self.shared_cache / "measured", facts=self.describe_instrument())

    def measured(self, video: Tensor) -> FaceMeasurements:
        """What the measuring expert sees in frames, uint8 `t c h w`; kept on disk."""

        def ask() -> FaceMeasurements:
            batch_size = self.settings.batch_size
            return measure(self.instrument, video.float() / 255, batch_size=batch_size)

        return keep_measurements(self._measurements, video, ask)

    @cached_property
    def kept_syncnet(self) -> SyncScorer:
        """The scorer of lip sync; embeddings are kept on disk."""
        model = self.required("syncnet")
        kept = Kept(self.shared_cache / "sync", facts=self.describe_models()["syncnet"]["hash"])
        return SyncScorer(
            net=KeptSyncNet(lambda: self.syncnet, kept),
            weights=weights_name(model),
            compare=procedure_of(model),
            device=torch.device("cpu"),
        )
