"""What all tests share: one thread, no network services, and where outside data may be."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "disabled")
os.environ.setdefault("WDS_SECURE", "1")

import pytest  # noqa: E402
import torch  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


def _folder(variable: str, beside: Path) -> Path:
    path = Path(os.environ.get(variable, beside))
    if not path.is_dir():
        pytest.skip(f"needs {variable}: a folder that this machine does not have")
    return path


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """Real clips: VASA_TEST_DATA, or ../shared/data beside the clone."""
    return _folder("VASA_TEST_DATA", ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    """Frozen experts: VASA_WEIGHTS (its first folder), or ../shared/weights beside the clone."""
    first = os.environ.get("VASA_WEIGHTS", "").split(os.pathsep)[0]
    path = Path(first) if first else ROOT.parent / "shared" / "weights"
    if not path.is_dir():
        pytest.skip("needs VASA_WEIGHTS: a folder that this machine does not have")
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked gpu need a device."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
