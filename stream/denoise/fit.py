"""The fit: spectral matrices with exponential memory, and the causal FIR filter that minimises weighted residual.

Overlapping 4 s Hann segments of regressors X_c(f) and strain D(f) at the working rate give S_xx and S_xd, forgotten
exponentially. With H the response of the interpolation that every prediction passes, the taps a solve the normal
equations of min sum_f W |D - sum_c A_c H X_c|^2 (Wiener's filter; S. Haykin, Adaptive Filter Theory, chapter 2; for
witness channels B. Allen, W. Hua, A. Ottewill, gr-qc/9909083):

    sum_{c',k'} r_{cc'}(k - k') a_{c'k'} = p_c(k),   r = irfft(W |H|^2 S_xx),   p = irfft(W conj(H) S_xd)

W is the inverse of strain's spectrum, smoothed over 16 Hz by a median so that lines keep their weight. A regressor
takes part only when its coherence stands out somewhere, at 1e-3 of chance a bin, and cross spectra count only near bins
where one does: this costs broadband couplings weaker than that, and keeps the noise that uncoupled channels add near
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.denoise.kept import SpectraState
from stream.types import BoolArray, ComplexArray, FloatArray

SEGMENT_S = 4
STEP_S = 2
MIN_SEGMENTS = 3
_MEDIAN_HZ = 16.0
_CHANCE = 1e-3
_SPREAD_BINS = 2
_LOADING = 1e-4  # of each regressor's power, against collinear ones
_OVERLAP = 0.9  # independent averages per segment: Hann windows that overlap by half
_LOUD = 4.0  # a segment with this much more power than usual holds a transient
_MAX_LOUD_IN_A_ROW = 8  # then the noise itself has changed


@dataclass(frozen=True, slots=True)
class Band:
    """Frequencies of a segment's spectrum, which of them are fitted, and the responses to undo and to apply."""

    frequencies_hz: FloatArray
    inside: BoolArray
    lowering: ComplexArray
    """Of strain's way down to the working rate, and its high-pass."""
    raising: ComplexArray
    """Of the prediction's way up."""


