"""Events of other messengers for tests, and what coincides with a superevent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from findings import MERGER_NS

from stream.records import Coincidence, ExternalEvent, GwEvent
from stream.timebase import NS_PER_S


def burst(after_s: float = 1.7, event_id: str = "524666471", **changes: Any) -> ExternalEvent:
    """Return a gamma-ray burst so long after the merger, told by Fermi-GBM ten seconds later."""
    gps_ns = MERGER_NS + round(after_s * NS_PER_S)
    found = ExternalEvent(
        event_id=event_id, source="Fermi-GBM", messenger="gamma", alert_type="initial", gps_ns=gps_ns,
        received_ns=gps_ns + 10 * NS_PER_S, ra_deg=197.45, dec_deg=-23.38, error_radius_deg=5.0, containment=0.9,
        search="GRB", names=("GRB 150914A",), notice_id=event_id, ivorn=f"ivo://nasa.gsfc.gcn/Fermi#GBM_{event_id}",
        issued_ns=gps_ns + 8 * NS_PER_S,
    )  # fmt: skip
    return replace(found, **changes)


def retracted(external: ExternalEvent, after_s: float = 3600.0) -> ExternalEvent:
    """Return the notice that takes an event back: without position, with a time of its own."""
    later = round(after_s * NS_PER_S)
    return ExternalEvent(
        external.event_id, external.source, external.messenger, "retraction", external.gps_ns + later,
        external.received_ns + later, issued_ns=(external.issued_ns or 0) + later,
    )  # fmt: skip


def coincident(
    external: ExternalEvent | None, gw: GwEvent | None = None, far_hz: float = 1e-9, **changes: Any
) -> Coincidence:
    """Return a coincidence; its rate with the sky is half of that from the times, where the superevent has a map."""
    gw = gw or GwEvent("TS150914a", MERGER_NS, 1e-6)
    if external is None:
        return Coincidence(gw, None)
    sky = gw.skymap_fits is not None
    found = Coincidence(
        gw, external, external.gps_ns - gw.gps_ns, (-NS_PER_S, 5 * NS_PER_S), far_hz, far_hz / 2 if sky else None,
        2.0 if sky else None, b"both" if sky else None,
        reasons={} if sky else {"sky_far_hz": "the superevent has no sky map", "combined_fits": "no sky map"},
    )  # fmt: skip
    return replace(found, **changes)
