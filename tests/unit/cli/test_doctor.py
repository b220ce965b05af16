"""What the machine has is told, and files are fetched whole, checked, or not at all."""

import hashlib
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vasa.cli import main
from vasa.cli.doctor import Finding, codecs, experts, extras
from vasa.pretrained import fetch, registry
from vasa.pretrained.registry import REGISTRY, WeightFile, find_weight

FILE = bytes(range(256)) * 5000


class Handler(BaseHTTPRequestHandler):
    """Gives the file, ranges of it too; the first answer is cut where it is told to."""

    asked: list[str | None] = []
    cut_first = False

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(FILE):
            return self.send_error(416)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(FILE) - start))
        self.end_headers()
        stop = len(FILE) // 2 if self.cut_first and len(self.asked) == 1 else len(FILE)
        self.wfile.write(FILE[start:stop])

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """An expert on a server of this machine, and an empty cache."""
    Handler.asked, Handler.cut_first = [], False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    make = partial(
        WeightFile, role="a test", licence="CC0", source="nowhere", contract="none", file="file.pt"
    )
    digest = hashlib.sha256(FILE).hexdigest()
    url = f"http://127.0.0.1:{server.server_port}/file.pt"
    monkeypatch.setitem(REGISTRY, "whole", make(name="whole", sha256=digest, url=url))
    monkeypatch.setitem(REGISTRY, "other", make(name="other", sha256="0" * 64, url=url))
    monkeypatch.setitem(REGISTRY, "private", make(name="private", sha256=digest))
    for module in (registry, fetch):
        monkeypatch.setattr(module, "USER_CACHE", tmp_path / "cache")
    monkeypatch.delenv("VASA_WEIGHTS", raising=False)
    yield tmp_path / "cache"
    server.shutdown()


def test_a_file_is_fetched_once(offered, capsys):
    assert main(["doctor", "fetch=whole"]) == 0
    assert (offered / "file.pt").read_bytes() == FILE
    assert find_weight("whole") == offered / "file.pt"
    assert "CC0" in capsys.readouterr().out
    assert main(["doctor", "fetch=whole"]) == 0
    assert len(Handler.asked) == 1


def test_a_download_that_was_cut_goes_on(offered, capsys):
    Handler.cut_first = True
    assert main(["doctor", "fetch=whole"]) == 2
    assert "the same command continues" in capsys.readouterr().err
    assert not (offered / "file.pt").exists()
    assert main(["doctor", "fetch=whole"]) == 0
    assert Handler.asked == [None, f"bytes={len(FILE) // 2}-"]
    assert (offered / "file.pt").read_bytes() == FILE


def test_another_file_is_not_put_in_place(offered, capsys):
    assert main(["doctor", "fetch=other"]) == 2
    assert "sha256" in capsys.readouterr().err
    assert list(offered.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "told"), [("private", "file.pt from nowhere"), ("unheard", "one of")]
)
def test_what_cannot_be_fetched(offered, capsys, name, told):
    assert main(["doctor", f"fetch={name}"]) == 2
    assert told in capsys.readouterr().err


def test_what_is_needed_works_here(capsys):
    found = list(codecs())
    assert len(found) == 4 and all(one.is_needed and one.is_there for one in found), found
    assert {one.about for one in extras()} >= {"slurm", "remote", "tensorboard"}


def test_missing_experts_are_told_with_the_way_to_get_them(offered):
    offered.mkdir()
    (offered / "file.pt").write_bytes(FILE)
    found = {one.about: one for one in experts()}
    assert found["whole"].is_there and "CHECKSUM" not in found["whole"].told
    assert "ANOTHER CHECKSUM" in found["other"].told
    assert not found["i3d"].is_there and "vasa doctor fetch=i3d" in found["i3d"].told
    assert not found["face_landmarks"].is_there and "MediaPipe" in found["face_landmarks"].told


def test_something_needed_that_is_missing_ends_with_2(monkeypatch, capsys):
    broken = Finding(about="ffmpeg", is_there=False, told="get it", is_needed=True)
    monkeypatch.setattr("vasa.cli.doctor.codecs", lambda: [broken])
    monkeypatch.setattr("vasa.cli.doctor.experts", lambda: [])
    assert main(["doctor"]) == 2
    captured = capsys.readouterr()
    assert "MISSING  ffmpeg" in captured.out and "ffmpeg" in captured.err
