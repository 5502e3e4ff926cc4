"""Findings as the events' loop gets them: candidates of one event, what their follow-up found, decisions."""

from __future__ import annotations

from stream.records import Background, Candidate, Decision, Localized, Peak, Revision, SourceClass
from stream.superevent import not_found

MERGER_NS = 1_126_259_462_420_000_000
NOW_NS = MERGER_NS + 300_000_000


def heard(
    after_ns: int = 0, statistic: float = 12.0, far_hz: float = 1e-6, detectors: tuple[str, ...] = ("H1", "L1")
) -> Candidate:
    gps_ns = MERGER_NS + after_ns
    peak = Peak(gps_ns, statistic, detectors, tuple((d, statistic / 3) for d in detectors), gps_ns + 170_000_000)
    return Candidate(peak, far_hz, False, Background("shipped", 1e7, detectors), "first-1")


def decided(kind: str, superevent_id: str = "TS150914a", number: int = 1) -> Decision:
    assert kind in ("retract", "confirm")
    uuid = f"00000000-0000-4000-8000-{number:012d}"
    return Decision(uuid, superevent_id, kind, "the light was on", "ada", NOW_NS)  # type: ignore[arg-type]


def said(revisions: tuple[Revision, ...]) -> list[tuple[str, int, str]]:
    return [(r.superevent_id, r.number, r.alert_type) for r in revisions]


SOURCE = SourceClass(
    classification={"BNS": 0.0, "NSBH": 0.01, "BBH": 0.98, "Terrestrial": 0.01},
    properties={"HasNS": 0.01, "HasRemnant": 0.0, "HasMassGap": 0.25},
    mchirp_source=((20.0, 22.0, 24.0), (0.4, 0.6)),
)


def mapped(candidate: Candidate, method: str = "tocsin", source: SourceClass | None = SOURCE) -> Localized:
    return Localized(candidate, b"map", 120.5, 501.25, 430.0, 110.0, 30.5, 0.25, source, method=method, seconds=0.0631)


def late(candidate: Candidate) -> Localized:
    return not_found(candidate, "not ready within 0.15 s")
