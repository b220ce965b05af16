"""The methods that a configuration names, and what is read off their videos."""

import functools
import hashlib
import os
import random
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import soundfile
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from vasa.data.schema import SAMPLE_RATE_HZ
from vasa.data.shards import index_hash
from vasa.data.video import decode_mp4, write_video
from vasa.evaluation.clip_reader import ClipReader
from vasa.evaluation.clips import EvaluationClip, load_clips
from vasa.evaluation.method_settings import FROM_TRAINING
from vasa.evaluation.methods.describers import Describers
from vasa.evaluation.methods.folder import Folder
from vasa.evaluation.methods.method import Method, clip_seed
from vasa.evaluation.methods.motion_library import LibraryClip, library_clip
from vasa.evaluation.methods.ours import Ours, Shuffled
from vasa.evaluation.methods.random_motion import RandomMotion
from vasa.evaluation.methods.real import Real
from vasa.evaluation.methods.retrieval import Retrieval
from vasa.evaluation.methods.ridge import Ridge
from vasa.evaluation.methods.speech import SpeechWindows
from vasa.evaluation.methods.still import Still
from vasa.evaluation.methods.videos import MethodReadings, MethodVideos, Uncoded
from vasa.evaluation.protocols.pairing import unrelated_places
from vasa.evaluation.results import ResultRow, measured_row
from vasa.evaluation.stopwatch import Stopwatch
from vasa.evaluation.tiles import VIDEO_TILE_PX, side_by_side
from vasa.evaluation.video_readings import VideoReader
from vasa.evaluation.workbench import Workbench
from vasa.inference.rendering import Renderer, RenderSettings
from vasa.types import InputError


