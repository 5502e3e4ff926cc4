"""Joint false-alarm rates and overlaps by ligo-raven, the LVK's own (GPL, from PyPI; not among Tocsin's dependencies).

It takes events as GraceDB's dictionaries and maps as files of GraceDB; here both are handed in.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from stream.codec.skymap import encode_skymap
from stream.coincide.overlap import crossing, pixels_of, ranges
from stream.errors import ConfigurationError
from stream.records import SkyMap
from stream.types import FloatArray, IntArray


class _Files:
    """GraceDB's client, as far as RAVEN asks it: the files that it was made with."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def files(self, _: str, name: str, *, raw: bool) -> io.BytesIO:
        """Return a file."""
        assert raw
        return io.BytesIO(self._files[name])


def joint_far(
    search: str,
    mission: str,
    window_s: tuple[float, float],
    far_gw_hz: float,
    *,
    far_ext_hz: float | None = None,
    rate_hz: float | None = None,
    maps: tuple[SkyMap, SkyMap] | None = None,
) -> tuple[float, float | None, float | None]:
    """Return RAVEN's joint false-alarm rate from the times, the one with the sky, and the overlap.

    Parameters
    ----------
    search : {"GRB", "SubGRB", "SubGRBTargeted"}
    mission : str
        ``Fermi`` or ``Swift``, for a targeted search.
    window_s : (float, float)
    far_gw_hz, far_ext_hz : float
    rate_hz : float, optional
        Instead of RAVEN's own rate of external events.
    maps : (SkyMap, SkyMap), optional
        Of the superevent and of the external event; both go through FITS.
    """
    given: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    if maps is not None:
        files = {"se": encode_skymap(maps[0]), "ext": encode_skymap(maps[1])}
        given = {"se_fitsfile": "se", "ext_fitsfile": "ext", "incl_sky": True, "se_moc": True, "ext_moc": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _raven().coinc_far(
            "S1", "E1", *window_s, grb_search=search, gracedb=_Files(files), far_grb=far_ext_hz, em_rate=rate_hz,
            se_dict={"preferred_event": "G1", "far": far_gw_hz, "t_0": 0.0},
            ext_dict={"pipeline": mission, "gpstime": 0.0}, **given,
        )  # fmt: skip
    sky, shared = found["spatiotemporal_coinc_far"], found["skymap_overlap"]
    return float(found["temporal_coinc_far"]), None if sky is None else float(sky), shared and float(shared)


def overlap(gw: SkyMap, external: SkyMap) -> float:
    """Return RAVEN's overlap of two multi-order maps: it takes the external pixel whose centre is nearest."""
    uniq = {"se_skymap_uniq": gw.uniq, "ext_skymap_uniq": external.uniq}
    return float(_raven().skymap_overlap_integral(gw.probdensity, external.probdensity, **uniq))


def overlap_with_flat(gw: SkyMap, probability: FloatArray) -> float:
    """Return RAVEN's overlap of a multi-order map with a flat one in NESTED order."""
    return float(_raven().skymap_overlap_integral(gw.probdensity, probability, se_skymap_uniq=gw.uniq))


def overlap_of_flat(gw: FloatArray, external: FloatArray) -> float:
    """Return RAVEN's overlap of two flat maps in NESTED order."""
    return float(_raven().skymap_overlap_integral(gw, external))


def overlap_at(gw: SkyMap, ra_deg: float, dec_deg: float) -> float:
    """Return RAVEN's overlap of a multi-order map with a point: the density of the nearest centre's pixel."""
    from astropy.table import Column  # noqa: PLC0415 - slow to load

    density = Column(gw.probdensity, unit="1 / sr")  # as it comes from a file; of a bare array its units do not fit
    return float(_raven().skymap_overlap_integral(density, se_skymap_uniq=gw.uniq, ra=ra_deg, dec=dec_deg))


def on_common_pixels(one: SkyMap, other: SkyMap) -> tuple[SkyMap, SkyMap]:
    """Return two maps of the sphere on the same pixels, the smaller of either's everywhere; neither changes.

    Of such maps RAVEN's nearest centre is the right one.
    """
    first, second = ranges(one), ranges(other)
    both = crossing(first, second)
    uniq: IntArray = pixels_of(both.first, both.last)
    rising = np.argsort(uniq)
    places = (first.at[both.one][rising], second.at[both.other][rising])
    moved = [
        replace(m, uniq=uniq[rising], probdensity=m.probdensity[at], distmu_mpc=None, distsigma_mpc=None, distnorm=None)
        for m, at in zip((one, other), places, strict=True)
    ]
    return moved[0], moved[1]


def _raven() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ligo.raven import search  # noqa: PLC0415 - it may not be there
    except ImportError:
        raise ConfigurationError("ligo-raven is not installed: pip install ligo-raven") from None
    return search
