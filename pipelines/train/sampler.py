"""Training batches: whitened noise with signals and glitches added, and where each merger stands.

The conditioning is linear once its filter is fixed, so noise, signals and glitches are whitened apart, by the
filter that the live conditioner had designed from that noise (its PSD error included), and added here at any
time and loudness. All arrays are at the encoder's inner rate of 512 Hz; three detectors, the third quieter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.types import Float32Array, FloatArray

INNER_RATE_HZ = 512
FRAME_SAMPLES = 4
SIGNAL_SAMPLES = 1024
SIGNAL_MERGER = 896
GLITCH_SAMPLES = 768
GLITCH_PEAK = 512
N_DETECTORS = 3


@dataclass(frozen=True, slots=True)
class Realisation:
    """Whitened ingredients of one state of the network; see :mod:`pipelines.train.ingredients`.

    Attributes
    ----------
    noise : array of float32, shape (3, n)
    signals : array of float32, shape (n_signals, 3, SIGNAL_SAMPLES)
        Network optimal SNR 1; the mean arrival time stands at ``SIGNAL_MERGER``.
    snrs : array of float64, shape (n_signals, 3)
        Optimal SNR of each detector at that scale.
    glitches : array of float32, shape (3, n_glitches, GLITCH_SAMPLES)
        SNR 1, peak at ``GLITCH_PEAK``.
    """

    noise: Float32Array
    signals: Float32Array
    snrs: FloatArray
    glitches: Float32Array


@dataclass(frozen=True, slots=True)
class Batch:
    """One training batch.

    Attributes
    ----------
    strain : array of float32, shape (3, n, samples)
    merger_sample : array of int64, shape (n,)
        Sample of the merger, -1 where there is none.
    snrs : array of float64, shape (n, 3)
        Optimal SNR of the coherent signal in each detector; 0 where there is none.
    """

    strain: Float32Array
    merger_sample: np.ndarray[tuple[int], np.dtype[np.int64]]
    snrs: FloatArray


@dataclass(frozen=True, slots=True)
class Mixture:
    """How often what happens in a window."""

    signal: float = 0.5
    glitch: float = 0.4
    coincident_glitch: float = 0.08
    lone_signal: float = 0.06
    shifted_pair: float = 0.06
    snr_range: tuple[float, float] = (5.0, 40.0)
    glitch_snr_range: tuple[float, float] = (4.0, 120.0)


class Sampler:
    """Draw batches from realisations.

    Parameters
    ----------
    realisations : list of Realisation
    samples : int
        Length of a window at 512 Hz.
    merger_range : (int, int)
        Where in the window a merger may stand.
    """

    def __init__(
        self,
        realisations: list[Realisation],
        samples: int,
        merger_range: tuple[int, int],
        mixture: Mixture,
        rng: np.random.Generator,
    ) -> None:
        self._realisations = realisations
        self._samples = samples
        self._merger_range = merger_range
        self._mixture = mixture
        self._rng = rng

    def draw(self, size: int) -> Batch:
        """Return ``size`` windows."""
        strain = np.zeros((N_DETECTORS, size, self._samples), dtype=np.float32)
        merger = np.full(size, -1, dtype=np.int64)
        snrs = np.zeros((size, N_DETECTORS))
        for i in range(size):
            realisation = self._realisations[self._rng.integers(len(self._realisations))]
            window = self._noise(realisation)
            if self._rng.random() < self._mixture.signal:
                merger[i], snrs[i] = self._add_signal(realisation, window)
            else:
                self._add_decoys(realisation, window)
            self._add_glitches(realisation, window)
            strain[:, i] = window
        return Batch(strain, merger, snrs)

    def _noise(self, realisation: Realisation) -> Float32Array:
        """Cut each detector's noise at its own time, with a random sign: the draws outnumber the noise."""
        window = np.empty((N_DETECTORS, self._samples), dtype=np.float32)
        for d in range(N_DETECTORS):
            start = self._rng.integers(realisation.noise.shape[1] - self._samples)
            window[d] = realisation.noise[d, start : start + self._samples] * self._rng.choice((-1.0, 1.0))
        return window

    def _log_uniform(self, limits: tuple[float, float]) -> float:
        return float(np.exp(self._rng.uniform(*np.log(limits))))

    def _add_signal(self, realisation: Realisation, window: Float32Array) -> tuple[int, FloatArray]:
        k = self._rng.integers(len(realisation.signals))
        merger = int(self._rng.integers(*self._merger_range))
        snr = self._log_uniform(self._mixture.snr_range)
        for d in range(N_DETECTORS):
            _add(window[d], realisation.signals[k, d] * snr, merger - SIGNAL_MERGER)
        scaled: FloatArray = realisation.snrs[k] * snr
        return merger, scaled

    def _add_decoys(self, realisation: Realisation, window: Float32Array) -> None:
        """Signals that no astrophysical source makes: in one detector alone, or at impossible delays."""
        draw = self._rng.random()
        if draw < self._mixture.lone_signal + self._mixture.shifted_pair:
            first, second = self._rng.permutation(N_DETECTORS)[:2]
            at = int(self._rng.integers(*self._merger_range))
            self._add_lone(realisation, window, int(first), at)
            if draw < self._mixture.shifted_pair:
                gap = int(self._rng.integers(16, 200)) * int(self._rng.choice((-1, 1)))
                self._add_lone(realisation, window, int(second), at + gap)

    def _add_lone(self, realisation: Realisation, window: Float32Array, detector: int, at: int) -> None:
        k = self._rng.integers(len(realisation.signals))
        snr = self._log_uniform((4.0, 30.0)) / max(0.05, realisation.snrs[k, detector])
        _add(window[detector], realisation.signals[k, detector] * snr, at - SIGNAL_MERGER)

    def _add_glitches(self, realisation: Realisation, window: Float32Array) -> None:
        if self._rng.random() >= self._mixture.glitch:
            return
        at = int(self._rng.integers(0, self._samples))
        together = self._rng.random() < self._mixture.coincident_glitch / self._mixture.glitch
        chosen = self._rng.permutation(N_DETECTORS)[: 2 if together else 1]
        for d in chosen:
            k = self._rng.integers(realisation.glitches.shape[1])
            snr = self._log_uniform(self._mixture.glitch_snr_range) * self._rng.choice((-1.0, 1.0))
            offset = int(self._rng.integers(-6, 7)) if together else 0
            _add(window[d], realisation.glitches[d, k] * np.float32(snr), at + offset - GLITCH_PEAK)


def _add(window: Float32Array, what: Float32Array, start: int) -> None:
    """Add an array into a window at a start that may lie outside, in place."""
    lo, hi = max(0, start), min(len(window), start + len(what))
    if hi > lo:
        window[lo:hi] += what[lo - start : hi - start]
