"""Alerts for tests of pages: the record of the schema's example, and what we say beside it."""

from __future__ import annotations

from typing import Any

import make_schema_examples as made
from heard import GPS_NS
from skymaps import skymap

from stream.codec.skymap import encode_skymap

EXAMPLE: dict[str, Any] = dict(made.ALERT)
EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'\x1b[2J\u202e"
"""A text made to harm the page that shows it."""
FITS = encode_skymap(skymap(width=0.15))


def alert(**changes: Any) -> dict[str, Any]:
    """Return an alert with map and class; changes are of its event, but for those of its own fields."""
    event = {
        **EXAMPLE["event"], "skymap": FITS,
        "classification": {"BNS": 0.0, "NSBH": 0.004, "BBH": 0.985, "Terrestrial": 0.011},
        "properties": {"HasNS": 0.004, "HasRemnant": 0.0, "HasMassGap": 0.12},
        "mchirp_source": {"bin_edges": [5.0, 10.0, 20.0, 40.0], "probabilities": [0.1, 0.7, 0.2]},
    }  # fmt: skip
    own = {"alert_type": "UPDATE", "superevent_id": "TS150914a", "external_coinc": None}
    record = {**EXAMPLE, "event": event, **own, **{k: v for k, v in changes.items() if k in EXAMPLE}}
    if record["event"] is not None:
        record["event"] = {**record["event"], **{k: v for k, v in changes.items() if k not in EXAMPLE}}
    return record


def beside(**changes: Any) -> dict[str, Any]:
    """Return what our alert says beside its record."""
    return {
        "gps_ns": GPS_NS, "revision": 1, "statistic": 31.2, "far_is_limit": True,
        "per_detector": {"H1": 18.8, "L1": 13.5},
        "background": {"source": "shipped", "duration_s": 1.06e8, "detectors": ["H1", "L1"]}, "model": "carillon-1",
        "p_astro": 0.9897, "unknown": {}, "followed": {"mchirp_msun": 30.4}, "trials_factor": 7.0, **changes,
    }  # fmt: skip
