"""Tocsin's joint false-alarm rates beside ligo-raven's: over a grid of inputs, and of GW170817 with GRB 170817A.

What was told of those: the candidate had a false-alarm rate of about 1 in 10 000 years (GCN 21505; Abbott et al., ApJL
848, L12 (2017), section 2.1), at GPS 1187008882.443 (GCN 21513); Fermi-GBM's trigger 524666471, 1.7 s after the merger
(Abbott et al., ApJL 848, L13 (2017)), was at 176.8, -39.8 deg within 11.6 deg (GCN 21506: 1 sigma, statistical alone).
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from pipelines.evaluate import raven_peer
from stream.codec.skymap import decode_skymap, encode_skymap
from stream.coincide.draw import skymap_of
from stream.coincide.joint_far import RATES_PER_YEAR, SECONDS_PER_YEAR, TARGETED, sky_far, time_far
from stream.coincide.judge import weigh
from stream.coincide.overlap import overlap
from stream.coincide.windows import window_ns
from stream.records import ExternalEvent, GwEvent, SkyMap
from stream.settings import ExternalSettings
from stream.timebase import NS_PER_S

MERGER_NS = 1_187_008_882_443_000_000
GW170817_HZ = 1 / (10_000 * SECONDS_PER_YEAR)
GRB170817A = ExternalEvent(
    "524666471", "Fermi-GBM", "gamma", "update", MERGER_NS + 1_700_000_000, MERGER_NS, ra_deg=176.8, dec_deg=-39.8,
    error_radius_deg=11.6, containment=0.68, systematic_included=False, search="GRB", names=("GRB 170817A",),
    notice_id="524666471",
)  # fmt: skip

_SETTINGS = ExternalSettings()
_FARS_GW_HZ = (1e-14, 3.17e-12, 1e-9, 3.8e-7, 1.1e-5)
_FARS_EXT_HZ = (1e-9, 1e-7, 3e-6, 1e-4)
_PLACES = ((197.45, -23.38), (176.8, -39.8), (120.0, 40.0))
_RADII_DEG = (0.05, 3.0, 11.6, 40.0)


def grid() -> list[dict[str, Any]]:
    """Return, for each input, both rates and how far apart they are, as a part."""
    rows = []
    for (search, mission), group, far_gw_hz in product(
        (("GRB", "Fermi"), ("SubGRB", "Fermi"), ("SubGRB", "Swift")), ("CBC", "Burst"), _FARS_GW_HZ
    ):
        rows.append(_row(search, mission, group, far_gw_hz, None))
    for mission, far_gw_hz, far_ext_hz in product(TARGETED, _FARS_GW_HZ, _FARS_EXT_HZ):
        rows.append(_row("SubGRBTargeted", mission, "CBC", far_gw_hz, far_ext_hz))
    return rows


def _row(search: str, mission: str, group: str, far_gw_hz: float, far_ext_hz: float | None) -> dict[str, Any]:
    event = ExternalEvent("", f"{mission}-X", "gamma", "initial", 0, 0, search=search, far_hz=far_ext_hz)
    window = window_ns(event, group, _SETTINGS)
    assert window is not None
    rate_hz = RATES_PER_YEAR.get(search, 0.0) / SECONDS_PER_YEAR
    theirs, _, _ = raven_peer.joint_far(
        search, mission, _seconds(window), far_gw_hz, far_ext_hz=far_ext_hz, rate_hz=rate_hz
    )
    ours = time_far(event, far_gw_hz, window, _SETTINGS).far_hz
    assert ours is not None
    return {
        "search": search, "mission": mission, "window_s": _seconds(window), "far_gw_hz": far_gw_hz,
        "far_ext_hz": far_ext_hz, "ours_hz": ours, "raven_hz": theirs, "apart": _apart(ours, theirs),
    }  # fmt: skip


def overlaps(gw: SkyMap) -> list[dict[str, Any]]:
    """Return overlaps of a map with circles here and there: ours, RAVEN's on the same pixels, and as it finds them."""
    rows = []
    for (ra_deg, dec_deg), radius_deg in product(_PLACES, _RADII_DEG):
        event = ExternalEvent(
            "", "X", "gamma", "initial", 0, 0, ra_deg=ra_deg, dec_deg=dec_deg, error_radius_deg=radius_deg
        )
        drawn = skymap_of(event)
        assert drawn is not None
        rows.append({"ra_deg": ra_deg, "dec_deg": dec_deg, "radius_deg": radius_deg} | _overlaps(gw, drawn))
    return rows


