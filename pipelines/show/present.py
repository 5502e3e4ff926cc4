"""Results as people read them on a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipelines.offline.report import Report
from stream.records import Stretch
from stream.timebase import ns_to_gps_s

if TYPE_CHECKING:  # the demo draws: a report needs no matplotlib
    from pipelines.show.demo import DemoResult


def demo_text(result: DemoResult) -> str:
    """Return what the demo showed: the alert itself, where it was written, and how long it took."""
    lines = []
    for alert in result.alerts:
        shown = alert.record | {"tocsin": {k: v for k, v in alert.extra.items() if k != "unknown"}}
        lines += [json.dumps(shown, indent=2, default=lambda _: "(bytes)"), ""]
    gps = ns_to_gps_s(result.merger_ns)
    lines.append(f"injected: a merger at GPS {gps:.3f}, network SNR {result.network_snr:.1f}, and a glitch in L1")
    lines.append(f"alerts: {len(result.superevent_ids)}, false alarms: {result.false_alarms}")
    if result.merger_to_alert_s is not None:
        lines.append(f"merger to alert: {result.merger_to_alert_s:.3f} s")
    lines += [f"{kind}: {path}" for kind, path in result.files.items()]
    return "\n".join(lines)


def report_text(report: Report) -> str:
    """Return what a search of archived data found."""
    lines = [
        f"{name}  GPS {ns_to_gps_s(c.gps_ns):.3f}  statistic {c.peak.statistic:.3f}  "
        f"FAR {'<' if c.far_is_limit else ''} {c.far_hz:.2e} Hz  {'+'.join(c.peak.detectors)}"
        for name, c in report.candidates
    ]
    lines = lines or ["no candidate"]
    lines += [f"masked: {name} {seconds:.2f} s" for name, seconds in report.masked_seconds().items() if seconds > 0]
    if len(report.stretches) > 1:
        lines.append(f"{len(report.stretches)} stretches of data:")
        lines += [f"  {_stretch(s)}" for s in report.stretches]
    lines.append(f"{report.duration_s:g} s of data in {report.wall_s:.2f} s: {report.x_realtime:.0f} x real time")
    return "\n".join(lines)


def _stretch(stretch: Stretch) -> str:
    start_s, end_s = ns_to_gps_s(stretch.gps_ns), ns_to_gps_s(stretch.end_ns)
    return f"GPS {start_s:.4f} to {end_s:.4f}: {stretch.duration_s:g} s of {'+'.join(stretch.detectors)}"
