"""What the matched-filter network hands on: the triggers of one detector over one stretch of time."""

from __future__ import annotations

from dataclasses import dataclass

from stream.types import BoolArray, Complex64Array, Float32Array, Int32Array, IntArray


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
    """

    detector: str
    gps_ns: int
    duration_ns: int
    valid: BoolArray
    template: Int32Array
    time_ns: IntArray
    snr: Complex64Array
    chisq: Float32Array
