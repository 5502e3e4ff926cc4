"""What the search hands on: every candidate below the threshold, for it knows nothing of events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import fastavro
import pytest
from messengers import burst

from pipelines.networks import Stopwatch
from pipelines.offline.replay import write_report_alerts
from pipelines.offline.report import Report
from pipelines.search import Stages, step
from pipelines.show.demo import DemoResult
from pipelines.snapshots import Snapshots
from pipelines.subscribe import receive
from stream.codec.alert import encode
from stream.coincide.coincidences import Coincidences
from stream.coincide.store import Store
from stream.kafka.consumer import Message
from stream.records import AlignedSpan, Background, Candidate, Peak
from stream.settings import ExternalSettings, PublishSettings, Settings, SignificanceSettings
from stream.superevent import Superevents
from stream.timebase import NS_PER_S

GPS_NS = 1_400_000_000_123_000_000
BUMP, LOUDER, ECHO = ((0, 8.0, 1e-6), (600_000_000, 20.0, 5e-8), (1_100_000_000, 9.0, 5e-7))
FAINT = (5 * NS_PER_S, 1.0, 1e-2)
SPAN = cast("AlignedSpan", SimpleNamespace(masked=(), segments=()))


def peak(after_ns: int, statistic: float) -> Peak:
    gps_ns = GPS_NS + after_ns
    return Peak(gps_ns, statistic, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), gps_ns + 180_000_000)


def candidate(after_ns: int, statistic: float, far_hz: float) -> Candidate:
    return Candidate(peak(after_ns, statistic), far_hz, False, Background("shipped", 1e9, ("H1", "L1")), "test-1")


def stages(found: list[tuple[int, float, float]], done: list[object]) -> Stages:
    """A search that finds these peaks in its next span, and notes what its slides are told."""
    assessed = {peak(t, s): candidate(t, s, far_hz) for t, s, far_hz in found}

    network = SimpleNamespace(
        step=lambda *_: (list(assessed), None),
        significance=SimpleNamespace(assess=assessed.__getitem__),
        slides=SimpleNamespace(exclude=done.append),
        learn=lambda: done.append("added"),
    )
    return cast(
        "Stages",
        SimpleNamespace(
            denoise={},
            condition={},
            network=network,
            tap=None,
            beside=None,
            watch=Stopwatch(),
            far_threshold_hz=1e-4,
            snapshots=Snapshots(),
        ),
    )


def test_every_candidate_below_the_threshold_is_handed_on_the_louder_peak_of_an_event_too() -> None:
    """And the slides know of each before they take the span that holds it."""
    done: list[object] = []
    told: list[Candidate] = []
    sink = SimpleNamespace(candidate=lambda c, _: told.append(c), masked=lambda _: None)
    step(SPAN, stages([BUMP, LOUDER, ECHO, FAINT], done), cast("Any", sink))
    assert told == [candidate(*found) for found in (BUMP, LOUDER, ECHO)]
    assert done == [*(c.gps_ns for c in told), "added"]


def test_an_archive_tells_what_coincides_as_live_does() -> None:
    """Of both peaks of the event: each revision has its own time difference."""
    coincidences = Coincidences(ExternalSettings(), Store(None), "test")
    coincidences.heard(burst(gps_ns=GPS_NS + 1_700_000_000))
    made = Report(coincide=coincidences.of)
    step(SPAN, stages([BUMP, LOUDER], []), made)
    written: Any = made.as_dict()
    told = [revision["joined"] for revision in written["candidates"][0]["revisions"]]
    assert [(j["source"], j["time_difference_ns"]) for j in told] == [
        ("Fermi-GBM", 1_700_000_000), ("Fermi-GBM", 1_100_000_000),
    ]  # fmt: skip


@pytest.fixture
def report() -> Report:
    made = Report()
    step(SPAN, stages([BUMP, LOUDER, ECHO, FAINT], []), made)
    step(SPAN, stages([(9 * NS_PER_S, 11.0, 1e-7)], []), made)
    return made


def test_a_report_lists_superevents_by_their_preferred_candidate_with_what_was_said(report: Report) -> None:
    listed: Any = report.as_dict()["candidates"]
    assert [(c["superevent_id"], c["gps_ns"] - GPS_NS, c["statistic"], c["far_hz"]) for c in listed] == [
        ("TS240517a", 600_000_000, 20.0, 5e-8),
        ("TS240517b", 9 * NS_PER_S, 11.0, 1e-7),
    ]
    assert [[(r["revision"], r["alert_type"], r["statistic"]) for r in c["revisions"]] for c in listed] == [
        [(0, "PRELIMINARY", 8.0), (1, "UPDATE", 20.0)],
        [(0, "PRELIMINARY", 11.0)],
    ]


def test_the_alerts_of_a_report_are_those_that_live_would_have_sent(report: Report, tmp_path: Any) -> None:
    write_report_alerts(report, Settings(), tmp_path / "out.avro")
    with (tmp_path / "out.avro").open("rb") as file:
        alerts: list[Any] = list(fastavro.reader(file))
    assert [(a["superevent_id"], a["alert_type"], a["event"]["far"]) for a in alerts] == [
        ("TS240517a", "PRELIMINARY", 1e-6),
        ("TS240517a", "UPDATE", 5e-8),
        ("TS240517b", "PRELIMINARY", 1e-7),
    ]


def test_a_demonstration_counts_events_and_not_messages() -> None:
    """The merger may come as an UPDATE of the bump before it; what belongs to no merger is false."""
    events, publish = Superevents("test"), PublishSettings()
    made = [r for found in (BUMP, LOUDER) for r in events.step(candidate(*found), GPS_NS)]
    shown = DemoResult(GPS_NS + LOUDER[0], 20.0)
    for revision in made:
        alert = encode(revision, publish, SignificanceSettings())
        shown.alerts.append(receive(Message("alerts.gw", 0, 0, None, alert.avro, alert.headers, 0)))
    assert (shown.as_dict()["alerts"], shown.as_dict()["false_alarms"], shown.ok) == (1, 0, True)
    assert shown.as_dict()["superevent_ids"] == ["TS240517a"]
    assert DemoResult(GPS_NS + 3 * NS_PER_S, 20.0, shown.alerts).false_alarms == 1
