"""Where the detectors stand and how they respond: LAL's constants, as the sky map needs them."""

from __future__ import annotations

from dataclasses import dataclass

import lal
import numpy as np

from stream.errors import DataError
from stream.timebase import NS_PER_S
from stream.types import FloatArray


@dataclass(frozen=True, slots=True)
class Sites:
    """Detectors on Earth.

    Attributes
    ----------
    response : array of float64, shape (n, 3, 3)
        Strain per unit of the metric perturbation, in axes fixed to the Earth.
    position_s : array of float64, shape (n, 3)
        From the Earth's centre, in seconds of light, in the same axes.
    """

    response: FloatArray
    position_s: FloatArray


def sites(detectors: tuple[str, ...]) -> Sites:
    """Return where detectors stand.

    Raises
    ------
    DataError
        If LAL knows no detector of that name.
    """
    known = lal.cached_detector_by_prefix
    for name in detectors:
        if name not in known:
            raise DataError(f"no detector named {name!r}: LAL knows {', '.join(sorted(known))}")
    found = [known[name] for name in detectors]
    response = np.array([d.response for d in found], dtype=np.float64)
    position_s = np.array([d.location for d in found], dtype=np.float64) / lal.C_SI
    return Sites(response, position_s)


def sidereal_rad(gps_ns: int) -> float:
    """Return Greenwich mean sidereal time."""
    time = lal.LIGOTimeGPS(gps_ns // NS_PER_S, gps_ns % NS_PER_S)
    return float(lal.GreenwichMeanSiderealTime(time) % (2.0 * np.pi))
