"""What visibility and fields cost: many sites, many fields of a map; beside astroplan and mocpy where installed."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from pipelines.show.machine import machine
from stream.codec.skymap import encode_skymap
from stream.healpix import area_sr, centres, split_uniq, uniq_of
from stream.records import SkyMap
from stream.regions import probability
from stream.sky.best import best
from stream.sky.fields import field_probabilities
from stream.sky.places import places_of
from stream.sky.shapes import Box, Circle, Field
from stream.sky.sites import Site, find_site
from stream.sky.visibility import visible
from stream.types import FloatArray

SITES = (
    "paranal", "lasilla", "rubin", "ctio", "gemini_north", "keck", "subaru", "palomar", "lick", "mcdonald", "apo",
    "kpno", "lapalma", "teide", "caha", "tarot_calern", "tarot_reunion", "saao", "sso", "iao",
)  # fmt: skip
FROM_UNIX_NS = 1_795_305_600 * 10**9
"""2026-11-22T00:00Z."""
_REPEATS = 5


def sky(fields: int, seed: int, peers: bool) -> dict[str, Any]:
    """Return what each thing takes, the best of five, and how it agrees with its peer.

    Parameters
    ----------
    fields : int
        How many.
    seed : int
    peers : bool
        Also ask astroplan and mocpy: that takes a minute.
    """
    rng = np.random.default_rng(seed)
    skymap, sites = example_map(), [find_site(name) for name in SITES]
    some = _fields(skymap, fields, rng)
    taken, seen = _timed(lambda: _seen(skymap, sites), _REPEATS)
    circles_s, _ = _timed(lambda: field_probabilities(skymap, some[:fields]), _REPEATS)
    boxes_s, _ = _timed(lambda: field_probabilities(skymap, some[fields:]), _REPEATS)
    best_s, _ = _timed(lambda: best(skymap, 5), _REPEATS)
    return {
        "pixels": len(skymap.uniq), "sites": len(sites), "visibility_s": taken, "fields": fields,
        "circles_s": circles_s, "boxes_s": boxes_s, "best_5_s": best_s,
        "peers": _peers(skymap, sites, seen, some[:fields]) if peers else None, "machine": machine(),
    }  # fmt: skip


def example_map(pixels: int = 20_000) -> SkyMap:
    """Return a map of a ring and two spots on it, finer where it is bright, as those of two detectors are."""
    uniq = uniq_of(3, np.arange(768))
    while len(uniq) < pixels:
        order, index = split_uniq(uniq)
        most = np.argsort(-_ring(uniq) * area_sr(order))[: len(uniq) // 8]
        fine = uniq_of(np.repeat(order[most] + 1, 4), (4 * index[most, None] + np.arange(4)).ravel())
        uniq = np.sort(np.concatenate([np.delete(uniq, most), fine]))
    density = _ring(uniq)
    density /= np.sum(density * area_sr(split_uniq(uniq)[0]))
    return SkyMap(uniq, density, None, None, None, None, None, ("H1", "L1"), None, "an example")


def _ring(uniq: Any) -> FloatArray:
    ra, dec = centres(uniq)
    axis = np.array([0.4, -0.3, 0.866])
    point = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    off = np.arcsin(np.clip(point @ axis / np.linalg.norm(axis), -1, 1)) - 0.5
    found: FloatArray = np.exp(-0.5 * (off / 0.04) ** 2) * (
        np.exp(-np.cos(ra - 1.0) * 4 - 4) + 0.6 * np.exp(np.cos(ra) * 4 - 4)
    )
    return found + 1e-9


def _fields(skymap: SkyMap, count: int, rng: np.random.Generator) -> list[Field]:
    """Return circles and then as many boxes, about probable places."""
    held = probability(skymap)
    ra, dec = np.degrees(centres(skymap.uniq[rng.choice(len(held), count, p=held / held.sum())]))
    ra = (ra + rng.normal(0, 2, count)) % 360
    circles = [Circle(f"c{k}", float(a), float(d), 1.75) for k, (a, d) in enumerate(zip(ra, dec, strict=True))]
    boxes = [Box(f"b{c.name}", c.ra_deg, c.dec_deg, 3.5, 3.6, float(rng.uniform(0, 180))) for c in circles]
    return [*circles, *boxes]


def _seen(skymap: SkyMap, sites: list[Site]) -> FloatArray:
    places = places_of(skymap)
    return np.array([visible(places, site, FROM_UNIX_NS).probability for site in sites])


def _timed(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        found = work()
        taken.append(time.perf_counter() - begin)
    return min(taken), found


def _peers(skymap: SkyMap, sites: list[Site], seen: FloatArray, fields: list[Field]) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _astroplan(skymap, sites[:2], seen[:2]) | _mocpy(skymap, fields)
    except ModuleNotFoundError as error:
        return {"left_out": f"{error.name} is not installed"}


def _astroplan(skymap: SkyMap, sites: list[Site], seen: FloatArray) -> dict[str, Any]:
    """Ask astroplan about two of the sites, every ten minutes."""
    astroplan, units, coordinates = (
        import_module(name) for name in ("astroplan", "astropy.units", "astropy.coordinates")
    )
    when, iers = import_module("astropy.time").Time, import_module("astropy.utils.iers").conf
    ra, dec = centres(skymap.uniq)
    start = when(FROM_UNIX_NS / 1e9, format="unix")
    rules = [astroplan.AirmassConstraint(max=2.5), astroplan.AtNightConstraint.twilight_astronomical()]

    def ask(site: Site) -> float:
        place = coordinates.EarthLocation.from_geodetic(site.longitude_deg, site.latitude_deg, site.height_m)
        up = astroplan.is_observable(
            rules, astroplan.Observer(location=place), coordinates.SkyCoord(ra * units.rad, dec * units.rad),
            time_range=when([start, start + 1 * units.day]), time_grid_resolution=10 * units.min,
        )  # fmt: skip
        return float(probability(skymap)[up].sum())

    with iers.set_temp("auto_download", False), iers.set_temp("auto_max_age", None):
        taken, theirs = _timed(lambda: np.array([ask(site) for site in sites]), 1)
    return {"astroplan_s_per_site": taken / len(sites), "astroplan_apart": float(np.abs(theirs - seen).max())}


def _mocpy(skymap: SkyMap, fields: list[Field]) -> dict[str, Any]:
    """Ask mocpy about a hundred of the circles, as fine as 0.4 arcminutes."""
    moc, deg = import_module("mocpy").MOC, import_module("astropy.units").deg
    circles = [field for field in fields[:100] if isinstance(field, Circle)]
    table = import_module("astropy.table").Table.read(io.BytesIO(encode_skymap(skymap)), format="fits")
    taken, theirs = _timed(
        lambda: np.array([
            moc.from_cone(lon=c.ra_deg * deg, lat=c.dec_deg * deg, radius=c.radius_deg * deg, max_depth=13)
            .probability_in_multiordermap(table)
            for c in circles
        ]), 1,
    )  # fmt: skip
    apart = field_probabilities(skymap, circles) / theirs - 1
    return {"mocpy_s_per_1000": taken / len(circles) * 1000, "mocpy_apart": float(np.abs(apart).max())}
