"""Results as people read them on a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipelines.offline.report import Report
from pipelines.subscribe.messenger import rate_text
from stream.codec.skymap import decode_skymap
from stream.records import Revision, Stretch
from stream.regions import area_text, credible_areas_deg2
from stream.timebase import ns_to_gps_s

if TYPE_CHECKING:  # the demo draws: a report needs no matplotlib
    from pipelines.show.demo import DemoResult


def demo_text(result: DemoResult) -> str:
    """Return what the demo showed: the alert itself, where it was written, and how long it took."""
    lines = []
    for number, alert in enumerate(result.alerts):
        if number not in (0, len(result.alerts) - 1):
            lines += [alert.as_line(), ""]
            continue
        shown = alert.record | {"tocsin": {k: v for k, v in alert.extra.items() if k != "unknown"}}
        lines += [json.dumps(shown, indent=2, default=lambda _: "(bytes)"), ""]
    gps = ns_to_gps_s(result.merger_ns)
    lines.append(f"injected: a merger at GPS {gps:.3f}, network SNR {result.network_snr:.1f}, and a glitch in L1")
    lines.append(f"alerts: {len(result.superevent_ids)}, false alarms: {result.false_alarms}")
    if result.merger_to_alert_s is not None:
        lines.append(f"merger to alert: {result.merger_to_alert_s:.3f} s")
    lines += _joined(result)
    if result.alerts:
        last = result.alerts[-1]
        where = where_and_what(last.extra.get("followed"), last.record["event"])
        lines.append(f"where and what: {where or 'not known: the alert says why'}")
    lines += [f"{kind}: {path}" for kind, path in result.files.items()]
    return "\n".join(lines)


def _joined(result: DemoResult) -> list[str]:
    """Return what is said of the gamma-ray bursts."""
    other = result.joined
    if other is None:
        return ["other messengers: none joined"]
    lines = [f"joined: {other.as_words().removeprefix('with ')}"]
    rates = [rate_text(rate) for rate in (other.time_far_hz, other.sky_far_hz) if rate is not None]
    if len(rates) == 2 and other.overlap is not None:
        lines.append(
            f"by chance: {rates[0]} from the times, {rates[1]} with the sky maps (overlap {other.overlap:.3g})"
        )
    if other.combined_fits is not None:
        (area_deg2,) = credible_areas_deg2(decode_skymap(other.combined_fits), (0.9,))
        lines.append(f"together: 90 % area {area_text(area_deg2)}")
    if result.notice_to_revision_s is not None:
        lines.append(f"notice to alert: {result.notice_to_revision_s:.3f} s; the burst a minute before did not join")
    return lines


def where_and_what(followed: Mapping[str, Any] | None, event: Mapping[str, Any] | None) -> str:
    """Return an alert's area, distance and most probable class on one line, as far as it has them."""
    told, words = followed or {}, []
    if told.get("area90_deg2") is not None:
        words.append(f"90 % area {area_text(told['area90_deg2'])}")
    if told.get("distance_mpc") is not None:
        words.append(f"{told['distance_mpc']:.0f} ± {told.get('distance_std_mpc') or 0.0:.0f} Mpc")
    classes: Mapping[str, float] = (event or {}).get("classification") or {}
    if classes:
        name = max(classes, key=lambda kind: classes[kind])
        words.append(f"{name} {classes[name]:.2f}")
    return ", ".join(words)


def report_text(report: Report) -> str:
    """Return what a search of archived data found."""
    lines = [
        f"{name}  GPS {ns_to_gps_s(c.gps_ns):.3f}  statistic {c.peak.statistic:.3f}  "
        f"FAR {'<' if c.far_is_limit else ''} {c.far_hz:.2e} Hz  {'+'.join(c.peak.detectors)}  "
        f"{_where_and_what(report.revisions_of(name)[-1])}".rstrip()
        for name, c in report.candidates
    ]
    lines = lines or ["no candidate"]
    lines += [f"masked: {name} {seconds:.2f} s" for name, seconds in report.masked_seconds().items() if seconds > 0]
    if len(report.stretches) > 1:
        lines.append(f"{len(report.stretches)} stretches of data:")
        lines += [f"  {_stretch(s)}" for s in report.stretches]
    lines.append(f"{report.duration_s:g} s of data in {report.wall_s:.2f} s: {report.x_realtime:.0f} x real time")
    return "\n".join(lines)


def _where_and_what(revision: Revision) -> str:
    source = None if revision.localized is None else revision.localized.source
    told = None if revision.followed is None else asdict(revision.followed)
    return where_and_what(told, {"classification": None if source is None else source.classification})


def _stretch(stretch: Stretch) -> str:
    start_s, end_s = ns_to_gps_s(stretch.gps_ns), ns_to_gps_s(stretch.end_ns)
    return f"GPS {start_s:.4f} to {end_s:.4f}: {stretch.duration_s:g} s of {'+'.join(stretch.detectors)}"
