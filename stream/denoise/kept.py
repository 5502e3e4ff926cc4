"""What a checkpoint keeps of a denoiser: what was learned, not where its filters stood."""

from __future__ import annotations

from dataclasses import dataclass

from stream.denoise.regressors import Layout
from stream.types import ComplexArray, FloatArray


@dataclass(frozen=True, slots=True)
class SpectraState:
    """What a checkpoint keeps of the spectra.

    Attributes
    ----------
    xx : array of complex128, shape (n_regressors * (n_regressors + 1) / 2, n_frequencies)
        Upper triangle of the Hermitian S_xx, row by row.
    xd : array of complex128, shape (n_regressors, n_frequencies)
    dd : array of float64, shape (n_frequencies,)
    weight, weight2 : float
        Sums of the segments' weights and of their squares.
    """

    xx: ComplexArray
    xd: ComplexArray
    dd: FloatArray
    weight: float
    weight2: float


@dataclass(frozen=True, slots=True)
class EngineState:
    """What a checkpoint keeps of the regression of one detector.

    Attributes
    ----------
    layout, strain_rate_hz, pairs : Layout, int, tuple of (str, str)
        Channels and rates, and the patterns of products: what the regressors were.
    gps_ns : int
        End of the data that it was learned from.
    taps : tuple of int
        Length of each regressor's filter.
    filters : array of float64, shape (n_regressors, max(taps))
    is_open : bool
        Whether the guard let the prediction through.
    """

    layout: Layout
    strain_rate_hz: int
    pairs: tuple[tuple[str, str], ...]
    gps_ns: int
    taps: tuple[int, ...]
    filters: FloatArray
    is_open: bool
    fits: int
    power_ratio: float | None
    spectra: SpectraState
