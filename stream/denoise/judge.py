"""Whether what was subtracted made the strain quieter: the guard of the regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.denoise.fit import Band
from stream.denoise.regressors import BAND_LOW_HZ
from stream.types import ComplexArray, FloatArray

_SUBBAND_HZ = 16.0
_SUBBAND_LIMIT = 1.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the filters did since the last one.

    Attributes
    ----------
    power_ratio : float
        Whitened band power, cleaned over raw.
    good : bool
        Quieter in the whole band, and in no subband of 16 Hz louder by more than a tenth.
    """

    power_ratio: float
    good: bool


class Judge:
    """Sum raw and cleaned power of segments until there is a verdict on them."""

    def __init__(self, band: Band) -> None:
        self._band = band
        self._raw: FloatArray = np.zeros(len(band.inside))
        self._cleaned = self._raw.copy()

    def add(self, raw: ComplexArray, cleaned: ComplexArray) -> None:
        """Take a segment's spectra, shape (n_frequencies,)."""
        self._raw += np.abs(raw) ** 2
        self._cleaned += np.abs(cleaned) ** 2

    def verdict(self, weights: FloatArray) -> Verdict:
        """Judge what was added since the last verdict; ``weights`` whiten, shape (n_frequencies,)."""
        weights = weights / np.abs(self._band.lowering) ** 2
        edges = np.arange(BAND_LOW_HZ, self._band.frequencies_hz[self._band.inside][-1], _SUBBAND_HZ)
        cuts = np.searchsorted(self._band.frequencies_hz, edges)
        raw = np.add.reduceat(weights * self._raw, cuts)[:-1]
        cleaned = np.add.reduceat(weights * self._cleaned, cuts)[:-1]
        self._raw[:] = 0.0
        self._cleaned[:] = 0.0
        ratio = float(cleaned.sum() / raw.sum())
        return Verdict(ratio, ratio <= 1.0 and bool(np.all(cleaned <= _SUBBAND_LIMIT * raw)))