def median_over(values: FloatArray, width: int) -> FloatArray:
    """Return the running median over an odd number of neighbours; beyond the ends stand the end values."""
    padded = np.pad(values, width // 2, mode="edge")
    median: FloatArray = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    return median


def spread(flags: BoolArray, by: int) -> BoolArray:
    """Return where a flag stands, or one no further than ``by`` places away."""
    spread_out: BoolArray = np.convolve(flags, np.ones(2 * by + 1), mode="same") > 0.5
    return spread_out


class Spectra:
    """Accumulate the spectral matrices of one detector.

    Parameters
    ----------
    band : Band
        See there.
    n_regressors : int
        Rows of X.
    memory_s : float
        Time over which the past is forgotten by a factor e.
    """

    def __init__(self, band: Band, n_regressors: int, memory_s: float) -> None:
        n = len(band.frequencies_hz)
        self._band = band
        self._xx: ComplexArray = np.zeros((n_regressors, n_regressors, n), dtype=np.complex128)
        self._xd: ComplexArray = np.zeros((n_regressors, n), dtype=np.complex128)
        self._dd: FloatArray = np.zeros(n)
        self._decay = float(np.exp(-STEP_S / memory_s))
        self._weight = self._weight2 = 0.0
        self._loud_in_a_row = 0
        self._window: FloatArray = np.hanning(2 * (n - 1) + 1)[:-1]

    @property
    def ready(self) -> bool:
        """Whether there is enough to fit on."""
        return self._weight > 0 and self.averages >= MIN_SEGMENTS * _OVERLAP * 0.95

    @property
    def averages(self) -> float:
        """Independent averages that the spectra are worth."""
        return _OVERLAP * self._weight**2 / self._weight2 if self._weight2 else 0.0

    def state(self) -> SpectraState:
        """Return what :meth:`restore` needs."""
        upper = np.triu_indices(len(self._xx))
        return SpectraState(self._xx[upper], self._xd.copy(), self._dd.copy(), self._weight, self._weight2)

    def restore(self, state: SpectraState) -> None:
        """Take up a kept state; one of other shapes, or with values that are no spectra, raises ``ValueError``."""
        rows, columns = np.triu_indices(len(self._xx))
        wanted = ((len(rows), len(self._dd)), self._xd.shape, self._dd.shape)
        if (state.xx.shape, state.xd.shape, state.dd.shape) != wanted:
            raise ValueError(f"spectra of shapes {state.xx.shape}, {state.xd.shape}, {state.dd.shape}, not {wanted}")
        finite = all(np.isfinite(values).all() for values in (state.xx, state.xd, state.dd))
        if not (finite and (state.dd >= 0).all() and state.weight >= 0 and state.weight2 >= 0):
            raise ValueError("spectra hold values that are no spectra")
        self._xx[rows, columns] = state.xx
        self._xx[columns, rows] = np.conj(state.xx)
        self._xd, self._dd = state.xd.astype(np.complex128), state.dd.astype(np.float64)
        self._weight, self._weight2 = float(state.weight), float(state.weight2)

    def spectrum(self, samples: FloatArray) -> ComplexArray:
        """Return the windowed spectrum of 4 s; the last axis is time."""
        spectrum: ComplexArray = np.fft.rfft(samples * self._window, axis=-1)
        return spectrum

    def add(self, x: ComplexArray, d: ComplexArray) -> bool:
        """Add a segment's spectra, unless strain holds a loud transient; returns whether it was added."""
        power = np.abs(d) ** 2
        if self.ready and self._loud_in_a_row < _MAX_LOUD_IN_A_ROW:
            inside = self._band.inside
            if np.mean(power[inside] / (self._dd[inside] / self._weight)) > _LOUD:
                self._loud_in_a_row += 1
                return False
        self._loud_in_a_row = 0
        self._xx *= self._decay
        self._xx += np.conj(x)[:, None, :] * x[None, :, :]
        self._xd = self._decay * self._xd + np.conj(x) * d / self._band.lowering
        self._dd = self._decay * self._dd + power
        self._weight = self._decay * self._weight + 1.0
        self._weight2 = self._decay**2 * self._weight2 + 1.0
        return True

    def weights(self) -> FloatArray:
        """Return W, shape (n_frequencies,), for strain as it was before it was lowered."""
        inside, step_hz = self._band.inside, self._band.frequencies_hz[1]
        true = self._dd / np.abs(self._band.lowering) ** 2
        width = round(_MEDIAN_HZ / step_hz) | 1
        weights = np.zeros(len(true))
        weights[inside] = 1.0 / median_over(true[inside], width)
        # Outside the band nothing is predicted: what a regressor holds there is kept out at a usual weight.
        weights[~inside] = np.median(weights[inside])
        return weights

    def fit(self, taps: tuple[int, ...]) -> FloatArray:
        """Return the filter, shape (n_regressors, max(taps)), zero beyond each regressor's own number of taps."""
        band, weights = self._band, self.weights()
        true_dd = self._dd / np.abs(band.lowering) ** 2
        xx_diagonal = np.einsum("ccf->cf", self._xx).real
        with np.errstate(divide="ignore", invalid="ignore"):
            coherence = np.abs(self._xd) ** 2 / (xx_diagonal * true_dd)
        threshold = 1.0 - _CHANCE ** (1.0 / max(self.averages - 1.0, 1.0))
        coherent = band.inside & (np.nan_to_num(coherence) > threshold)
        used = coherent.any(axis=1)
        # Where one regressor stands out the others may share in it; Hann's main lobe is two bins to each side.
        bins = spread(coherent.any(axis=0), _SPREAD_BINS) & band.inside
        p = np.fft.irfft(np.where(used[:, None] & bins, weights * np.conj(band.raising) * self._xd, 0.0))
        r = np.fft.irfft(weights * np.abs(band.raising) ** 2 * self._xx)
        found = _solve(r, p, taps)
        filters = np.zeros((len(taps), max(taps)))
        start = 0
        for row, count in enumerate(taps):
            filters[row, :count] = found[start : start + count]
            start += count
        return filters


def _solve(r: FloatArray, p: FloatArray, taps: tuple[int, ...]) -> FloatArray:
    """Solve the normal equations; a regressor that is coherent nowhere is left out, with taps of zero."""
    used = [c for c in range(len(taps)) if np.any(p[c])]
    found = np.zeros(sum(taps))
    if not used:
        return found
    lags = [np.arange(taps[c]) for c in used]
    scale = [1.0 / np.sqrt(r[c, c, 0]) for c in used]
    rows = [
        [scale[i] * scale[j] * r[c, e][lags[i][:, None] - lags[j][None, :]] for j, e in enumerate(used)]
        for i, c in enumerate(used)
    ]
    matrix = np.block(rows)
    matrix[np.diag_indices_from(matrix)] += _LOADING
    right = np.concatenate([scale[i] * p[c, lags[i]] for i, c in enumerate(used)])
    solution = np.linalg.solve(matrix, right)
    starts = np.concatenate(([0], np.cumsum(taps)))
    begin = 0
    for i, c in enumerate(used):
        found[starts[c] : starts[c + 1]] = scale[i] * solution[begin : begin + taps[c]]
        begin += taps[c]
    return found
