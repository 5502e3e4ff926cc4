"""Downloads resume where they broke off, are checked, and never leave a damaged file under its name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipelines.feeds.fetch import download
from stream.errors import StrainFileError, TransportError

pytestmark = pytest.mark.kafka  # opens sockets on the loopback


class Server:
    """Serves one file; ``breaks`` cut each answer short, as a bad line does."""

    def __init__(self, content: bytes) -> None:
        self.content, self.breaks, self.ranges, self.status = content, 0, [], 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                outer.ranges.append(asked)
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
                if outer.status != 200:
                    self.send_error(outer.status)
                    return
                if start >= len(outer.content) > 0:
                    self.send_error(416)
                    return
                body = outer.content[start:]
                self.send_response(206 if asked else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if outer.breaks:
                    outer.breaks -= 1
                    body = body[: len(body) // 2]
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/H-H1_TEST-1126259446-32.hdf5"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    ranges: list[str | None]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def strain(tmp_path: Path) -> bytes:
    """A small file as GWOSC writes them."""
    path = tmp_path / "made.hdf5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("strain/Strain", data=np.random.default_rng(1).normal(size=32 * 4096) * 1e-21)
        data.attrs["Xstart"], data.attrs["Xspacing"], data.attrs["Npoints"] = 1126259446, 1 / 4096, 32 * 4096
        file["quality/simple/DQmask"] = np.full(32, 127, np.uint32)
        file["quality/simple/DQShortnames"] = [b"DATA", b"CBC_CAT1", b"CBC_CAT2", b"CBC_CAT3"]
        file["meta/Detector"], file["meta/GPSstart"], file["meta/Duration"] = b"H1", 1126259446, 32
    return path.read_bytes()


@pytest.fixture
def server(strain: bytes) -> Iterator[Server]:
    made = Server(strain)
    yield made
    made.close()


def test_a_download_that_breaks_off_goes_on_where_it_was(server: Server, strain: bytes, tmp_path: Path) -> None:
    server.breaks = 2
    waits: list[float] = []
    path = download(server.url, tmp_path / "out", sleep=waits.append)
    assert path.read_bytes() == strain
    half = len(strain) // 2
    assert server.ranges == [None, f"bytes={half}-", f"bytes={half + (len(strain) - half) // 2}-"]
    assert waits == [1.0, 2.0]
    assert [p.name for p in (tmp_path / "out").iterdir()] == [path.name]


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    download(server.url, tmp_path / "out")
    download(server.url, tmp_path / "out")
    assert server.ranges == [None]


def test_a_damaged_file_is_removed_and_said(server: Server, tmp_path: Path) -> None:
    server.content = b"not strain at all" * 100
    with pytest.raises(StrainFileError, match="not sound"):
        download(server.url, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_refusal_is_not_tried_again(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(TransportError, match="404"):
        download(server.url, tmp_path / "out", sleep=lambda _: pytest.fail("waited"))
    assert len(server.ranges) == 1


def test_a_server_that_fails_again_and_again_is_given_up_and_the_part_kept(server: Server, tmp_path: Path) -> None:
    server.breaks = 99
    with pytest.raises(TransportError, match="goes on from what is there"):
        download(server.url, tmp_path / "out", sleep=lambda _: None)
    (part,) = (tmp_path / "out").iterdir()
    assert part.suffix == ".part"
    server.breaks = 0
    assert download(server.url, tmp_path / "out").read_bytes() == server.content


def test_progress_is_told_in_megabytes(server: Server, strain: bytes, tmp_path: Path) -> None:
    told: list[tuple[float, float]] = []
    download(server.url, tmp_path / "out", lambda done, total: told.append((done, total)))
    assert told[-1] == pytest.approx((len(strain) / 1e6, len(strain) / 1e6))
