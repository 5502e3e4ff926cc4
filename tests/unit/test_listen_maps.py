"""Sky maps by URL: only from hosts that are named, within bounds, beside the stream, and only where still wanted."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from external import Heard, event, notice, read_plain

from pipelines.listen.fetch import Rules, UrlRefused, check_url, fetch
from pipelines.listen.loop import Listening, listen
from pipelines.listen.maps import MapFetcher, fitted_map
from pipelines.listen.reader import NoticeReader
from pipelines.listen.sinks import NoSink
from pipelines.listen.tally import Tally
from pipelines.sources import SourceMessage
from stream.codec.limits import MAX_SKYMAP_BYTES
from stream.codec.skymap import decode_skymap, encode_skymap
from stream.errors import CodecError, TransportError
from stream.healpix import area_sr, split_uniq
from stream.metrics import MAPS_FETCHED
from stream.records import ExternalEvent, SkyMap
from stream.settings import ListenSettings, Settings
from stream.timebase import SystemClock

HOSTS = frozenset({"heasarc.example", "maps.example:8443"})
RULES = Rules(HOSTS, 10_000, 2.0)
URL = "https://heasarc.example/map.fit"


@pytest.mark.parametrize(
    "url",
    [URL, "http://heasarc.example/map.fit", "https://HEASARC.example:443/a?b=c", "https://maps.example:8443/"],
)  # fmt: skip
def test_what_is_listed_may_be_opened(url: str) -> None:
    check_url(url, HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "http://heasarc.example:80/map.fit", "http://evil.example/map.fit",
        "file:///etc/passwd", "ftp://heasarc.example/", "//heasarc.example/", "", "x",
        "https://heasarc.example.evil/", "https://evil/heasarc.example", "https://heasarc.example@evil/",
        "https://me:secret@heasarc.example/", "https://heasarc.example:8443/", "https://maps.example/",
        "https://127.0.0.1/", "https://[::1]/", "https://heasarc.example:99999/", "https://heasarc.example:x/",
        "https://heasarc.example/a\r\nHost: evil", "https://heasarc.example/a b", "https://h\u00e9asarc.example/",
        "https://heasarc.example/" + "a" * 3000, "https://heasarc.example\\@evil/", "https://sub.heasarc.example/",
    ],
)  # fmt: skip
def test_what_is_not_listed_letter_for_letter_is_not_opened(url: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        fetch(url, RULES, lambda host, port: pytest.fail("looked up"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "fc00::1",
     "0.0.0.0", "::ffff:127.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_a_listed_name_that_leads_into_a_private_network_is_not_connected_to(address: str) -> None:
    with pytest.raises(UrlRefused, match="no public address"):
        fetch(URL, RULES, lambda host, port: ["8.8.8.8", address])


def test_a_name_without_an_address_is_a_failure_and_no_crash() -> None:
    with pytest.raises(TransportError, match="no address"):
        fetch(URL, RULES, lambda host, port: [])


def skymap() -> SkyMap:
    uniq = np.arange(4 * 16, 16 * 16, dtype=np.int64)
    density = np.full(uniq.size, 1 / (4 * np.pi))
    return SkyMap(uniq, density, None, None, None, None, None, (), None, "test")


class Server:
    """HTTPS on the loopback with a certificate of its own."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        self.asked: list[tuple[str, str]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers["Host"]))
                server.answers[self.path](self)

            def log_message(self, format: str, *args: object) -> None: ...

        self.ca = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, folder / "key.pem")
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def gives(self, path: str, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> str:
        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(body) if length is None else length))
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        self.answers[path] = answer
        return f"https://localhost:{self.port}{path}"

    def rules(self, **changes: object) -> Rules:
        return replace(Rules(frozenset({f"localhost:{self.port}"}), 100_000, 5.0, self.ca), **changes)  # type: ignore[arg-type]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def certificate(folder: Path) -> Path:
    """Make a key and a certificate for localhost that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / "ca.pem").write_bytes(made.public_bytes(pem))
    return folder / "ca.pem"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.close()


@pytest.mark.kafka
def test_a_file_is_fetched_from_a_host_that_is_named(server: Server) -> None:
    url = server.gives("/map.fits?a=1", b"the map")
    assert fetch(url, server.rules()) == b"the map"
    assert server.asked == [("/map.fits?a=1", f"localhost:{server.port}")]


@pytest.mark.kafka
def test_a_certificate_of_another_authority_is_a_failure(server: Server) -> None:
    with pytest.raises(TransportError, match="certificate"):
        fetch(server.gives("/", b""), server.rules(ca_location=None))


@pytest.mark.kafka
def test_a_redirection_is_followed_on_its_host_alone(server: Server) -> None:
    last = server.gives("/there", b"found")
    assert fetch(server.gives("/here", b"", 302, Location="/there"), server.rules()) == b"found"
    assert fetch(server.gives("/full", b"", 301, Location=last), server.rules()) == b"found"
    for target in ("https://evil.example/there", "http://localhost:80/there", "http://localhost/there", "file:///etc/passwd",
                   f"https://127.0.0.1:{server.port}/there"):  # fmt: skip
        with pytest.raises(UrlRefused):
            fetch(server.gives("/away", b"", 307, Location=target), server.rules())
    with pytest.raises(UrlRefused, match="more than 3 times"):
        fetch(server.gives("/round", b"", 302, Location="/round"), server.rules())


@pytest.mark.kafka
def test_what_is_too_long_too_short_or_an_error_is_given_up(server: Server) -> None:
    with pytest.raises(UrlRefused, match="more than 1000 bytes"):
        fetch(server.gives("/long", bytes(5000)), server.rules(most_bytes=1000))
    with pytest.raises(TransportError):
        fetch(server.gives("/short", bytes(10), length=500), server.rules(timeout_s=1.0))
    with pytest.raises(TransportError, match="404"):
        fetch(server.gives("/none", b"", 404), server.rules())


@pytest.mark.kafka
def test_a_host_that_drips_is_left_when_the_time_is_over(server: Server) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        with contextlib.suppress(OSError):  # whoever has left is written to in vain
            for _ in range(40):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)

    server.answers["/drip"] = drip
    with pytest.raises(TransportError):
        fetch(f"https://localhost:{server.port}/drip", server.rules(timeout_s=0.4))


def fetcher(get: Callable[[str, Rules], bytes], **settings: object) -> MapFetcher:
    return MapFetcher(ListenSettings.model_validate({"map_hosts": ["heasarc.example"], **settings}), SystemClock(), get)


def taken(maps: MapFetcher, is_latest: Callable[[ExternalEvent], bool] = lambda event: True) -> list[ExternalEvent]:
    found: list[ExternalEvent] = []
    end_s = time.monotonic() + 30
    while not maps.idle and time.monotonic() < end_s:
        found += maps.fetched(is_latest)
        time.sleep(0.002)
    return found


def counted(outcome: str) -> float:
    return float(MAPS_FETCHED.labels(outcome)._value.get())


def test_an_event_comes_again_with_its_map_and_one_that_names_none_does_not() -> None:
    fits = encode_skymap(skymap())
    asked = event(skymap_url=URL)
    with fetcher(lambda url, rules: fits) as maps:
        for each in (event(), event(skymap=fits, skymap_url=URL), asked):
            maps.ask(each)
        (found,) = taken(maps)
    assert replace(found, received_ns=0) == replace(asked, received_ns=0, skymap=fits)
    assert found.received_ns > asked.received_ns


def test_what_is_no_sky_map_or_is_not_allowed_is_counted_and_nothing_comes() -> None:
    failed, refused = counted("failed"), counted("refused")
    with fetcher(lambda url, rules: b"<html>") as maps:
        maps.ask(event(skymap_url=URL))
        assert taken(maps) == []
    with fetcher(fetch) as maps:
        maps.ask(event(skymap_url="https://evil.example/map.fits"))
        assert taken(maps) == []
    assert (counted("failed") - failed, counted("refused") - refused) == (1, 1)


def test_a_map_that_comes_after_a_later_notice_is_left_out() -> None:
    """Else a retraction would be followed by what it retracted."""
    fits, superseded = encode_skymap(skymap()), counted("superseded")
    with fetcher(lambda url, rules: fits) as maps:
        maps.ask(event(skymap_url=URL))
        assert taken(maps, lambda event: False) == []
    assert counted("superseded") - superseded == 1


def test_a_map_larger_than_a_message_is_sent_as_a_multi_order_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.listen.maps._LARGE", 20_000)
    fits = encode_skymap(skymap(), history=["padding"] * 500)
    with fetcher(lambda url, rules: fits) as maps:
        maps.ask(event(skymap_url=URL))
        (found,) = taken(maps)
    assert found.skymap is not None and len(found.skymap) < len(fits)
    assert np.array_equal(decode_skymap(found.skymap).uniq, np.arange(4, 16))  # a map of equal pixels is twelve


def test_a_host_that_hangs_holds_up_nothing_and_what_finds_no_room_is_dropped() -> None:
    hang, dropped = threading.Event(), counted("dropped")

    def get(url: str, rules: Rules) -> bytes:
        hang.wait(30)
        raise TransportError("gone")

    with fetcher(get, map_queue=2) as maps:
        for k in range(10):
            maps.ask(event(str(k), skymap_url=URL))
        assert counted("dropped") - dropped in (7, 8)  # one may have been taken up before the queue was full
        hang.set()


class Once:
    """A source of one batch."""

    name, ended = "once", False

    def __init__(self, *payloads: bytes) -> None:
        self.payloads = payloads

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        self.ended = True
        return [SourceMessage(payload, "once", "t", "t", 1) for payload in self.payloads]

    def hold(self) -> None: ...
    def done(self, messages: object) -> None: ...
    def close(self) -> None: ...


def test_the_event_goes_out_first_and_again_with_its_map() -> None:
    fits, heard = encode_skymap(skymap()), Heard()
    with fetcher(lambda url, rules: fits) as maps:
        each = NoticeReader(read_plain, Tally())
        source = Once(notice("a", skymap_url=URL), notice("b"))
        listen(Listening([source], each, NoSink(), maps=maps, heard=heard))
    assert [(e.event_id, e.skymap) for e in heard] == [("a", None), ("b", None), ("a", fits)]


def test_the_default_is_to_fetch_nothing_and_the_bound_is_the_codecs() -> None:
    settings = Settings().listen
    assert (settings.fetch_maps, settings.map_hosts) == (False, ())
    assert settings.map_bytes == MAX_SKYMAP_BYTES["message"]


def test_a_flat_map_larger_than_a_message_keeps_its_probability_in_fewer_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As IceCube's: a small region, and noise of next to no probability all over the sky."""
    monkeypatch.setattr("pipelines.listen.maps._LARGE", 100_000)
    rng = np.random.default_rng(1)
    order = 6
    uniq = np.arange(4 * 4**order, 16 * 4**order, dtype=np.int64)
    mass = 1e-7 * rng.random(uniq.size)
    mass[1000:1300] = rng.random(300)
    density = mass / mass.sum() * uniq.size / (4 * np.pi)
    fits = encode_skymap(SkyMap(uniq, density, None, None, None, None, None, (), None, "test"))
    small = fitted_map(fits, 1 << 30)
    assert len(small) <= 100_000 < len(fits)
    found = decode_skymap(small)
    assert float(np.sum(found.probdensity * area_sr(split_uniq(found.uniq)[0]))) == pytest.approx(1.0)
    assert set(uniq[1000:1300]) <= set(found.uniq)


def test_a_map_that_does_not_fit_even_so_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.listen.maps._LARGE", 100)
    with pytest.raises(CodecError, match="does not fit"):
        fitted_map(encode_skymap(skymap()), 1 << 30)
