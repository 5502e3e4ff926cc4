"""The pages in a browser: what is read there, that nothing is loaded or complained of, and that they fit a phone.

Chromium is Debian's package; the daemon's own server serves the pages, on this machine's loopback only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alerts import EVIL, FITS, alert, beside
from chromium import Chromium, program
from heard import GPS_NS, evidence

from pipelines.show.page_folder import PageFolder
from stream.health import HealthServer
from stream.served_pages import ServedPages
from stream.timebase import NS_PER_S

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(program() is None, reason="Chromium is not installed: apt-get install chromium"),
]
WIDTHS = (390, 1280)
LONG = "a-name-without-any-place-to-break-it-" * 12


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def filled(path: Path) -> Path:
    """Return a folder of pages: a whole event, one of which little is known, a retracted one, one made to harm."""
    folder = PageFolder(path)
    folder.add(alert(alert_type="PRELIMINARY", skymap=None), beside(revision=0))
    folder.add(alert(), beside(revision=1), evidence("V1"))
    bare: dict[str, Any] = {"skymap": None, "classification": {}, "properties": {}, "mchirp_source": None}
    unknown = {"skymap": "the worker was killed", "classification": LONG}
    told = beside(gps_ns=GPS_NS + 90 * NS_PER_S, unknown=unknown, p_astro=None, model=LONG)
    folder.add(alert(superevent_id="TS150914b", **bare), told)
    folder.add(alert(superevent_id="TS150914c", **bare), beside(revision=0))
    decided = beside(revision=1, decision={"why": f"a glitch {LONG}", "who": "me@here"})
    folder.add(alert(superevent_id="TS150914c", event=None, alert_type="RETRACTION"), decided)
    harm = {"instruments": [EVIL], "pipeline": EVIL, "search": LONG, "classification": {EVIL: 0.4, LONG: 0.6}}
    folder.add(alert(superevent_id="TS150914d", **{**bare, **harm}), beside(model=EVIL, per_detector={LONG: 1.0}))
    burst = {"gcn_notice_id": LONG, "ivorn": EVIL, "observatory": LONG, "search": LONG, "time_difference": -1.7}
    burst |= {"time_coincidence_far": 1e-9, "time_sky_position_coincidence_far": 0.0, "combined_skymap": FITS}
    joined = {"names": ["W" * 200, EVIL], "others": [LONG] * 4, "overlap": 0.5, "event_id": LONG}
    folder.add(alert(superevent_id="TS150914e", external_coinc=burst, **bare), beside(joined=joined))
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = filled(tmp_path_factory.mktemp("pages"))
    server = HealthServer("127.0.0.1", 0, dict, dict, ServedPages(folder))
    yield f"http://127.0.0.1:{server.port}"
    server.close()


def check(browser: Chromium, address: str, width: int) -> str:
    """Open a page, refuse what no page may do, and return its words."""
    seen = browser.look(address, width)
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith(("data:", address))] == []
    assert (seen.overflow, seen.wider) == (0, [])
    assert seen.pictures_broken == 0
    kept = os.environ.get("TOCSIN_KEEP_SCREENSHOTS")  # a folder: to look at what was tested
    if kept:
        browser.picture(Path(kept) / f"{address.rsplit('/', 1)[1] or 'index'}-{width}.png")
    return seen.text


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_an_event(width: int, browser: Chromium, address: str) -> None:
    text = check(browser, f"{address}/events/TS150914a.html", width)
    for words in (
        "TS150914a",
        "revision 1",
        "BBH 98 %",
        "430 ± 118 Mpc",
        "V1: whitened strain and Q-scan",
        "PRELIMINARY",
    ):
        assert words in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("b", "No sky map: the worker was killed"),
        ("c", "Retracted. a glitch"),
        ("d", "<script>alert(1)</script>"),
        ("e", "1.7 s before the merger"),
    ],
)
def test_the_page_of_an_event_that_is_hard_to_show(
    name: str, words: str, width: int, browser: Chromium, address: str
) -> None:
    assert words in check(browser, f"{address}/events/TS150914{name}.html", width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_of_events(width: int, browser: Chromium, address: str) -> None:
    text = check(browser, f"{address}/", width)
    assert "5 events, 1 retracted" in text
    assert text.index("TS150914b") < text.index("TS150914a")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_of_no_event_and_of_hundreds(width: int, browser: Chromium, tmp_path: Path) -> None:
    pages = ServedPages(tmp_path)
    server = HealthServer("127.0.0.1", 0, dict, dict, pages)
    try:
        assert "No event yet." in check(browser, f"http://127.0.0.1:{server.port}/", width)
        folder = PageFolder(tmp_path, kept=1000)
        path = folder.add(alert(skymap=None), beside())
        told = path.with_suffix(".json").read_text()
        for k in range(400):
            name = f"TS150914{chr(97 + k // 26)}{chr(97 + k % 26)}"
            (tmp_path / "events" / f"{name}.json").write_text(told.replace("TS150914a", name))
        folder.write_index()
        assert "401 events" in check(browser, f"http://127.0.0.1:{server.port}/", width)
    finally:
        server.close()


def test_a_file_that_was_sent_on_needs_no_server(browser: Chromium, tmp_path: Path) -> None:
    page = PageFolder(tmp_path).add(alert(), beside())
    assert "TS150914a" in check(browser, page.as_uri(), 390)


def test_a_page_that_is_too_wide_is_seen(browser: Chromium, tmp_path: Path) -> None:
    """The measure that the other tests rest on can fail."""
    wide = tmp_path / "wide.html"
    wide.write_text(
        "<body><div style='width:2000px'>wide</div><img src='http://example.org/x.png'><script>x()</script>"
    )
    seen = browser.look(wide.as_uri(), 390)
    assert seen.wider
    assert seen.overflow > 1000
    assert seen.complaints
    assert seen.pictures_broken == 1
    assert "http://example.org/x.png" in seen.requests
