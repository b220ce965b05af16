"""Cost of speaking live: delay to the first frame, speed, evenness, and which part takes the time.

Random weights are as fast as trained ones. Sound is given in chunks as a microphone gives it, but
without waiting for it; what a listener would see is told on a clock of its own, on which each chunk
comes when it has been spoken and work takes as long as it took.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from vasa.cli.measurement import Measurement, waiting_for
from vasa.types import InputError

CHUNK_SAMPLES = 320
"""20 ms, what telephony sends at a time."""
PAPER = "VASA-1: 40 frames/s, 170 ms to the first, 512 px on an RTX 4090"
GUIDANCE = {"audio": 0.5, "gaze": 1.0}
COMPARED_S = 1
MOTION_S = 4
MOTION_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class StreamWork:
    """What is streamed.

    Attributes:
        device: cpu or cuda.
        machine: its name, for the note.
        seconds: of speech.
        steps: of the sampler, a window.
        hop_frames: of motion at a time.
        lookahead_frames: of audio heard beyond them.
        batch_size: frames decoded at once.
        precision: of the motion model, "32-true" or "bf16-mixed".
        seed: of the sound and the noise.
    """

    device: str
    machine: str
    seconds: float
    steps: int
    hop_frames: int
    lookahead_frames: int
    batch_size: int
    precision: Any
    seed: int


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When frames came.

    Attributes:
        work_s: seconds of work until each frame was there.
        shown_s: when it was there, had the sound been spoken live, from its start.
        first_chunk_s: when the chunk that allowed the first frame had been spoken.
        parts_s: seconds of work of each part, after the first window.
        steady_from: first frame after the first window.
    """

    work_s: list[float]
    shown_s: list[float]
    first_chunk_s: float
    parts_s: dict[str, float]
    steady_from: int

    @property
    def first_frame_s(self) -> float:
        """Delay of the first frame after the sound that allowed it."""
        return self.shown_s[0] - self.first_chunk_s

    @property
    def frame_s(self) -> float:
        """Work for a frame after the first window."""
        num = len(self.work_s) - self.steady_from
        return (self.work_s[-1] - self.work_s[self.steady_from - 1]) / num

    def between_s(self, share: float) -> float:
        """Quantile of the work between frames that follow each other, after the first window."""
        times = self.work_s[self.steady_from - 1 :]
        gaps = sorted(b - a for a, b in zip(times[:-1], times[1:], strict=True))
        return gaps[min(int(share * len(gaps)), len(gaps) - 1)]

    @property
    def hold_back_s(self) -> float:
        """How long a player must wait with the first frame, so that none comes too late."""
        return max(at - self.shown_s[0] - i / 25 for i, at in enumerate(self.shown_s))


def stream_costs(
    autoencoder: Any, motion_model: Any, *, name: str, work: StreamWork
) -> Iterator[Measurement]:
    """Each number of a preset.

    Args:
        autoencoder: stage 1, of any weights.
        motion_model: stage 2 of its dimensions.
        name: what the metrics are called by.
        work: what is streamed.
    """
    found = timeline(autoencoder, motion_model, work=work)
    num = len(found.work_s)
    plan = (
        f"{work.hop_frames} frames at a time and {work.lookahead_frames} of look-ahead, "
        f"{work.steps} steps, {work.precision}, {work.batch_size} decoded at once"
    )
    note = (
        f"random weights, {autoencoder.image_size} px, {plan}; here {work.machine}; "
        f"beside it {PAPER}: other hardware, another model"
    )
    parts = found.parts_s
    total = sum(parts.values())
    shares = ", ".join(f"{part} {100 * spent / total:.0f}%" for part, spent in parts.items())

    def line(metric: str, unit: str, value: float, words: str, *, calls: int = num) -> Measurement:
        return Measurement(
            metric=f"stream/{name}{metric}",
            unit=unit,
            value=value,
            calls=calls,
            note=f"{words}; {note}",
        )

    steady = num - found.steady_from
    yield line("", "frames/s", 1 / found.frame_s, f"after the first window; {shares}")
    yield line("_first_frame_s", "s", found.first_frame_s, "work from the sound that allows it on")
    heard = found.first_chunk_s
    yield line("_first_sound_s", "s", heard, "spoken before there can be a first frame")
    yield line("_p50_s", "s", found.between_s(0.5), "work between two frames, half take less")
    yield line("_p99_s", "s", found.between_s(0.99), "work between two frames, 99% take less")
    rtf = found.frame_s * 25
    yield line("_real_time_factor", "ratio", rtf, "work for a second of video; above 1: too slow")
    hold = found.hold_back_s
    yield line("_hold_back_s", "s", hold, "a player's wait, so that no frame is late; to the end")
    for part, spent in parts.items():
        yield line(f"_{part}_s", "s", spent / steady, "work for a frame")
    first = found.first_chunk_s + found.first_frame_s
    yield line("_start_to_first_frame_s", "s", first, "from the first sample spoken")
    words = "of 255, of any value of a second of speech cut at random"
    streamed, whole = differences_to_offline(autoencoder, motion_model, work=work)
    metric, calls = "_max_difference_to_offline", COMPARED_S * 25
    yield line(metric, "levels", streamed, f"{words}, to the file's", calls=calls)
    told = f"{words}, to motion from features of the whole clip, without a stream"
    yield line(f"{metric}_features", "levels", whole, told, calls=calls)


