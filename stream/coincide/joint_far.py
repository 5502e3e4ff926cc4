"""How often chance alone makes a coincidence as good as this one: joint false-alarm rates.

Untargeted, of external events that come by themselves: (t_h - t_l) R_ext FAR_gw, the rate at which a GW candidate with
this FAR or a lower one has an external event of the search in its window.

Targeted, of a search that itself has a FAR and looks near GW candidates: pairs are ranked by z = dt FAR_ext FAR_gw, and
with FARs up to F_ext and F_gw pairs of this z or a lower one come at the rate z (1 - ln(z / z_max)), z_max = dt F_ext
F_gw. A pair beyond either cap was not in that search. It ranks behind all that were, by z' = dt max(FAR_ext, F_ext)
max(FAR_gw, F_gw), and its rate is again that of all which rank before it or with it: z' (1 + ln(z' / z_max)). (RAVEN
has no rule for it: its z (1 - ln(z / z_max)) falls again beyond z_max, and below zero beyond e z_max.)

With the sky, each is divided by the overlap I of the two maps (:mod:`stream.coincide.overlap`).

Sources: Urban, PhD thesis, UWM (2016), section 3; Cho, PhD thesis, SNU (2019); ligo-raven 3.3 (``coinc_far``), for
formulas and caps; gwcelery 3.0.0 (``raven_ext_rates``), for the rates per year; Antonioli et al., NJP 6, 114 (2004),
for SNEWS: fewer than one false alarm a century.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from stream.coincide.windows import mission
from stream.errors import ConfigurationError
from stream.records import ExternalEvent
from stream.settings import ExternalSettings
from stream.timebase import NS_PER_S

SECONDS_PER_YEAR = 365 * 86_400
"""As ligo-raven and gwcelery have it."""
RATES_PER_YEAR = {"GRB": 325.0, "SubGRB": 390.0, "FRB": 485.0, "HEN": 15.0, "SNEWS": 0.01}
"""External events of a search, real and false, that are reported."""


class Caps(NamedTuple):
    """Highest FARs with which a targeted search takes external events and GW candidates, in Hz."""

    external_hz: float
    gw_hz: float


TARGETED = {"Fermi": Caps(1e-4, 1 / 86_400), "Swift": Caps(1e-3, 2 / 86_400)}
"""By mission, as ligo-raven 3.3 has them."""


class Rate(NamedTuple):
    """A rate, or None and why."""

    far_hz: float | None
    reason: str = ""


def untargeted_hz(window_ns: tuple[int, int], rate_hz: float, far_gw_hz: float) -> float:
    """Return the joint FAR of an event of an untargeted search."""
    return (window_ns[1] - window_ns[0]) / NS_PER_S * rate_hz * far_gw_hz


def targeted_hz(window_ns: tuple[int, int], far_ext_hz: float, far_gw_hz: float, caps: Caps) -> float:
    """Return the joint FAR of an event of a targeted search; the module says what it is beyond the caps."""
    length_s = (window_ns[1] - window_ns[0]) / NS_PER_S
    z_max = length_s * caps.external_hz * caps.gw_hz
    if far_ext_hz <= caps.external_hz and far_gw_hz <= caps.gw_hz:
        z = length_s * far_ext_hz * far_gw_hz
        return z * (1.0 - math.log(z / z_max)) if z > 0 else 0.0
    behind = length_s * max(far_ext_hz, caps.external_hz) * max(far_gw_hz, caps.gw_hz)
    return behind * (1.0 + math.log(behind / z_max))


def time_far(external: ExternalEvent, far_gw_hz: float, window_ns: tuple[int, int], settings: ExternalSettings) -> Rate:
    """Return the joint FAR from the times alone, or why there is none.

    Of an untargeted search the rate of all its events counts, or the event's own FAR where that is higher: such an
    event is not one of those that the rate was counted from.
    """
    if not 0 < far_gw_hz < math.inf:
        return Rate(None, "the superevent's false-alarm rate is not known")
    far_ext_hz = external.far_hz if external.far_hz is not None and 0 < external.far_hz < math.inf else None
    if external.search == "SubGRBTargeted" and external.search not in settings.rates_per_year:
        caps = TARGETED.get(mission(external.source))
        if caps is None:
            return Rate(None, f"no caps are known for targeted searches but those of {' and '.join(TARGETED)}")
        if far_ext_hz is None:
            return Rate(None, "the external event's false-alarm rate is not told")
        return Rate(targeted_hz(window_ns, far_ext_hz, far_gw_hz, caps))
    rate_hz = search_rate_hz(external.search, settings)
    if rate_hz is None:
        return Rate(None, "no rate is known for the search: give it one in external.rates_per_year")
    return Rate(untargeted_hz(window_ns, max(rate_hz, far_ext_hz or 0.0), far_gw_hz))


def search_rate_hz(search: str, settings: ExternalSettings) -> float | None:
    """Return how often external events of a search come; None where nobody says."""
    per_year = settings.rates_per_year.get(search, RATES_PER_YEAR.get(search))
    return None if per_year is None else per_year / SECONDS_PER_YEAR


def check_rates(settings: ExternalSettings) -> None:
    """Check that each search has a rate of chance.

    Raises
    ------
    ConfigurationError
        Naming the search and the remedy.
    """
    for search in settings.searches:
        if search != "SubGRBTargeted" and search_rate_hz(search, settings) is None:
            raise ConfigurationError(
                f"external.searches: {search} has no rate of chance, without which nothing of it is told: give it one "
                "in external.rates_per_year"
            )


def sky_far(time_far_hz: float, overlap: float) -> Rate:
    """Return the joint FAR from times and sky, or why there is none."""
    if not overlap > 0 or math.isinf(time_far_hz / overlap):
        return Rate(None, "the two sky maps have no direction in common")
    return Rate(time_far_hz / overlap)
