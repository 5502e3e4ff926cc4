"""The folder of pages: names, order, bounds, and what a restart finds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from alerts import alert, beside
from heard import GPS_NS, evidence, spans, statistic_of

from pipelines.show import event_page
from pipelines.show.page_folder import PageFolder
from pipelines.show.replay_pages import ReplayPages
from stream.errors import SchemaError
from stream.records import Background, Candidate, Peak, Revision
from stream.settings import Settings
from stream.timebase import NS_PER_S

BARE = {"skymap": None}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the drawing: what the pictures show is asked elsewhere."""
    for name in ("detector_png", "statistic_png"):
        monkeypatch.setattr(event_page, name, lambda *_: b"picture")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "events").iterdir())


def test_each_event_has_a_page_and_the_list_names_it(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path)
    path = folder.add(alert(**BARE), beside(), evidence("H1"))
    assert path == tmp_path / "events" / "TS150914a.html"
    assert names(tmp_path) == ["TS150914a.html", "TS150914a.json", "TS150914a.npz"]
    index = (tmp_path / "index.html").read_text()
    assert 'href="events/TS150914a.html"' in index
    assert "1 event" in index
    assert 'href="../index.html"' in path.read_text()


def test_the_list_has_the_newest_first_and_what_a_retracted_one_said(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path)
    folder.add(alert(**BARE), beside())
    folder.add(alert(**BARE, superevent_id="TS150915b"), beside(gps_ns=GPS_NS + 86_400 * NS_PER_S))
    decided = beside(revision=2, decision={"why": "a glitch", "who": "me"})
    folder.add(alert(superevent_id="TS150914a", event=None, alert_type="RETRACTION"), decided)
    index = (tmp_path / "index.html").read_text()
    assert index.index("TS150915b") < index.index("TS150914a")
    assert "2 events, 1 retracted" in index
    assert "a glitch (me)" in index
    assert index.count("BBH 98 %") == 2


def test_no_event_is_said_to_be_none(tmp_path: Path) -> None:
    PageFolder(tmp_path).write_index()
    assert "No event yet." in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "TS150914a/..", "", "TS150914a\x00", "S1509141", "TS150914A", "."]
)
def test_an_id_that_is_none_names_no_file(name: str, tmp_path: Path) -> None:
    folder = PageFolder(tmp_path / "pages")
    with pytest.raises(SchemaError, match="named after a superevent"):
        folder.add(alert(**BARE, superevent_id=name), beside())
    assert names(tmp_path / "pages") == []


def test_the_oldest_events_go(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path, kept=3)
    for k, letter in enumerate("abcdef"):
        folder.add(alert(**BARE, superevent_id=f"TS150914{letter}"), beside(), evidence("H1") if k == 0 else None)
        os.utime(tmp_path / "events" / f"TS150914{letter}.json", (k, k))
    assert names(tmp_path) == [f"TS150914{x}.{end}" for x in "def" for end in ("html", "json")]
    assert "3 events" in (tmp_path / "index.html").read_text()


def test_an_alert_that_comes_late_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path)
    folder.add(alert(**BARE), beside(revision=2))
    folder.add(alert(**BARE, alert_type="PRELIMINARY"), beside(revision=0))
    page = (tmp_path / "events" / "TS150914a.html").read_text()
    assert "revision 2" in page
    folder.add(alert(**BARE), beside(revision=3))
    page = (tmp_path / "events" / "TS150914a.html").read_text()
    assert page.count("<td>UPDATE</td>") == 2
    assert page.count("<td>PRELIMINARY</td>") == 1


def test_an_alert_twice_is_one(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path)
    for _ in range(3):
        path = folder.add(alert(**BARE), beside())
    assert path.read_text().count("<td>UPDATE</td>") == 1


def test_after_a_restart_the_strain_is_still_there(tmp_path: Path) -> None:
    """An alert that people decide comes hours later: what was heard is kept with the page."""
    PageFolder(tmp_path).add(alert(**BARE), beside(), evidence("H1"))
    path = PageFolder(tmp_path).add(alert(**BARE, alert_type="INITIAL"), beside(revision=2), None)
    assert "H1: whitened strain" in path.read_text()


def test_damaged_files_cost_what_they_held(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path)
    path = folder.add(alert(**BARE), beside(), evidence("H1"))
    path.with_suffix(".json").write_text('[{"a": 1}]')
    path.with_suffix(".npz").write_bytes(b"damaged")
    folder.write_index()
    assert "No event yet." in (tmp_path / "index.html").read_text()
    assert folder.add(alert(**BARE), beside()) == path


def test_a_replay_writes_pages_of_what_it_said(tmp_path: Path) -> None:
    pages, whole = ReplayPages(), evidence("H1")
    peak = Peak(GPS_NS, 31.0, ("H1", "L1"), (("H1", 18.8), ("L1", 13.5)), GPS_NS + NS_PER_S // 4)
    candidate = Candidate(peak, 1e-8, True, Background("shipped", 1e8, ("H1", "L1")), "carillon-1", 0.99)
    for pair in zip(*(spans(segment, 16) for segment in whole.strain), strict=True):
        pages.tap(pair, statistic_of(pair[0]))
        if pair[0].gps_ns <= GPS_NS < pair[0].end_ns:
            pages.told(Revision("TS150914a", 0, "PRELIMINARY", GPS_NS, GPS_NS, 1, candidate))
    written = pages.write(tmp_path, Settings())
    assert written == [tmp_path / "index.html", tmp_path / "events" / "TS150914a.html"]
    page = written[1].read_text()
    assert "H1: whitened strain" in page
    assert "≤ 1e-08 Hz" in page