def _overlaps(gw: SkyMap, external: SkyMap) -> dict[str, float]:
    ours = overlap(gw, external)
    same = raven_peer.overlap(*raven_peer.on_common_pixels(gw, external))
    nearest = raven_peer.overlap(gw, external)
    return {"ours": ours, "raven": same, "apart": _apart(ours, same), "raven_nearest_pixel": nearest}


def gw170817(skymap: bytes | None) -> dict[str, Any]:
    """Return what Tocsin and RAVEN make of GW170817 and GRB 170817A.

    Parameters
    ----------
    skymap : bytes or None
        LVK's map of GW170817; without one there is no overlap.
    """
    window = window_ns(GRB170817A, "CBC", _SETTINGS)
    assert window is not None
    rate_hz = RATES_PER_YEAR["GRB"] / SECONDS_PER_YEAR
    ours = time_far(GRB170817A, GW170817_HZ, window, _SETTINGS).far_hz
    theirs, _, _ = raven_peer.joint_far("GRB", "Fermi", _seconds(window), GW170817_HZ, rate_hz=rate_hz)
    own, _, _ = raven_peer.joint_far("GRB", "Fermi", _seconds(window), GW170817_HZ)
    found: dict[str, Any] = {"far_gw_hz": GW170817_HZ, "time_hz": ours, "raven_time_hz": theirs, "raven_310_hz": own}
    drawn = skymap_of(GRB170817A)
    if skymap is None or drawn is None or ours is None:
        return found
    gw = decode_skymap(skymap, 1 << 29)
    maps = raven_peer.on_common_pixels(gw, drawn)
    _, sky_hz, shared = raven_peer.joint_far("GRB", "Fermi", _seconds(window), GW170817_HZ, rate_hz=rate_hz, maps=maps)
    told = weigh(GwEvent("GW170817", MERGER_NS, GW170817_HZ, "CBC", encode_skymap(gw)), GRB170817A, _SETTINGS)
    found |= _overlaps(gw, drawn) | {"raven": shared, "raven_sky_hz": sky_hz}
    found["sky_hz"] = sky_far(ours, found["ours"]).far_hz
    if not isinstance(told, str):
        combined = decode_skymap(told.combined_fits or b"")
        found |= {
            "told_sky_hz": told.sky_far_hz, "significant": told.significant, "combined_pixels": len(combined.uniq),
            "combined_bytes": len(told.combined_fits or b""), "combined_area90_deg2": told.combined_area90_deg2,
            "combined_distance_mpc": combined.distmean_mpc,
        }  # fmt: skip
    return found


def beside_raven(skymap: bytes | None) -> dict[str, Any]:
    """Return all of it, and the farthest apart."""
    rows = grid()
    shared = [] if skymap is None else overlaps(decode_skymap(skymap, 1 << 29))
    return {
        "rates": rows,
        "rates_apart": float(np.max([row["apart"] for row in rows])),
        "overlaps": shared,
        "overlaps_apart": float(np.max([row["apart"] for row in shared])) if shared else None,
        "gw170817": gw170817(skymap),
    }


def _apart(one: float, other: float) -> float:
    return 0.0 if one == other else abs(one - other) / max(abs(one), abs(other))


def _seconds(window: tuple[int, int]) -> tuple[float, float]:
    return window[0] / NS_PER_S, window[1] / NS_PER_S