class Comparison:
    """Methods of a workbench's configuration on its clips.

    Args:
        bench: networks, clips and settings.
    """

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.settings = bench.settings.methods
        self.speech = SpeechWindows(
            num_mels=self.settings.num_mels, context_frames=self.settings.context_frames
        )
        self.stopwatch = Stopwatch()

    @cached_property
    def clips(self) -> ClipReader:
        """The held-out clips, decoded one at a time."""
        return self.bench.clip_reader

    def readings(self) -> list[MethodReadings]:
        """What every method's videos show; real frames past the codec come last."""
        methods = self.methods
        if "real" in self.settings.names:
            methods = [*methods, Uncoded()]
        return self.videos.readings(methods, track=self.bench.track)

    @cached_property
    def videos(self) -> MethodVideos:
        """Where videos and what was read off them are kept."""
        return MethodVideos(
            files=self.bench.files,
            clips=self.clips,
            reader=functools.cache(self._reader),
            draw=self._draw,
            reader_facts={
                "instrument": self.bench.describe_instrument(),
                "features": self.describers.facts(),
                "networks": {
                    role: model["hash"]
                    for role, model in self.bench.describe_models().items()
                    if role in ("syncnet", "capp")
                },
                "frame_stride": self.bench.settings.frame_stride,
                "capp": asdict(self.bench.settings.capp),
            },
            stopwatch=self.stopwatch,
        )

    @cached_property
    def methods(self) -> list[Method]:
        """All that are compared, in the order of the settings."""
        found: list[Method] = [self._own(name) for name in self.settings.names]
        for name, path in self.settings.outside.items():
            found.append(
                Folder(
                    name=name,
                    path=Path(path),
                    keys=self.clips.keys,
                    tolerance_frames=self.settings.length_tolerance_frames,
                )
            )
        return found

    def _own(self, name: str) -> Method:
        seed = self.bench.seed
        if name == "real":
            return Real()
        if name == "still":
            return Still()
        if name in FROM_TRAINING:
            library, facts = functools.cache(lambda: self.library), self._library_facts
            if name == "random_motion":
                return RandomMotion(library=library, seed=seed, facts=facts)
            if name == "ridge":
                folds = self.settings.ridge_folds
                return Ridge(library=library, speech=self.speech, num_folds=folds, facts=facts)
            return Retrieval(
                library=library,
                speech=self.speech,
                window_frames=self.settings.retrieval_frames,
                facts=facts,
            )
        talking = self.bench.talking
        if name == "ours":
            return Ours(num_samples=self.settings.num_samples, **talking)
        places = {key: self._partner(index) for index, key in enumerate(self.clips.keys)}
        return Shuffled(
            sound_for=lambda key: self.clips.audio(places[key]),
            partners={key: self.clips.keys[place] for key, place in places.items()},
            **talking,
        )

    def _partner(self, index: int) -> int:
        key = self.clips.keys[index]
        others = unrelated_places(self.clips.sentence_ids, index, key=lambda: key)
        return random.Random(clip_seed(self.bench.seed, key)).choice(others)

    @cached_property
    def library(self) -> list[LibraryClip]:
        """Speech and motion of training clips.

        Raises:
            InputError: there are none.
        """
        digest = hashlib.sha256(repr(sorted(self._library_facts.items())).encode())
        encode = functools.partial(
            library_clip,
            autoencoder=self.bench.autoencoder,
            speech=self.speech,
            batch_size=self.bench.settings.batch_size,
            folder=self.bench.files.folder / f"library-{digest.hexdigest()[:12]}",
        )
        library = self.settings.library
        root = self.bench.inputs.data if library is None else library
        clips = load_clips(
            root,
            split="train",
            num_clips=self.settings.train_clips,
            max_seconds=self.bench.settings.max_seconds,
            image_size_px=self.bench.autoencoder.image_size,
        )
        found = [encode(clip) for clip in self.bench.track(clips)]
        if not found:
            raise InputError(
                f"expected usable training clips in {root} for random_motion, retrieval and ridge, "
                "found none; name a set that has some in evaluation.methods.library"
            )
        return found

    @cached_property
    def _library_facts(self) -> dict[str, Any]:
        names = ("train_clips", "num_mels")
        library = self.settings.library
        known = {"library": self.bench.data_hash() if library is None else index_hash(library)}
        chosen = {name: getattr(self.settings, name) for name in names}
        return chosen | self.bench.video_facts | known

    @cached_property
    def describers(self) -> Describers:
        """Who describes frames and short clips."""
        return Describers.of(self.bench, num_clips=len(self.clips))

    def _reader(self) -> VideoReader:
        bench = self.bench
        return VideoReader(
            instrument=bench.instrument,
            features=self.describers.frames,
            inception=self.describers.inception,
            i3d=self.describers.i3d,
            syncnet=bench.syncnet,
            capp=None if bench.inputs.capp is None else bench.capp,
            frame_stride=bench.settings.frame_stride,
            batch_size=bench.settings.batch_size,
            stopwatch=self.stopwatch,
        )

    def _draw(self, clip: EvaluationClip, motion: Tensor) -> Tensor:
        settings = self.bench.settings
        renderer = Renderer(
            self.bench.autoencoder.net,
            clip.source(),
            RenderSettings(
                batch_size=settings.batch_size, start_blend_s=settings.generation.start_blend_s
            ),
        )
        renderer.add(motion)
        parts = []
        while (frames := renderer.next()) is not None:
            parts.append(frames)
        return torch.cat(parts)

    def throughput_rows(self) -> list[ResultRow]:
        """Rows `throughput/...`: how fast videos were scored and made in this start, and by what.

        None where all were kept from before.
        """
        seconds, num = self.stopwatch.seconds, self.videos.num_read
        if not num:
            return []
        generating, num_generated = seconds.get("generating", 0.0), self.videos.num_generated
        scoring = sum(seconds.values()) - generating
        cores = len(os.sched_getaffinity(0))
        used = f"{torch.get_num_threads()} threads, {cores} cores, by the clock"
        shares = ", ".join(f"{name} {one / scoring:.0%}" for name, one in seconds.most_common()
                           if name != "generating")  # fmt: skip
        rates = [("scored", num, scoring, f"coded and read; {used}: {shares}")]
        if num_generated:
            rates.append(("generated", num_generated, generating, f"by networks; {used}"))
        rows = [
            measured_row(
                metric=f"throughput/{name}_per_minute",
                value=60 * count / spent,
                unit="clips/min",
                n=count,
                stamp={},
                note=note,
                higher_is_better=True,
            )
            for name, count, spent, note in rates
        ]
        for name, one in seconds.most_common():
            count = num_generated if name == "generating" else num
            rows.append(
                measured_row(
                    metric=f"throughput/{name.replace(' ', '_')}_s",
                    value=one / max(count, 1),
                    unit="s/clip",
                    n=count,
                    stamp={},
                    note=used,
                    higher_is_better=False,
                )
            )
        return rows

    def write_side_by_side(self, folder: Path, *, num_videos: int) -> None:
        """Videos of the first clips with their sound: every method's first sample, named."""
        for index in range(min(num_videos, len(self.clips))):
            files = {one.name: self.videos.file(one, index, 0) for one in self.methods}
            found = {name: path for name, path in files.items() if path.is_file()}
            if not found:
                continue
            panels = [decode_mp4(path.read_bytes()) for path in found.values()]
            write_video(
                folder / f"methods_{index}.mp4",
                side_by_side(panels, tile_px=VIDEO_TILE_PX, header=list(found)),
                self.clips.audio(index).numpy(),
                crf=20,
            )

    def write_inputs(self, folder: Path) -> None:
        """Each clip's picture and sound by key, for programs whose videos come as a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for index, key in enumerate(self.clips.keys):
            name = key.replace("/", "-")
            if (folder / f"{name}.wav").is_file():
                continue
            clip = self.clips.clip(index)
            picture = rearrange(clip.frames[clip.source_index()], "c h w -> h w c").numpy()
            Image.fromarray(picture).save(folder / f"{name}.png")
            soundfile.write(folder / f"{name}.wav", clip.audio.numpy(), SAMPLE_RATE_HZ)
        (folder / "keys.txt").write_text("\n".join(self.clips.keys) + "\n")
