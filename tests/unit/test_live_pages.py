"""Pages of the running daemon: written by a process of their own, which may fail and costs nobody anything."""

from __future__ import annotations

import io
import pickle
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alerts import alert, beside
from heard import GPS_NS, evidence, segment, spans, statistic_of
from structlog.testing import capture_logs

from pipelines.live.publisher import Published
from pipelines.show import live_pages, page_writer
from pipelines.show.evidence import PageJob
from pipelines.show.live_pages import LivePages, with_pages
from pipelines.show.page_folder import PageFolder
from stream.codec.alert import Outgoing, encode_alert
from stream.codec.alert.headers import extra_headers
from stream.records import Background, Candidate, Peak
from stream.settings import DaemonSettings
from stream.timebase import NS_PER_S

PEAK = Peak(GPS_NS, 31.0, ("H1", "L1"), (("H1", 18.8),), GPS_NS + NS_PER_S // 4)
CANDIDATE = Candidate(PEAK, 1e-8, True, Background("shipped", 1e8, ("H1", "L1")), "carillon-1", 0.99)


def published(name: str = "TS150914a", **extra: Any) -> Published:
    """Return an alert without a map, as the publisher tells of it."""
    record = alert(superevent_id=name, skymap=None)
    out = Outgoing("id", name, GPS_NS, encode_alert(record), b"", extra_headers(beside(**extra)))
    return Published(name, GPS_NS, GPS_NS + NS_PER_S // 3, 0, "PRELIMINARY", None, out)


def until(holds: Callable[[], bool], seconds: float = 120.0) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def hear(pages: LivePages) -> None:
    for pair in zip(spans(segment("H1"), 4), spans(segment("L1"), 4), strict=True):
        pages.tap(pair, statistic_of(pair[0]))
        if pair[0].gps_ns <= GPS_NS < pair[0].end_ns:
            pages.candidate(CANDIDATE)


def test_a_published_alert_has_its_page_though_the_writer_of_the_one_before_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_pages, "_NICENESS", 0)  # beside other tests the lowest priority may have nothing
    pages = LivePages(tmp_path, 5)
    hear(pages)
    pages.published(published())
    assert until((tmp_path / "events" / "TS150914a.html").exists)
    page = (tmp_path / "events" / "TS150914a.html").read_text()
    assert "L1: whitened strain and Q-scan" in page
    assert "revision 1" in page
    child = pages._child
    assert child is not None
    child.kill()
    child.wait()
    pages.published(published("TS150914b"))
    assert until((tmp_path / "events" / "TS150914b.html").exists)
    pages.close()
    index = (tmp_path / "index.html").read_text()
    assert "TS150914a" in index
    assert "TS150914b" in index


def test_a_daemon_that_is_to_have_pages_tells_what_it_hears_and_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[PageJob] = []
    monkeypatch.setattr(LivePages, "_write", lambda _, job: jobs.append(job))
    with with_pages(DaemonSettings(pages_dir=tmp_path, pages_kept=5)) as hooks:
        assert hooks.tap is not None and hooks.candidate is not None and hooks.published is not None
        whole = segment("H1")
        hooks.tap([whole], statistic_of(whole))
        hooks.candidate(CANDIDATE)
        hooks.published(published())
    (job,) = jobs
    assert job.evidence is not None
    assert [s.detector for s in job.evidence.strain] == ["H1"]


def test_without_a_folder_nothing_is_watched() -> None:
    with with_pages(DaemonSettings()) as hooks:
        assert (hooks.tap, hooks.candidate, hooks.published) == (None, None, None)


def test_what_has_passed_by_until_the_alert_was_kept_with_its_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[PageJob] = []
    monkeypatch.setattr(LivePages, "_write", lambda _, job: jobs.append(job))
    pages = LivePages(tmp_path, 5)
    hear(pages)
    later = replace(segment("H1"), gps_ns=segment("H1").gps_ns + 900 * NS_PER_S)
    pages.tap([later], statistic_of(later))
    pages.published(published())
    pages.close()
    (job,) = jobs
    assert job.evidence is not None
    assert [s.detector for s in job.evidence.strain] == ["H1", "L1"]


def test_a_writer_that_hangs_is_ended_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_pages, "_PAGE_S", 0.3)
    pages = LivePages(tmp_path, 5)
    pages._command = ["sleep", "600"]
    with capture_logs() as logs:
        pages.published(published())
        assert until(lambda: any(entry["event"] == "page_not_written" for entry in logs))
    pages.close()
    assert pages._child is None


def test_a_writer_that_cannot_be_started_costs_one_page_and_not_the_next(tmp_path: Path) -> None:
    pages = LivePages(tmp_path, 5)
    pages._command = [str(tmp_path / "nothing")]
    with capture_logs() as logs:
        pages.published(published())
        pages.published(published("TS150914b"))
        assert until(lambda: [entry["event"] for entry in logs].count("page_not_written") == 2)
    pages.close()


def test_what_is_too_much_costs_the_oldest_pages_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_pages, "_QUEUE", 2)
    monkeypatch.setattr(live_pages, "_PAGE_S", 0.5)
    pages = LivePages(tmp_path, 5)
    pages._command = ["sleep", "600"]
    with capture_logs() as logs:
        for letter in "abcdef":
            pages.published(published(f"TS150914{letter}"))
    pages.close(0.1)
    lost = [entry["superevent_id"] for entry in logs if entry["event"] == "page_lost"]
    assert len(lost) >= 3


def test_one_alert_that_cannot_be_drawn_costs_no_other_its_page(tmp_path: Path) -> None:
    good, bad = published(), PageJob(b"no alert", (), None)
    assert good.alert is not None
    jobs = [bad, PageJob(good.alert.avro, good.alert.headers, evidence("H1")), bad]
    packed = [pickle.dumps(job) for job in jobs]
    stream = io.BytesIO(b"".join(struct.pack("<Q", len(job)) + job for job in packed))
    answers = io.StringIO()
    page_writer.serve(PageFolder(tmp_path), stream, answers)
    told = answers.getvalue().splitlines()
    assert [line[:3] for line in told] == ["no ", "ok ", "no "]
    assert told[1].endswith("TS150914a.html")
