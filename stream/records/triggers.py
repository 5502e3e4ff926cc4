"""What the matched-filter network hands on: the triggers of one detector over one stretch of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stream.timebase import HOP_NS
from stream.types import AnyFloatArray, BoolArray, Complex64Array, Float32Array, Int32Array, IntArray


@dataclass(frozen=True, slots=True)
class Triggers:
    """Local maxima of each template's SNR above a floor, in the order of template and time.

    Attributes
    ----------
    detector : str
    gps_ns, duration_ns : int
        The stretch of merger times that these are the triggers of; stretches follow one another without overlap.
    valid : array of bool, shape (n_hops,)
        Which of its hops, counted from ``gps_ns``, were heard.
    template : array of int32, shape (n,)
    time_ns : array of int64, shape (n,)
        When the merger passed the detector, to a fraction of a sample.
    snr : array of complex64, shape (n,)
        Complex SNR at that time: each quadrature has unit variance in noise (E|z|^2 = 2). Strain that is the template
        with its positive frequencies turned by exp(i phi) gives phase phi.
    chisq : array of float32, shape (n, 2)
        Autocorrelation chi-squared over past lags and chi-squared of the time slices, each divided by its expectation;
        NaN where there is none to compute.
    glitch : array of float, shape (n,)
        What each counts for less because real noise makes more of its like than Gaussian noise, never above 0; 0 from
        the filter bank. In double precision from the glitch term: it takes nearly all of |z|^2 / 2 of a loud glitch.
    relative : array of float32, shape (n_hops,)
        The detector's sensitivity over its nominal one, hop by hop; 1 where nothing was heard yet.
    """

    detector: str
    gps_ns: int
    duration_ns: int
    valid: BoolArray
    template: Int32Array
    time_ns: IntArray
    snr: Complex64Array
    chisq: Float32Array
    glitch: AnyFloatArray
    relative: Float32Array

    def take(self, rows: IntArray | BoolArray) -> Triggers:
        """Return the same stretch with some of its triggers."""
        return replace(
            self,
            template=self.template[rows],
            time_ns=self.time_ns[rows],
            snr=self.snr[rows],
            chisq=self.chisq[rows],
            glitch=self.glitch[rows],
        )

    def cut(self, first: int, last: int) -> Triggers:
        """Return the hops from ``first`` to before ``last``."""
        start_ns, end_ns = self.gps_ns + first * HOP_NS, self.gps_ns + last * HOP_NS
        return replace(
            self.take((self.time_ns >= start_ns) & (self.time_ns < end_ns)),
            gps_ns=start_ns,
            duration_ns=end_ns - start_ns,
            valid=self.valid[first:last],
            relative=self.relative[first:last],
        )

    @classmethod
    def joined(cls, parts: Sequence[Triggers]) -> Triggers:
        """Return stretches that follow one another as one, the triggers of each behind those of the one before."""
        return cls(
            parts[0].detector,
            parts[0].gps_ns,
            sum(p.duration_ns for p in parts),
            np.concatenate([p.valid for p in parts]),
            np.concatenate([p.template for p in parts]),
            np.concatenate([p.time_ns for p in parts]),
            np.concatenate([p.snr for p in parts]),
            np.concatenate([p.chisq for p in parts]),
            np.concatenate([p.glitch for p in parts]),
            np.concatenate([p.relative for p in parts]),
        )
