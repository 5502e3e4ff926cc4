"""What the benchmark counts: superevents against mergers, and the alert that names the merger against the clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from pipelines.live.observe import Observer
from pipelines.live.publisher import Published
from pipelines.networks import Stopwatch
from pipelines.show.bench import _figures, _Ledger
from stream.records import AlertType, Background, Candidate, Peak
from stream.timebase import NS_PER_S

MERGER_NS = 1_400_000_000_123_000_000


def found(after_ns: int) -> tuple[Candidate, int]:
    gps_ns = MERGER_NS + after_ns
    peak = Peak(gps_ns, 9.0, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), gps_ns + 170_000_000)
    return Candidate(peak, 1e-8, False, Background("shipped", 1e7, ("H1", "L1")), "first-1"), gps_ns + 200_000_000


def published(after_ns: int, name: str, number: int, alert_type: AlertType) -> Published:
    return Published(name, MERGER_NS + after_ns, MERGER_NS + after_ns + 250_000_000, number, alert_type)


def test_a_merger_that_comes_as_an_update_is_found_and_no_false_alarm() -> None:
    """A bump before it was alerted first; what counts is when the merger itself was named."""
    observer = cast("Observer", SimpleNamespace(stages=SimpleNamespace(watch=Stopwatch())))
    ledger = _Ledger([found(-600_000_000), found(0), found(7 * NS_PER_S)], observer=observer)
    ledger.published += [
        published(-600_000_000, "TS240517a", 0, "PRELIMINARY"),
        published(0, "TS240517a", 1, "UPDATE"),
        published(7 * NS_PER_S, "TS240517b", 0, "PRELIMINARY"),
    ]
    figures = _figures([MERGER_NS, MERGER_NS + 30 * NS_PER_S], ledger)
    assert (figures["missed"], figures["false_alarms"]) == (1, 1)
    assert figures["merger_to_alert_s"] == {"p50": 0.25, "p99": 0.25, "max": 0.25, "n": 1}
