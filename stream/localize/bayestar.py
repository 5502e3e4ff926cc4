"""BAYESTAR (ligo.skymap; Singer & Price, PRD 93, 024013 (2016)) on the same SNR series: the peer, and the refinement.

Its likelihood is called below its interface of events and spectra, with the horizons and series given.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from stream.errors import ConfigurationError, DataError
from stream.localize.detectors import sidereal_rad, sites
from stream.localize.heard import bandwidth_rad_s, peak_ns
from stream.records.followup import SkyMap, SnrSeries
from stream.timebase import NS_PER_S
from stream.types import FloatArray

_EARTH_NS = 43_000_000
_SLACK_S = 0.005  # as BAYESTAR's own: beyond the way of light from the network's centre


def bayestar_map(series: Sequence[SnrSeries], response_factor: float) -> SkyMap:
    """Return BAYESTAR's map.

    Parameters
    ----------
    series : sequence of SnrSeries
        All of one sample rate.
    response_factor : float
        What it calls the rescaling of the likelihood.

    Raises
    ------
    ConfigurationError
        If ligo.skymap is not installed.
    DataError
        If sample rates differ, or a series does not cover the time that BAYESTAR looks at.
    """
    core, distance = ligo_skymap()
    series = sorted(series, key=lambda s: s.detector)
    rates = {s.sample_rate_hz for s in series}
    if len(rates) != 1:
        raise DataError(f"SNR series at {sorted(rates)} Hz: BAYESTAR takes one rate")
    rate_hz = rates.pop()
    place = sites(tuple(s.detector for s in series))
    centre_ns, half_s, position_s = _window(series, place.position_s)
    firsts, cut = zip(*(_cut(s, centre_ns, int(np.ceil(half_s * rate_hz))) for s in series), strict=True)
    snr = np.stack([np.stack((np.abs(z), np.unwrap(np.angle(z))), axis=-1) for z in cut]).astype(np.float32)
    horizon_mpc = np.array([s.sigma_mpc for s in series])
    found, _, _ = core.toa_phoa_snr(
        0.0, float(horizon_mpc.max()) / 4.0, 2, False, sidereal_rad(centre_ns), float(rate_hz),
        1e-9 * (np.array(firsts) - centre_ns), snr, place.response.astype(np.float32), position_s, horizon_mpc,
        response_factor,
    )  # fmt: skip
    return _as_map(found, distance, tuple(s.detector for s in series), centre_ns)


def ligo_skymap() -> tuple[ModuleType, ModuleType]:
    """Return its modules ``core`` and ``distance``.

    Raises
    ------
    ConfigurationError
        If it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of numpy, about how it sets docstrings
            from ligo.skymap import core, distance  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            f"BAYESTAR needs ligo.skymap, which cannot be imported ({error}): install ligo.skymap, "
            "or set localize.refine = 'none' and leave out the peer"
        ) from error
    return core, distance


def _window(series: Sequence[SnrSeries], position_s: FloatArray) -> tuple[int, float, FloatArray]:
    """Return the mean arrival of the loud detectors, how far to look on either side, and positions from their mean."""
    width = np.array([bandwidth_rad_s(s) for s in series])
    height = np.array([np.abs(s.snr).max() for s in series])
    weight = np.square(height * width) * (height >= min(4.0, height.max()))
    loudest_ns = peak_ns(series[int(height.argmax())])
    apart_ns = np.array([peak_ns(s) - loudest_ns for s in series])
    weight[np.abs(apart_ns) > _EARTH_NS] = 0.0  # noise, louder than the signal
    weight /= weight.sum()
    centre_ns = loudest_ns + round(float(weight @ apart_ns))
    position_s = position_s - weight @ position_s
    half_s = float(np.sqrt(np.square(position_s).sum(axis=1)).max()) + _SLACK_S
    return centre_ns, max(half_s, 0.5 * np.pi / float(width.min())), position_s


def _cut(series: SnrSeries, centre_ns: int, half: int) -> tuple[int, np.ndarray]:
    """Return GPS of the first sample, and the samples: as many on either side of the middle."""
    middle = round((centre_ns - series.gps_ns) * series.sample_rate_hz / NS_PER_S)
    if middle < half or middle + half >= len(series.snr):
        raise DataError(
            f"the SNR series of {series.detector} has {len(series.snr)} samples; BAYESTAR needs {half} on either side "
            f"of the arrival, sample {middle}: make the series longer"
        )
    first = middle - half
    first_ns = series.gps_ns + first * NS_PER_S // series.sample_rate_hz
    return first_ns, series.snr[first : middle + half + 1]


def _as_map(found: np.ndarray, distance: ModuleType, detectors: tuple[str, ...], gps_ns: int) -> SkyMap:
    mean, std = np.array(found["DISTMEAN"], float), np.array(found["DISTSTD"], float)
    mu, sigma, norm = distance.moments_to_parameters(mean, std)
    uniq = np.array(found["UNIQ"], np.int64)
    density = np.array(found["PROBDENSITY"], float)
    order = np.argsort(uniq)
    good = np.isfinite(mean) & np.isfinite(std)
    area = np.pi / 3.0 / 4.0 ** (np.floor(np.log2(uniq / 4.0) / 2.0))
    probability = np.where(good, density * area, 0.0)
    total = float(probability.sum())
    first = float((probability * np.where(good, mean, 0.0)).sum()) / total
    second = float((probability * np.where(good, mean**2 + std**2, 0.0)).sum()) / total
    return SkyMap(
        uniq[order], density[order], mu[order], sigma[order], norm[order], first, float(np.sqrt(second - first**2)),
        detectors, gps_ns, "BAYESTAR",
    )  # fmt: skip
