"""Web, S3 and Google Cloud Storage servers on loopback that fail as they are told."""

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

SLOW_S = 6.0


class Faults:
    """What happens to the next requests of a path: `503`, `cut`, `slow`; then all goes well.

    Attributes:
        planned: by path, in order.
        always: by path, whatever was planned.
        requests: by path, how many came.
    """

    def __init__(self) -> None:
        self.planned: dict[str, list[str]] = {}
        self.always: dict[str, str] = {}
        self.requests: dict[str, int] = defaultdict(int)
        self.gives_ranges = True
        self._lock = threading.Lock()

    def next(self, path: str) -> str | None:
        with self._lock:
            self.requests[path] += 1
            if path in self.always:
                return self.always[path]
            return self.planned[path].pop(0) if self.planned.get(path) else None


@contextmanager
def web_server(root: Path, *, below: str = "") -> Iterator[tuple[str, Faults]]:
    """URL of a server of a folder's files, and its faults; paths begin with `below`."""
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            name = unquote(urlsplit(self.path).path).lstrip("/").removeprefix(below)
            fault = faults.next(name)
            path = root / name
            if fault is not None and fault.isdigit():
                return self.send_error(int(fault))
            if not path.is_file():
                return self.send_error(404)
            data = path.read_bytes()
            status = 200
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if wanted and faults.gives_ranges:
                if int(wanted[1]) >= len(data):
                    return self.send_error(416)
                data = data[int(wanted[1]) : int(wanted[2]) + 1]
                status = 206
            if fault == "slow":
                time.sleep(SLOW_S)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with _serving(server.serve_forever, server.shutdown):
        yield f"http://127.0.0.1:{server.server_port}", faults
    server.server_close()


@contextmanager
def s3_server() -> Iterator[tuple[str, Faults]]:
    """Endpoint of moto's S3 and its faults."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    faults = Faults()
    moto = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_read = environ["REQUEST_METHOD"] == "GET"
        fault = faults.next(environ["PATH_INFO"].lstrip("/")) if is_read else None
        if fault == "503":
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SlowDown</Code><Message>slow down</Message></Error>"]
        if fault == "slow":
            time.sleep(SLOW_S)
        body = moto(environ, start_response)
        if fault == "cut":  # its length is told already; the server closes after what there is
            whole = b"".join(body)
            return [whole[: len(whole) // 2]]
        return body

    server = make_server("127.0.0.1", 0, app, threaded=True)
    with _serving(server.serve_forever, server.shutdown):
        yield f"http://127.0.0.1:{server.port}", faults
    server.server_close()


@contextmanager
def bucket(root: Path, *, name: str) -> Iterator[tuple[str, Faults]]:
    """URL of a bucket of `s3_server` that holds a folder's files, and its faults; skips without."""
    s3fs = pytest.importorskip("s3fs", reason="needs the extra `remote`")
    pytest.importorskip("moto", reason="needs the extra `dev`")
    import boto3

    s3fs.S3FileSystem.clear_instance_cache()  # those that know the endpoint of another server

    with s3_server() as (endpoint, faults), pytest.MonkeyPatch.context() as patched:
        for variable, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patched.setenv(variable, value)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        client = boto3.client("s3")
        client.create_bucket(Bucket=name)
        for path in root.rglob("*.*"):
            client.upload_file(str(path), name, str(path.relative_to(root)))
        yield f"s3://{name}", faults


@contextmanager
def google_bucket(root: Path, *, name: str) -> Iterator[tuple[str, Faults]]:
    """URL of a bucket of Google's that holds a folder's files, and its faults; skips without.

    Its JSON API's way to read an object (https://cloud.google.com/storage/docs/json_api).
    """
    below = f"download/storage/v1/b/{name}/o/"
    with web_server(root, below=below) as (endpoint, faults), pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", endpoint)
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # read when it is imported
        gcsfs = pytest.importorskip("gcsfs", reason="needs the extra `remote`")
        gcsfs.GCSFileSystem.clear_instance_cache()
        yield f"gs://{name}", faults
        gcsfs.GCSFileSystem.clear_instance_cache()


@contextmanager
def _serving(serve: Callable[[], None], shutdown: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        shutdown()
        thread.join()
