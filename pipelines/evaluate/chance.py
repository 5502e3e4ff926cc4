"""Whether joint false-alarm rates are true: years of unrelated events, and what of them coincides.

GW candidates are a Poisson process up to 2 a day, with false-alarm rates as candidates of noise have them: those of f
or less come at the rate f. External events come at the rate of their search, those of a targeted search with FARs of
their own. Of what lies in the window, the number with a joint FAR of x or less must be Poisson with mean x T.

With the sky: directions are isotropic, so the overlap I of two unrelated maps has mean 1, and pairs with a joint FAR
J / I of x or less come at the rate E[min(x I, J_max)], where J_max is the rate of all pairs. That is x as long as no
overlap is above J_max / x, and never more: near J_max, where only pairs that agree badly are left to come, the rate
with the sky errs upward. The column "expected" has this with the overlaps that were drawn, "at most" x T.
Given these overlaps the numbers near J_max spread less than Poisson's, and p leans to 1 there.

What it does not show: real GW candidates and bursts are not isotropic to each other (detectors see some directions
better, the Earth hides others), and rates change over the years.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipelines.evaluate.counts import counted, dispersion
from pipelines.evaluate.skymap_injections import inject
from pipelines.progress import Progress
from stream.coincide.draw import skymap_of
from stream.coincide.joint_far import SECONDS_PER_YEAR, TARGETED, search_rate_hz, time_far
from stream.coincide.overlap import overlap
from stream.coincide.windows import mission, window_ns
from stream.localize.skymap import localize
from stream.records import ExternalEvent, SkyMap
from stream.settings import ExternalSettings, LocalizeSettings
from stream.timebase import NS_PER_S
from stream.types import FloatArray

MOST_GW_HZ = 2 / 86_400
_BLOCK_YEARS = 50.0
_MOST_EVENTS = 3e7
_SPANS = 100
_AT_NS = 1_420_000_000 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Kind:
    """External events of a search: whose, and how large the region is (median radius and its spread, in ln)."""

    name: str
    source: str
    search: str
    group: str = "CBC"
    radius_deg: float = 5.0
    spread: float = 0.5
    containment: float = 0.68

    def rate_hz(self, settings: ExternalSettings) -> float:
        """Return how often they come; those of a targeted search up to its cap."""
        told = search_rate_hz(self.search, settings)
        return TARGETED[mission(self.source)].external_hz if told is None else told

    def is_targeted(self, settings: ExternalSettings) -> bool:
        """Return whether each has a FAR that counts."""
        return search_rate_hz(self.search, settings) is None

    def window(self, settings: ExternalSettings) -> tuple[int, int] | None:
        """Return the window; None where the settings do not look for them."""
        return window_ns(ExternalEvent("", self.source, "", "initial", 0, 0, search=self.search), self.group, settings)

    def event(self, rng: np.random.Generator) -> ExternalEvent:
        """Return one in any direction, with a FAR of its own if its search is targeted."""
        radius_deg = float(np.clip(self.radius_deg * math.exp(rng.normal(0, self.spread)), 0.01, 60.0))
        return ExternalEvent(
            "", self.source, "gamma", "initial", _AT_NS, _AT_NS, search=self.search,
            ra_deg=float(rng.uniform(0, 360)), dec_deg=math.degrees(math.asin(rng.uniform(-1, 1))),
            error_radius_deg=radius_deg, containment=self.containment, systematic_included=False,
        )  # fmt: skip


KINDS = (
    Kind("GRB, CBC", "Fermi-GBM", "GRB"),
    Kind("GRB by Swift, CBC", "Swift-BAT", "GRB", radius_deg=0.05, spread=0.1, containment=0.9),
    Kind("GRB, Burst", "Fermi-GBM", "GRB", "Burst"),
    Kind("SubGRB", "Fermi-GBM", "SubGRB", radius_deg=12.0),
    Kind("FRB, CBC", "CHIME", "FRB", radius_deg=0.3, containment=0.9),
    Kind("HEN, Burst", "IceCube", "HEN", "Burst", radius_deg=0.7, containment=0.9),
    Kind("targeted, Fermi", "Fermi-GBM", "SubGRBTargeted", radius_deg=15.0),
    Kind("targeted, Swift", "Swift-BAT", "SubGRBTargeted", radius_deg=2.0, spread=1.5, containment=0.9),
)


@dataclass(frozen=True, slots=True)
class Pairs:
    """What coincided in time: joint FAR and when, in s; over how long; the rate of all."""

    far_hz: FloatArray
    time_s: FloatArray
    length_s: float
    most_hz: float


def coincide_in_time(kind: Kind, years: float, seed: int, settings: ExternalSettings) -> Pairs:
    """Return what coincides in time over some years, fewer where there would be more than 30 million events."""
    rng = np.random.default_rng((seed, *kind.name.encode()))
    window = kind.window(settings)
    assert window is not None
    rate_hz = kind.rate_hz(settings)
    per_year = (rate_hz + MOST_GW_HZ) * SECONDS_PER_YEAR
    length_s = min(years, _MOST_EVENTS / per_year) * SECONDS_PER_YEAR
    low_s, high_s = (edge / NS_PER_S for edge in window)
    rates: list[float] = []
    times: list[FloatArray] = []
    begin_s = 0.0
    while begin_s < length_s:
        block_s = min(_BLOCK_YEARS * SECONDS_PER_YEAR, length_s - begin_s)
        mergers_s = np.sort(rng.uniform(0, block_s, rng.poisson(MOST_GW_HZ * block_s)))
        bursts_s = rng.uniform(0, block_s, rng.poisson(rate_hz * block_s))
        first = np.searchsorted(mergers_s, bursts_s - high_s)
        count = np.searchsorted(mergers_s, bursts_s - low_s, side="right") - first
        found = np.repeat(bursts_s, count)
        far_gw_hz = rng.uniform(0, MOST_GW_HZ, len(found))
        far_ext_hz = rng.uniform(0, rate_hz, len(found))
        rates += [_rate(kind, *fars, window, settings) for fars in zip(far_gw_hz, far_ext_hz, strict=True)]
        times.append(begin_s + found)
        begin_s += block_s
    return Pairs(np.array(rates), np.concatenate(times), length_s, (high_s - low_s) * rate_hz * MOST_GW_HZ)


def _rate(
    kind: Kind, far_gw_hz: float, far_ext_hz: float, window: tuple[int, int], settings: ExternalSettings
) -> float:
    told = far_ext_hz if kind.is_targeted(settings) else None
    event = ExternalEvent("", kind.source, "gamma", "initial", _AT_NS, _AT_NS, search=kind.search, far_hz=told)
    found = time_far(event, far_gw_hz, window, settings).far_hz
    assert found is not None
    return found


def gw_maps(count: int, seed: int) -> list[SkyMap]:
    """Return sky maps of injections, in two and three detectors by turns."""
    settings = LocalizeSettings()
    networks = (("H1", "L1"), ("H1", "L1", "V1"))
    kinds = ("bns", "nsbh", "bbh")
    made = (inject(kinds[k % 3], networks[k % 2], (seed, k)) for k in range(count))  # type: ignore[arg-type]
    return [localize(one.series, settings) for one in made]


@dataclass(frozen=True, slots=True)
class Sky:
    """What is looked at of the sky: maps of GW candidates, and how many pairs of each kind."""

    maps: Sequence[SkyMap] = ()
    pairs: int = 0


def measure(
    years: float, seed: int, sky: Sky, settings: ExternalSettings, shown: Progress, kinds: Sequence[Kind] = KINDS
) -> dict[str, Any]:
    """Return, for each kind of search, what coincided and what was expected at each joint false-alarm rate.

    Parameters
    ----------
    years : float
    seed : int
    sky : Sky
    settings : ExternalSettings
    shown : Progress
    kinds : sequence of Kind
    """
    found = []
    kinds = [kind for kind in kinds if kind.window(settings) is not None]
    for k, kind in enumerate(kinds):
        pairs = coincide_in_time(kind, years, seed, settings)
        highest_hz = pairs.most_hz
        if kind.is_targeted(settings):  # exact up to where all pairs lie within the caps
            highest_hz *= min(1.0, TARGETED[mission(kind.source)].gw_hz / MOST_GW_HZ)
        spans = np.histogram(pairs.time_s, _SPANS, (0, pairs.length_s))[0]
        row: dict[str, Any] = {
            "kind": kind.name,
            "years": pairs.length_s / SECONDS_PER_YEAR,
            "pairs": len(pairs.far_hz),
            "time": counted(pairs.far_hz, highest_hz, pairs.length_s, lambda far_hz: far_hz),
            "dispersion": dispersion(spans),
            "sky": None,
        }
        count = min(sky.pairs, len(pairs.far_hz))
        if sky.maps and count:
            row["sky"] = _with_sky(kind, pairs, sky.maps, count, seed)
        found.append(row)
        shown(k + 1, len(kinds))
    return {"seed": seed, "gw_candidates_per_day": MOST_GW_HZ * 86_400, "searches": found}


def _with_sky(kind: Kind, pairs: Pairs, maps: Sequence[SkyMap], count: int, seed: int) -> dict[str, Any]:
    """Return the same with the sky, of the first pairs."""
    rng = np.random.default_rng((seed, 1, *kind.name.encode()))
    overlaps = np.empty(count)
    for k in range(count):
        drawn = skymap_of(replace(kind.event(rng), event_id=str(k)))
        assert drawn is not None
        overlaps[k] = overlap(maps[int(rng.integers(len(maps)))], drawn)
    length_s = pairs.length_s * count / len(pairs.far_hz)
    with np.errstate(divide="ignore"):
        far_hz = pairs.far_hz[:count] / overlaps

    def expected(threshold_hz: float) -> float:
        return float(np.minimum(threshold_hz * overlaps, pairs.most_hz).mean())

    return {
        "years": length_s / SECONDS_PER_YEAR,
        "pairs": count,
        "overlap_mean": float(overlaps.mean()),
        "overlap_mean_error": float(overlaps.std() / math.sqrt(count)),
        "overlap_quantiles": [float(q) for q in np.quantile(overlaps, [0.05, 0.5, 0.95])],
        "joint": counted(far_hz, pairs.most_hz, length_s, expected),
    }