def timeline(autoencoder: Any, motion_model: Any, *, work: StreamWork) -> Timeline:
    """Stream speech-like noise through the two nets, after a short one that warms up."""
    import torch

    generator = torch.Generator().manual_seed(work.seed)
    sound = 0.1 * torch.randn(round(work.seconds * 16_000), generator=generator)
    opened = _opener(autoencoder, motion_model, work=work)
    warm, _ = opened()
    first = round(warm.first_audio_s * 16_000)
    _walk(warm, sound[: min(first + CHUNK_SAMPLES, len(sound))])
    stream, parts = opened()
    return _timed_walk(stream, parts, sound, hop_frames=work.hop_frames)


def differences_to_offline(
    autoencoder: Any, motion_model: Any, *, work: StreamWork
) -> tuple[float, float]:
    """Largest difference of a frame's values, 0 to 255, between a stream and a whole file.

    Returns:
        To what `vasa generate` makes of the file, which is a stream too and equal to the bit; and
        to motion sampled window by window from features of the whole clip, drawn at once, where
        sums of other sizes round otherwise.
    """
    import torch

    from vasa.inference.windows import generate_motion

    generator = torch.Generator().manual_seed(work.seed)
    sound = 0.1 * torch.randn(COMPARED_S * 16_000, generator=generator)
    cuts = torch.randint(len(sound), (20,), generator=generator).sort().values
    face, settings = _face(autoencoder, motion_model, work=work)
    stream = face.stream(**settings)
    batches = [batch for part in torch.tensor_split(sound, cuts) for batch in stream.push(part)]
    streamed = torch.cat([*batches, *stream.finish()]).int()
    whole = torch.cat(list(face.frames(audio=sound, **settings))).int()
    heard = motion_model.audio(sound[None].to(work.device))[0]
    motion = generate_motion(motion_model, heard, settings["motion"])
    drawn = face.render(settings["image"], motion, settings["render"]).int()
    return float((streamed - whole).abs().max()), float((streamed - drawn).abs().max())


def _opener(
    autoencoder: Any, motion_model: Any, *, work: StreamWork
) -> Callable[[], tuple[Any, dict[str, float]]]:
    face, settings = _face(autoencoder, motion_model, work=work)

    def opened() -> tuple[Any, dict[str, float]]:
        stream = face.stream(**settings)
        spent: dict[str, float] = {}
        wait = waiting_for(work.device)
        for part, owner in (
            ("features", stream.motion.features),
            ("motion", stream.motion.windows),
            ("decode", stream.renderer),
        ):
            owner.next = _counted(owner.next, part, spent, wait)
        return stream, spent

    return opened


