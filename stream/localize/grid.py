"""The pixels of a map: those that triangulation leaves are looked at, and the most probable split, round by round."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from stream.healpix import area_sr, uniq_of
from stream.localize.arrival import Arrival
from stream.localize.kernel import pixels
from stream.localize.orientations import Orientations, orientations
from stream.localize.radial import Fits, fit
from stream.localize.triangulate import children, directions, triangulate
from stream.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How finely a map is made.

    Attributes
    ----------
    polarizations, inclinations : int
        Orientations summed over, see ``kernel``; of a loud event several times as many, since a pixel's likelihood is
        the narrower in them the louder it is.
    rounds, split : int
        How often the pixels of the largest probability are split, and how many of them.
    last_order : int
    cut : float
        Log-likelihood below the best at which pixels and times are left out.
    """

    polarizations: int = 4
    inclinations: int = 6
    rounds: int = 7
    split: int = 512
    last_order: int = 11
    cut: float = 16.0


DEFAULT = Fidelity()
_SETTLED = 1.0
"""The reference of the cut is taken anew when it is off by more."""


_FINER_ABOVE_SNR = (15.0, 35.0, 60.0)
"""Network SNR, scaled, above which orientations are twice, three and four times as fine. Against maps with many more,
the overlap is then 0.99 or more at SNR 30, 60 and 100, where 4 x 6 have 0.98, 0.90 and 0.75 in the worst of six."""


class Grid:
    """Pixels that cover the sphere once, with the likelihood of those looked at.

    Attributes
    ----------
    order, index : array of int64, shape (n,)
        NESTED.
    log_value : array of float64, shape (n,)
        Log-likelihood; minus infinity where it was not looked at.
    moments : array of float64, shape (n, 2)
        Mean of the distance and of its square, in units of the edge; not a number where it was not looked at.
    """

    order: IntArray
    index: IntArray
    log_value: FloatArray
    moments: FloatArray

    def __init__(self, arrival: Arrival, fidelity: Fidelity, beside: Executor, threads: int = 1) -> None:
        """Look at the pixels that triangulation leaves, in so many threads; those beside this one are an executor's.

        The reference of the cut is at first the most that the detectors have together. Where they do not fit each
        other, what fits best is lower: then it is the reference, and directions come back that had been left out.
        """
        self._fidelity, self._beside, self._threads = fidelity, beside, threads
        self._most_p = float(np.sqrt(np.square(arrival.response).sum()))
        self._reference = np.inf
        self._fits: Fits | None = None
        self._fits_high = np.inf
        while True:
            covering = triangulate(arrival, self._reference, fidelity.cut)
            self._reference, self._arrival = covering.reference, covering.arrival
            looked_at = covering.order[covering.is_in], covering.index[covering.is_in]
            self._turned = _orientations(fidelity, self._reference)
            before = self._reference
            value, moments, best = self._look(*looked_at)
            if best > before - _SETTLED:
                break
            self._reference = best
        self.order, self.index = covering.order, covering.index
        self.log_value = np.full(len(covering.order), -np.inf)
        self.moments = np.full((len(covering.order), 2), np.nan)
        self.log_value[covering.is_in], self.moments[covering.is_in] = value, moments

    def refine(self) -> None:
        """Split the pixels of the largest probability, and look at the parts."""
        with np.errstate(divide="ignore"):
            mass = self.log_value + np.log(area_sr(self.order))
        mass[self.order >= self._fidelity.last_order] = -np.inf
        count = min(self._fidelity.split, int(np.isfinite(mass).sum()))
        if count == 0:
            return
        split = np.zeros(len(mass), dtype=bool)
        split[np.argpartition(-mass, count - 1)[:count]] = True
        order, index = np.repeat(self.order[split] + 1, 4), children(self.index[split])
        value, moments, _ = self._look(order, index)
        self.order = np.concatenate((self.order[~split], order))
        self.index = np.concatenate((self.index[~split], index))
        self.log_value = np.concatenate((self.log_value[~split], value))
        self.moments = np.concatenate((self.moments[~split], moments))

    def _look(self, order: IntArray, index: IntArray) -> tuple[FloatArray, FloatArray, float]:
        """Return log-likelihood and moments of pixels, and the best fit among them; a better one is the reference."""
        way = directions(uniq_of(order, index))
        while True:
            low, high = self._reference - self._fidelity.cut, self._reference + _SETTLED
            if self._fits is None or self._fits_high != high:
                self._fits, self._fits_high = fit(self._most_p, low, high), high
            fits = self._fits
            summed, best = self._pixels(way, fits, low)
            found = float(best.max())
            if found <= high:
                break
            self._reference = found
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(summed[:, 0]) + fits.peak, summed[:, 1:] / summed[:, :1], found

    def _pixels(self, way: FloatArray, fits: Fits, least: float) -> tuple[FloatArray, FloatArray]:
        """Return what the kernel does of these pixels; each thread has every n-th, since neighbours cost alike."""
        step = self._threads
        parts = [np.ascontiguousarray(way[k::step]) for k in range(step)]
        others = [self._beside.submit(pixels, part, self._arrival, self._turned, fits, least) for part in parts[1:]]
        summed, best = np.empty((len(way), 3)), np.empty(len(way))
        summed[::step], best[::step] = pixels(parts[0], self._arrival, self._turned, fits, least)
        for k, other in enumerate(others, start=1):
            summed[k::step], best[k::step] = other.result()
        return summed, best


def _orientations(fidelity: Fidelity, reference: float) -> Orientations:
    times = 1 + sum(np.sqrt(2.0 * reference) > snr for snr in _FINER_ABOVE_SNR)
    return orientations(times * fidelity.polarizations, times * fidelity.inclinations, times > 1)
