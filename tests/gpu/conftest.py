"""What the GPU tests share: the device, and networks of the presets with random weights.

VASA_GPU_TESTS_ON=cpu rehearses them on a processor at the smallest size.
"""

import os

import pytest
import torch
from hydra import compose, initialize_config_dir

from vasa.cli.paths import conf_dir
from vasa.training.config import build

REHEARSAL = os.environ.get("VASA_GPU_TESTS_ON") == "cpu"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A rehearsal takes back the skip for want of a device."""
    for item in items if REHEARSAL else []:
        if item.get_closest_marker("gpu"):
            item.own_markers = [mark for mark in item.own_markers if mark.name != "skip"]


@pytest.fixture
def device() -> torch.device:
    return torch.device("cpu" if REHEARSAL else "cuda")


@pytest.fixture
def preset() -> str:
    return "tiny" if REHEARSAL else "small"


@pytest.fixture(autouse=True)
def _exact_float32():
    """Without TF32, so that float32 is compared with float32."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _built(*overrides: str):
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        cfg = compose(overrides=list(overrides))
    torch.manual_seed(0)
    return build(cfg).eval()


@pytest.fixture
def face(preset):
    """A face autoencoder on the CPU."""
    return _built(f"+model@_global_=face_{preset}")


@pytest.fixture
def motion(preset):
    """A motion transformer on the CPU."""
    return _built(f"+model@_global_=motion_{preset}", "+audio_encoder@audio=log_mel")
