"""Where the configuration lives: inside the installed package, or beside it in a clone."""

from pathlib import Path


def conf_dir() -> str:
    """Absolute path of conf/: `<vasa package>/conf` in an installed wheel, else `<clone>/conf`."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parent / "conf")
