"""The pages over HTTP: the list, the page of an event, and no other file, whatever is asked for.

It opens sockets on this machine's loopback only.
"""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from stream.health import HealthServer
from stream.served_pages import ServedPages

pytestmark = pytest.mark.kafka


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pages = tmp_path / "pages"
    (pages / "events").mkdir(parents=True)
    (pages / "index.html").write_text("<p>the list</p>")
    (pages / "events" / "TS150914a.html").write_text("<p>the event</p>")
    (pages / "events" / "TS150914a.json").write_text("[]")
    (tmp_path / "secret.html").write_text("secret")
    (pages / "events" / "TS150914b.html").symlink_to(tmp_path / "secret.html")
    (pages / "events" / "TS150914c.html").mkdir()
    os.mkfifo(pages / "events" / "TS150914d.html")
    return pages


@pytest.fixture
def server(folder: Path) -> Iterator[HealthServer]:
    made = HealthServer("127.0.0.1", 0, dict, dict, ServedPages(folder))
    yield made
    made.close()


def get(server: HealthServer, path: str) -> tuple[int, bytes, Message]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=60) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def ask(server: HealthServer, target: bytes) -> bytes:
    """Send a target as it stands: a client would tidy it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\n\r\n")
        heard = b""
        while part := connection.recv(65536):
            heard += part
    return heard


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", b"the list"),
        ("/index.html", b"the list"),
        ("/events/TS150914a.html", b"the event"),
        ("/?a=b", b"the list"),
    ],
)
def test_list_and_event_are_pages(path: str, body: bytes, server: HealthServer) -> None:
    status, found, headers = get(server, path)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body in found


TARGETS = [
    b"/events/../index.html", b"/events/TS150914a.json", b"/events/TS150914a.html/", b"/events/TS150914a", b"/events/",
    b"/../secret.html", b"/events/../../secret.html", b"/events/%2e%2e/%2e%2e/secret.html", b"//etc/passwd",
    b"/events/..%2f..%2fsecret.html", b"/events/TS150914a.html%00.png", b"/etc/passwd", b"index.html", b"*", b"",
    b"/events/TS150914b.html", b"/events/TS150914c.html", b"/events/TS150914d.html", b"/events/TS150914z.html",
    b"/events/\xff\xfe.html", b"/events/TS150914a.html.html", b"http://127.0.0.1/events/TS150914a.html",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_else_is_a_file(target: bytes, server: HealthServer) -> None:
    """Neither a path, nor a link, a folder or a pipe in a page's place."""
    answer = ask(server, target)
    assert answer.split(b" ")[1] in (b"404", b"400")
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2]


def test_no_page_may_run_or_load_anything(server: HealthServer) -> None:
    for path in ("/", "/events/TS150914a.html", "/healthz", "/nothing"):
        _, _, headers = get(server, path)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "script-src" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-cache"


def test_before_the_first_event_the_list_is_empty(tmp_path: Path) -> None:
    server = HealthServer("127.0.0.1", 0, dict, dict, ServedPages(tmp_path / "none"))
    status, body, _ = get(server, "/")
    server.close()
    assert (status, b"No event yet." in body) == (200, True)


def test_without_pages_there_are_none_and_it_says_how() -> None:
    server = HealthServer("127.0.0.1", 0, dict, dict)
    status, body, _ = get(server, "/")
    server.close()
    assert (status, b"daemon.pages_dir" in body) == (404, True)


def test_a_large_page_arrives_whole(folder: Path, server: HealthServer) -> None:
    large = b"x" * 3_000_000
    (folder / "events" / "TS150914e.html").write_bytes(large)
    assert get(server, "/events/TS150914e.html")[1] == large
    (folder / "events" / "TS150914e.html").write_bytes(b"x" * 9_000_000)
    assert get(server, "/events/TS150914e.html")[0] == 404