def _face(autoencoder: Any, motion_model: Any, *, work: StreamWork) -> tuple[Any, dict[str, Any]]:
    """The two nets, and what `TalkingFace.stream` is told."""
    import torch

    from vasa.diffusion.sampler import DDIMSampler
    from vasa.inference.pipeline import TalkingFace
    from vasa.inference.rendering import RenderSettings
    from vasa.inference.windows import ChunkPlan, MotionSettings

    face = TalkingFace(autoencoder=autoencoder, motion_model=motion_model)
    size = autoencoder.image_size
    image = torch.rand(3, size, size, generator=torch.Generator().manual_seed(work.seed))
    settings = MotionSettings(
        guidance=GUIDANCE,
        sampler=DDIMSampler(schedule=motion_model.schedule, num_steps=work.steps, eta=0.0),
        seed=work.seed,
        plan=ChunkPlan(hop_frames=work.hop_frames, lookahead_frames=work.lookahead_frames),
        precision=work.precision,
    )
    render = RenderSettings(batch_size=work.batch_size, start_blend_s=0.5)
    return face, {"image": image, "motion": settings, "render": render}


def _counted(
    call: Callable[..., Any], part: str, spent: dict[str, float], wait: Callable[[], None]
) -> Callable[..., Any]:
    spent[part] = 0.0

    def counted(*inputs: Any) -> Any:
        start = time.perf_counter()
        result = call(*inputs)
        wait()
        spent[part] += time.perf_counter() - start
        return result

    return counted


def _walk(stream: Any, sound: Any) -> None:
    for chunk in sound.split(CHUNK_SAMPLES):
        for _ in stream.push(chunk):
            pass
    for _ in stream.finish():
        pass


def _timed_walk(stream: Any, spent: dict[str, float], sound: Any, *, hop_frames: int) -> Timeline:
    work_s: list[float] = []
    shown_s: list[float] = []
    first_chunk_s, clock, worked = 0.0, 0.0, 0.0
    at_steady: dict[str, float] | None = None
    chunks = [*sound.split(CHUNK_SAMPLES), None]
    heard = 0
    for chunk in chunks:
        heard += 0 if chunk is None else len(chunk)
        clock = max(clock, heard / 16_000)
        start = time.perf_counter()
        for frames in stream.finish() if chunk is None else stream.push(chunk):
            spent_s = time.perf_counter() - start
            worked, clock = worked + spent_s, clock + spent_s
            if not work_s:
                first_chunk_s = heard / 16_000
            work_s += [worked] * len(frames)
            shown_s += [clock] * len(frames)
            if len(work_s) == hop_frames:
                at_steady = dict(spent)
            start = time.perf_counter()
        spent_s = time.perf_counter() - start
        worked, clock = worked + spent_s, clock + spent_s
    if at_steady is None or len(work_s) <= hop_frames:
        raise InputError(
            "expected more speech than one window to stream, got frames for "
            f"{len(work_s) / 25:g} s; raise stream_seconds"
        )
    return Timeline(
        work_s=work_s,
        shown_s=shown_s,
        first_chunk_s=first_chunk_s,
        parts_s={part: spent[part] - at_steady[part] for part in spent},
        steady_from=hop_frames,
    )


def motion_cpu_costs(motion_model: Any, *, name: str, seed: int) -> Iterator[Measurement]:
    """CPU seconds for four seconds of motion on one thread, audio features included.

    With the guidance of `vasa generate`, ten steps of DDIM; in float32 and in bfloat16. The least
    of three: whatever else the machine does can only add.
    """
    import torch

    from vasa.diffusion.sampler import DDIMSampler
    from vasa.inference.streaming import MotionStream
    from vasa.inference.windows import MotionSettings

    sound = 0.1 * torch.randn(MOTION_S * 16_000, generator=torch.Generator().manual_seed(seed))
    sampler = DDIMSampler(schedule=motion_model.schedule, num_steps=MOTION_STEPS, eta=0.0)

    def speak(precision: Any) -> float:
        settings = MotionSettings(
            guidance=GUIDANCE, sampler=sampler, seed=seed, precision=precision
        )
        start, stream = time.process_time(), MotionStream(motion_model, settings)
        stream.push(sound)
        stream.end()
        while stream.next() is not None:
            pass
        return time.process_time() - start

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for precision, suffix in (("32-true", ""), ("bf16-mixed", "_bf16")):
            yield Measurement(
                metric=f"motion/{name}_cpu_s_for_{MOTION_S}s{suffix}",
                unit="s",
                value=min(speak(precision) for _ in range(3)),
                calls=3,
                note=(
                    f"least of 3; one thread, {MOTION_STEPS} steps, guidance of audio 0.5 and "
                    f"gaze 1.0 in one batch, {precision}, features once; random weights"
                ),
            )
    finally:
        torch.set_num_threads(threads)
