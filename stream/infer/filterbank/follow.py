"""Which weights are in force: they follow the whitening filter, at times that depend on the data's clock alone.

At each whole GPS second the filter in force is compared with the one that the weights were made for. When a template
would lose more than ``MAX_LOSS`` of its SNR on average, new weights are made by another thread, and come into force
``BUILD_S`` later by the data's clock, ready or waited for. So any cutting of the stream, live or replayed, changes
weights at the same sample.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np

from stream.infer.filterbank.build import Weights, build
from stream.infer.filterbank.waveforms import N_FFT
from stream.infer.filterbank.whitened import INPUT_RATE_HZ, LOW_HZ, response
from stream.timebase import NS_PER_S
from stream.types import Complex64Array, Float32Array, FloatArray

MAX_LOSS = 0.01
BUILD_S = 4
_BUILD_NS = BUILD_S * NS_PER_S
_PROBE_EVERY = 8
_LEAST_GAIN, _MOST_GAIN = 1e-4, 1e4
"""Of a filter that whitens a detector's noise; the largest is about 16. Strain that stands still gives 1e5 to 1e148,
strain in other units 1e-20: templates whitened by either are no numbers."""


@dataclass(frozen=True, slots=True)
class FollowerState:
    """What a checkpoint keeps of one detector's weights: the filters that they are made from.

    ``due_ns`` is when those being made come into force.
    """

    taps: FloatArray | None = None
    pending_taps: FloatArray | None = None
    due_ns: int = 0
    input_rate_hz: int = INPUT_RATE_HZ


@dataclass(frozen=True, slots=True)
class _Pending:
    taps: FloatArray
    due_ns: int
    weights: Future[Weights]


class LossModel:
    """Predicts what templates whitened by one filter lose on strain whitened by another.

    Parameters
    ----------
    waveforms : array of complex64, shape (n_templates, N_FFT / 2 + 1)
        Every eighth is asked.
    """

    def __init__(self, waveforms: Complex64Array) -> None:
        flat = np.zeros(N_FFT)
        flat[0] = 1.0
        probes = waveforms[::_PROBE_EVERY] * response(flat, LOW_HZ, INPUT_RATE_HZ)
        self._power: Float32Array = probes.real**2 + probes.imag**2

    def mean_loss(self, of: FloatArray, on: FloatArray) -> float:
        """Return the mean part of the SNR that is lost; the time is not fitted, only the phase."""
        filter_of, filter_on = (np.fft.rfft(taps, N_FFT).astype(np.complex64) for taps in (of, on))
        answer = np.abs(self._power @ (filter_of.conj() * filter_on))
        norms = (self._power @ np.abs(filter_of) ** 2) * (self._power @ np.abs(filter_on) ** 2)
        return float(np.mean(1.0 - answer / np.sqrt(norms)))


class Follower:
    """The weights of one detector.

    Parameters
    ----------
    waveforms : array of complex64, shape (n_templates, N_FFT / 2 + 1)
    losses : LossModel
        Of the same waveforms.
    executor : Executor
        Makes weights in the background.
    """

    def __init__(self, waveforms: Complex64Array, losses: LossModel, executor: Executor) -> None:
        self._waveforms, self._losses, self._executor = waveforms, losses, executor
        self._weights: Weights | None = None
        self._pending: _Pending | None = None
        self._compared: FloatArray | None = None
        self._rate_hz = INPUT_RATE_HZ

    @property
    def weights(self) -> Weights | None:
        """The weights in force; None before the first, and while strain is no noise."""
        return self._weights

    def at_second(self, now_ns: int, taps: FloatArray | None, input_rate_hz: int = INPUT_RATE_HZ) -> bool:
        """Take notice of a whole second and of the filter in force from then on; return whether weights changed."""
        if input_rate_hz != self._rate_hz:
            self._rate_hz, self._compared = input_rate_hz, None
        changed = False
        # A stream that jumped back must not wait for a time that is far ahead now.
        if self._pending is not None and not now_ns < self._pending.due_ns <= now_ns + _BUILD_NS:
            self._weights, self._pending, changed = self._pending.weights.result(), None, True
            self._compared = None
        if taps is not None and self._pending is None and taps is not self._compared:
            self._compared = taps
            if not _is_of_noise(taps):
                self._weights, changed = None, changed or self._weights is not None
            elif self._misfit(taps) > MAX_LOSS:
                self._begin(taps, now_ns + _BUILD_NS)
        return changed

    def state(self) -> FollowerState:
        """Return what a checkpoint keeps."""
        taps = None if self._weights is None else self._weights.taps
        if self._pending is None:
            return FollowerState(taps, input_rate_hz=self._rate_hz)
        return FollowerState(taps, self._pending.taps, self._pending.due_ns, self._rate_hz)

    def restore(self, state: FollowerState) -> None:
        """Take up a checkpoint; weights in force are made before this returns.

        Raises
        ------
        ValueError
            If it holds what is no whitening filter; nothing is taken up then.
        """
        if not all(_is_of_noise(taps) for taps in (state.taps, state.pending_taps) if taps is not None):
            raise ValueError("filters to be made from what whitens no detector's noise")
        self._compared, self._rate_hz = None, state.input_rate_hz
        self._weights = None if state.taps is None else build(self._waveforms, state.taps, self._rate_hz)
        self._pending = None
        if state.pending_taps is not None:
            self._begin(state.pending_taps, state.due_ns)

    def _misfit(self, taps: FloatArray) -> float:
        """Return what the weights in force would lose; 1 if they are of another front end, or there are none."""
        if self._weights is None or self._weights.input_rate_hz != self._rate_hz:
            return 1.0
        return self._losses.mean_loss(self._weights.taps, taps)

    def _begin(self, taps: FloatArray, due_ns: int) -> None:
        making = self._executor.submit(build, self._waveforms, taps, self._rate_hz)
        self._pending = _Pending(taps, due_ns, making)


def _is_of_noise(taps: FloatArray) -> bool:
    """Return whether a filter can be one that whitens a detector's noise."""
    return (
        taps.ndim == 1
        and len(taps) > 0
        and _LEAST_GAIN < float(np.abs(np.fft.rfft(taps)).max(initial=0.0)) < _MOST_GAIN
    )
