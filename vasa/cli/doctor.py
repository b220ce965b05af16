"""What works here: devices, codecs, speech, extras, and the frozen experts' files.

    vasa doctor                what is there, what is missing, and how to get it
    vasa doctor fetch=NAME     downloads an expert's file from its official address

Exit code 2 where something is missing that every command needs.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir
from vasa.types import InputError

EXTRAS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "preparation in processes side by side"),
    "optuna": ("hydra_plugins.hydra_optuna_sweeper", "searches: hydra/sweeper=search"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "preparation under Ray"),
    "remote": ("s3fs", "shards by s3://, gs:// and https://"),
    "slurm": ("hydra_plugins.hydra_submitit_launcher", "sweeps: hydra/launcher=slurm"),
    "tensorboard": ("tensorboard", "logger=tensorboard"),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: what it is.
        is_there: whether it works.
        told: what was found, or how to get it.
        is_needed: by every command.
    """

    about: str
    is_there: bool
    told: str
    is_needed: bool = False

    def line(self) -> str:
        """As it is printed."""
        mark = "ok     " if self.is_there else "MISSING" if self.is_needed else "absent "
        return f"  {mark}  {self.about:<22} {self.told}"


def devices() -> Iterator[Finding]:
    """Processor and GPUs."""
    import torch

    from vasa.training.precision import cpu_has_bf16
    from vasa.training.run_folder import describe_environment

    found = describe_environment(device="cpu")
    bf16 = "bfloat16" if cpu_has_bf16() else "no bfloat16: train in 32-true"
    told = f"{found['processor']}, {found['cpu_count']} CPUs, {bf16}"
    yield Finding(about="processor", is_there=True, told=told)
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        told = f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB"
        yield Finding(about=f"cuda:{index}", is_there=True, told=told)
    if not torch.cuda.is_available():
        built = torch.version.cuda or "none"
        told = f"torch {torch.__version__}, built for CUDA {built}, sees no GPU"
        yield Finding(about="cuda", is_there=False, told=told)


def codecs() -> Iterator[Finding]:
    """What reads and writes video and sound, and what speaks."""
    program = shutil.which("ffmpeg")
    told = "sudo apt-get install ffmpeg"
    if program is not None:
        said = subprocess.run([program, "-version"], capture_output=True, text=True).stdout
        told = said.splitlines()[0].split(" Copyright")[0]
    yield Finding(about="ffmpeg", is_there=program is not None, told=told, is_needed=True)
    yield _tried("h264 there and back", _video)
    yield _tried("flac there and back", _sound)
    yield _tried("speech synthesis", _speech)


def extras() -> Iterator[Finding]:
    """Optional parts of the project, by what they bring."""
    for name, (module, about) in EXTRAS.items():
        is_there = _is_installed(module)
        told = about if is_there else f"{about}: pip install 'vasa[{name}]'"
        yield Finding(about=name, is_there=is_there, told=told)


def experts() -> Iterator[Finding]:
    """The registry's files, their checksums verified."""
    from vasa.pretrained.registry import REGISTRY, file_sha256, find_weight

    for name, entry in REGISTRY.items():
        path = find_weight(name)
        if path is None:
            how = f"vasa doctor fetch={name}" if entry.url else f"from {entry.source}"
            told = f"{entry.role}; {entry.file}: {how}"
        else:
            is_exact = file_sha256(path) == entry.sha256
            told = f"{entry.role}; {path}" + ("" if is_exact else " (ANOTHER CHECKSUM)")
        yield Finding(about=name, is_there=path is not None, told=told)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it lies in
        return False


def _tried(about: str, action: Callable[[], str]) -> Finding:
    try:
        told = action()
    except Exception as error:  # whatever is wrong with it is what is told
        told = f"{type(error).__name__}: {error}"
        return Finding(about=about, is_there=False, told=told, is_needed=True)
    return Finding(about=about, is_there=True, told=told, is_needed=True)


def _video() -> str:
    import numpy as np

    from vasa.data.video import decode_mp4, encode_mp4

    grey = np.full((4, 64, 64, 3), 128, np.uint8)
    found = decode_mp4(encode_mp4(grey))
    if found.shape != grey.shape or np.abs(found.astype(int) - 128).max() > 4:
        raise ValueError("a grey picture comes back changed")
    return "written and read, 25 frames a second"


def _sound() -> str:
    import numpy as np

    from vasa.data.audio import decode_flac, encode_flac

    tone = (0.1 * np.sin(np.arange(1600) / 5)).astype(np.float32)
    if np.abs(decode_flac(encode_flac(tone)) - tone).max() > 1e-4:
        raise ValueError("a tone comes back changed")
    return "written and read, 16 kHz"


def _speech() -> str:
    from data_prep.synth.speech import speak

    spoken = speak(text="one", voice="en-us", rate=160, pitch=50)
    return f"espeak-ng says a word of {len(spoken.phonemes)} sounds"


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="doctor")
def main(cfg: DictConfig) -> None:
    """Print what was found, or fetch a file."""
    if cfg.fetch is not None:
        from vasa.pretrained.fetch import fetch_weight

        fetch_weight(cfg.fetch, tell=print)
        return
    needed = []
    parts = {
        "devices": devices,
        "codecs and speech": codecs,
        "extras": extras,
        "experts (VASA_WEIGHTS, ~/.cache/vasa/weights)": experts,
    }
    for title, look in parts.items():
        print(title)
        for finding in look():
            print(finding.line())
            if finding.is_needed and not finding.is_there:
                needed.append(finding.about)
    if needed:
        raise InputError(f"missing here, and needed by every command: {', '.join(needed)}")


if __name__ == "__main__":
    main()
