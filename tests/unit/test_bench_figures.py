"""What the benchmark counts: superevents against mergers, and the alert that names the merger against the clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from pipelines.live.observe import Observer
from pipelines.live.publisher import Published
from pipelines.networks import Stopwatch
from pipelines.show.bench import _figures, _Ledger
from stream.records import AlertType, Background, Candidate, Followed, Peak
from stream.timebase import NS_PER_S

MERGER_NS = 1_400_000_000_123_000_000


def found(after_ns: int) -> tuple[Candidate, int]:
    gps_ns = MERGER_NS + after_ns
    peak = Peak(gps_ns, 9.0, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), gps_ns + 170_000_000)
    return Candidate(peak, 1e-8, False, Background("shipped", 1e7, ("H1", "L1")), "first-1"), gps_ns + 200_000_000


def published(
    after_ns: int, name: str, number: int, alert_type: AlertType, followed: Followed | None = None, late_ns: int = 0
) -> Published:
    at_ns = MERGER_NS + after_ns
    return Published(name, at_ns, at_ns + 250_000_000 + late_ns, number, alert_type, followed)


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


def test_a_map_counts_when_the_first_alert_that_has_it_and_the_class_was_there() -> None:
    """With the first alert, with a later one, or never; a map without a class is not both."""
    both, half = Followed(("skymap", "classification"), "tocsin", 0.06), Followed(("skymap",), "tocsin", 0.06)
    observer = cast("Observer", SimpleNamespace(stages=SimpleNamespace(watch=Stopwatch())))
    times = [k * 10 * NS_PER_S for k in range(4)]
    ledger = _Ledger([found(t) for t in times], observer=observer)
    ledger.published += [
        published(times[0], "TS240517a", 0, "PRELIMINARY", both),
        published(times[1], "TS240517b", 0, "PRELIMINARY"),
        published(times[1], "TS240517b", 1, "UPDATE", both, late_ns=200_000_000),
        published(times[2], "TS240517c", 0, "PRELIMINARY", half),
        published(times[3], "TS240517d", 0, "PRELIMINARY"),
    ]
    figures = _figures([MERGER_NS + t for t in times], ledger)
    assert figures["maps"] == {"with_first_alert": 1, "with_a_later_one": 1, "never": 2}
    assert figures["merger_to_alert_with_map_s"] == {"p50": 0.35, "p99": 0.448, "max": 0.45, "n": 2}
    assert figures["follow_up_s"] == {"p50": 0.06, "p99": 0.06, "max": 0.06, "n": 2}
    assert figures["merger_to_alert_s"] == {"p50": 0.25, "p99": 0.25, "max": 0.25, "n": 4}
