"""What GCN's classic notices have in common, as XML and as text: units, rates, classes, and who is who."""

from __future__ import annotations

import re

from stream.notices.values import as_number

_YEAR_S = 365.25 * 86_400
_PER_S = {
    "hz": 1.0, "s^-1": 1.0, "s-1": 1.0, "1/s": 1.0,
    "day^-1": 1 / 86_400, "day-1": 1 / 86_400, "1/day": 1 / 86_400,
    "yr^-1": 1 / _YEAR_S, "yr-1": 1 / _YEAR_S, "1/yr": 1 / _YEAR_S, "year^-1": 1 / _YEAR_S, "per year": 1 / _YEAR_S,
}  # fmt: skip
_DEG = {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "arcmin": 1 / 60, "arcsec": 1 / 3600}

GBM_CLASSES = {
    0: "ERROR", 1: "UNRELIABLE_LOCATION", 2: "LOCAL_PARTICLES", 3: "BELOW_HORIZON", 4: "GRB", 5: "GENERIC_SGR",
    6: "GENERIC_TRANSIENT", 7: "DISTANT_PARTICLES", 8: "SOLAR_FLARE", 9: "CYG_X1", 10: "SGR_1806_20",
    11: "GROJ_0422_32", 19: "TGF",
}  # fmt: skip
"""Fermi GBM's classes by their number (sock_pkt_def_doc.html, type 111), with the names of the unified notices."""

_RUN_DIGITS = 6


def degrees(value: float | None, unit: str) -> float | None:
    """Return an angle in degrees; None in a unit that is not known."""
    scale = _DEG.get(unit.strip().lower())
    return None if value is None or scale is None else value * scale


def rate_hz(text: str, unit: str) -> float | None:
    """Return a rate in Hz; None without a unit that is known: a rate is never guessed."""
    value, scale = as_number(text), _PER_S.get(re.sub(r"\s+", " ", unit.strip().lower()))
    return None if value is None or scale is None else value * scale


def run_event(run: str | None, event: str | None, joined: str | None = None) -> str | None:
    """Return the identity of an IceCube event, run and number, as in JSON: ``137840_57034692``.

    Parameters
    ----------
    run, event : str or None
    joined : str or None
        AMON's identity: the six digits of the run, then those of the event.
    """
    if not (run and event) and joined and len(joined) > _RUN_DIGITS:
        run, event = joined[:_RUN_DIGITS], joined[_RUN_DIGITS:]
    if not run or not event or not (run + event).isascii() or not (run + event).isdigit() or len(run + event) > 40:
        return None
    return f"{int(run)}_{int(event)}"
