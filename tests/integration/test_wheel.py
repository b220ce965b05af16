"""The wheel, installed in a clean environment, works outside the clone."""

import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str, cwd: Path) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
        *("--outdir", str(folder), str(ROOT)),
        cwd=folder,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel; its dependencies are those of this one, not downloaded.

    This one's packages are added by path (so that a .pth of an editable install stays without
    effect and the clone is not importable).
    """
    home = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(home, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = home / "lib" / version / "site-packages"
    shared = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in shared))
    run(
        *(sys.executable, "-m", "pip", f"--python={home / 'bin' / 'python'}", "install"),
        *("--no-deps", "--no-index", "--ignore-installed", "--quiet", str(wheel)),
        cwd=home.parent,
    )
    return home / "bin"


def test_wheel_holds_packages_and_configuration(wheel):
    names = set(ZipFile(wheel).namelist())
    configs = {f"vasa/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert configs <= names
    for package in ("vasa", "data_prep"):
        sources = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
        assert sources <= names
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"vasa", "data_prep"}


def test_installed_package_is_the_wheel(clean, tmp_path):
    program = "import vasa, data_prep; print(vasa.__file__, data_prep.__file__)"
    out = run(str(clean / "python"), "-c", program, cwd=tmp_path)
    assert str(clean.parent) in out
    assert str(ROOT) not in out.replace(str(clean.parent), "")


def test_help_outside_the_clone(clean, tmp_path):
    assert "commands:" in run(str(clean / "vasa"), "--help", cwd=tmp_path)
    assert "experiment" in run(str(clean / "vasa"), "train", "--help", cwd=tmp_path)


def test_synth_outside_the_clone(clean, tmp_path):
    run(
        *(str(clean / "vasa"), "synth", "output=set", "size=64", "seconds=1"),
        *("people.train=1", "people.val=1", "people.test=1", "workers=1"),
        cwd=tmp_path,
    )
    assert (tmp_path / "set" / "index.parquet").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
