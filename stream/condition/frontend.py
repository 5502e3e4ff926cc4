"""Front end of conditioning: causal decimation to the working rate, and removal of what lies below the band.

Two infinite-impulse-response filters with carried state, so that any chunking gives the same samples:

* anti-alias, Chebyshev type II of order 12, 60 dB above the new Nyquist frequency, at the input's rate;
* high-pass, Butterworth of order 8 at 3/4 of the band's lower edge: seismic motion stands six orders of
  magnitude above the band's noise floor, more than a one-second whitening filter can hold down.

After a gap the filters start anew from the steady state of the first sample, which removes the step, and
their output is dropped for ``SETTLE_HOPS`` and raised smoothly over ``TAPER_HOPS``.
"""

from __future__ import annotations

import numpy as np

from stream import filters
from stream.errors import ConfigurationError
from stream.timebase import HOPS_PER_S, samples_per_hop
from stream.types import BoolArray, FloatArray
from stream.units import STRAIN_SCALE

SETTLE_HOPS = 8
TAPER_HOPS = 4


class FrontEnd:
    """Decimate and high-pass one detector's strain.

    Parameters
    ----------
    input_rate_hz, output_rate_hz : int
        The input's rate is a whole multiple of the output's.
    low_frequency_hz : float
        Lower edge of the band, where the loss is below 1.5 dB.
    """

    def __init__(self, input_rate_hz: int, output_rate_hz: int, low_frequency_hz: float) -> None:
        factor, rest = divmod(input_rate_hz, output_rate_hz)
        if rest or factor < 1:
            raise ConfigurationError(
                f"strain at {input_rate_hz} Hz cannot be decimated to {output_rate_hz} Hz: use a multiple of it"
            )
        self.input_rate_hz = input_rate_hz
        self._factor = factor
        self._hop_out = samples_per_hop(output_rate_hz)
        sections = [filters.butterworth_highpass(8, 0.75 * low_frequency_hz, input_rate_hz)]
        if factor > 1:
            sections.append(filters.chebyshev2_lowpass(12, 60.0, output_rate_hz / 2, input_rate_hz))
        self._sos: FloatArray = np.concatenate(sections)
        self._steady: FloatArray = filters.steady_state(self._sos)
        ramp = np.arange(TAPER_HOPS * self._hop_out) + 0.5
        self._taper: FloatArray = np.sin(0.5 * np.pi * ramp / len(ramp)) ** 2
        self.reset()

    def reset(self) -> None:
        """Forget the past, as after a gap."""
        self._zi: FloatArray | None = None
        self._clean_hops = 0

    @property
    def sections(self) -> FloatArray:
        """The filters as second-order sections."""
        return self._sos

    def step(self, samples: FloatArray, valid: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Filter whole hops.

        Parameters
        ----------
        samples : array of float64, shape (n_hops * input_rate / 16,)
            Strain.
        valid : array of bool, shape (n_hops,)
            Which hops are good.

        Returns
        -------
        output : array of float64, shape (n_hops * output_rate / 16,)
            Decimated strain times ``STRAIN_SCALE``; zero in gaps and while settling.
        clean : array of float64, shape (n_hops,)
            For each hop, the count of unbroken valid hops up to and including it; 0 in a gap.
        """
        n_hops = len(valid)
        output = np.zeros(n_hops * self._hop_out)
        clean = np.zeros(n_hops)
        edges = np.flatnonzero(np.diff(valid)) + 1
        for start, stop in zip([0, *edges], [*edges, n_hops], strict=True):
            if not valid[start]:
                self.reset()
                continue
            clean[start:stop] = self._clean_hops + np.arange(1, stop - start + 1)
            output[start * self._hop_out : stop * self._hop_out] = self._run(samples, start, stop)
        return output, clean

    def _run(self, samples: FloatArray, start: int, stop: int) -> FloatArray:
        """Filter one unbroken run of hops."""
        hop_in = self.input_rate_hz // HOPS_PER_S
        chunk = samples[start * hop_in : stop * hop_in] * STRAIN_SCALE
        zi = self._zi if self._zi is not None else self._steady * chunk[0]
        filtered, self._zi = filters.run(self._sos, chunk, zi)
        output: FloatArray = filtered[:: self._factor].copy()
        self._settle(output, self._clean_hops)
        self._clean_hops += stop - start
        return output

    def _settle(self, output: FloatArray, hops_before: int) -> None:
        """Silence the filters' start and raise what follows, in place."""
        silent = (SETTLE_HOPS - hops_before) * self._hop_out
        if silent > 0:
            output[:silent] = 0.0
        offset = max(0, -silent)
        rest = output[max(0, silent) :]
        ramp = self._taper[offset : offset + len(rest)]
        rest[: len(ramp)] *= ramp
