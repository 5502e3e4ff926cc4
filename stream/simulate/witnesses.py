"""Witness channels and what couples from them into the strain.

* ``MAINS``: the power line near 60 Hz, a few close sinusoids, so that amplitude and phase wander.
* ``ASC-*``: slow angular motion, 0.1–3 Hz; it modulates the line's coupling (bilinear, the sidebands of 60 Hz).
* ``PSL-JITTER``: broadband beam jitter, 30–90 Hz, coupled linearly with a delay of 2 ms.
* ``PEM-UNCOUPLED``: noise that reaches the strain by no path.

All are closed functions of absolute time (or :class:`~stream.simulate.noise.ColouredNoise`), the same in any pieces.
"""

from __future__ import annotations

import zlib

import numpy as np

from stream.records import WitnessGroup
from stream.simulate.noise import ColouredNoise
from stream.simulate.psds import Psd
from stream.types import FloatArray

WITNESS_RATE_HZ = 512
_JITTER_DELAY_S = 2.0 / 1024
_N_ASC = 2


def _band_noise(low_hz: float, high_hz: float) -> Psd:
    """Unit-variance noise between two frequencies, falling steeply outside."""
    frequency = np.geomspace(1.0, 8192.0, 4000)
    inside = 1.0 / (1.0 + (low_hz / frequency) ** 16) / (1.0 + (frequency / high_hz) ** 16)
    return Psd(frequency, np.maximum(inside / (high_hz - low_hz), 1e-20))


class WitnessModel:
    """One detector's witnesses.

    Parameters
    ----------
    detector : str
    seed : int
    sample_rate_hz : int
        Of the strain.
    asd_at_60_hz : float
        Strain noise there; the couplings are scaled to stand above it.
    """

    def __init__(self, detector: str, seed: int, sample_rate_hz: int, asd_at_60_hz: float) -> None:
        self._rate = sample_rate_hz
        self._step = sample_rate_hz // WITNESS_RATE_HZ
        self._level = asd_at_60_hz
        rng = np.random.default_rng((seed, zlib.crc32(f"witness {detector}".encode())))
        self._mains = [(60.0 + rng.uniform(-0.03, 0.03), rng.uniform(0.5, 1.0), rng.uniform(0, 6.28)) for _ in range(3)]
        self._asc = [
            [(rng.uniform(0.1, 3.0), rng.uniform(0.3, 1.0), rng.uniform(0, 6.28)) for _ in range(6)]
            for _ in range(_N_ASC)
        ]
        noise_seed = int(rng.integers(1 << 31))
        self._jitter = ColouredNoise(_band_noise(30.0, 90.0), sample_rate_hz, noise_seed, detector + " jitter")
        self._uncoupled = ColouredNoise(_band_noise(10.0, 200.0), sample_rate_hz, noise_seed, detector + " uncoupled")
        names = ("PEM-MAINS", *(f"ASC-MOTION_{k}" for k in range(_N_ASC)), "PSL-JITTER", "PEM-UNCOUPLED")
        self.channels = tuple(f"{detector}:{name}" for name in names)

    def group(self, start_sample: int, count: int) -> WitnessGroup:
        """Return the channels over strain samples ``start_sample`` … , at 512 Hz."""
        t = self._seconds(start_sample, count)[:: self._step]
        rows = [
            _sum(self._mains, t),
            *(_sum(parts, t) for parts in self._asc),
            self._jitter.samples(start_sample, count)[:: self._step],
            self._uncoupled.samples(start_sample, count)[:: self._step],
        ]
        return WitnessGroup(WITNESS_RATE_HZ, self.channels, np.array(rows, dtype=np.float32))

    def coupled(self, start_sample: int, count: int) -> FloatArray:
        """Return the strain that the witnesses make."""
        t = self._seconds(start_sample, count)
        mains = _sum(self._mains, t)
        bilinear = mains * (0.2 * _sum(self._asc[0], t) + 0.1 * _sum(self._asc[1], t))
        delayed = self._jitter.samples(start_sample - round(_JITTER_DELAY_S * self._rate), count)
        # In strain per root hertz, the line stands 30 times above the floor in 1 Hz, the jitter as high as the floor.
        strain: FloatArray = self._level * (30.0 * (mains + bilinear) + 7.0 * delayed)
        return strain

    def _seconds(self, start_sample: int, count: int) -> FloatArray:
        # Seconds within a day keep the phase exact to 1e-10: a float of GPS seconds would lose it.
        day = 86_400 * self._rate
        t: FloatArray = (start_sample % day + np.arange(count)) / self._rate
        return t


def _sum(parts: list[tuple[float, float, float]], t: FloatArray) -> FloatArray:
    total: FloatArray = np.sum([a * np.sin(2 * np.pi * f * t + p) for f, a, p in parts], axis=0)
    return total
