"""The limit that all fractions are of: a matched filter that knows each binary's waveform and the true spectrum.

One template, in quadrature over the detectors, arrivals within 15 ms. It has one template's false alarms only, so that
no real search has so few trials. Its background is what single templates of the population make of the same noise in
slides. Neither hears glitches: a limit is not spoiled by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import fft, signal

from pipelines.evaluate.coincidence import Slid, TriggerList, coincident, local_maxima
from pipelines.evaluate.scene import END_S, RATE_HZ, START_S, Injection, Scene, loudest_near
from pipelines.evaluate.searched import Counts, Searched
from stream.errors import ConfigurationError
from stream.simulate.psds import Psd
from stream.simulate.waveforms import DetectorSignal
from stream.timebase import NS_PER_S
from stream.types import ComplexArray, FloatArray

LABEL = "limit"
FOUND_S = 0.1
"""An event this near to an injection's merger is its own."""

_LOW_HZ, _HIGH_HZ = 20.0, 1000.0
_OUT_HZ = 2048
_FLOOR, _LEAST_RANK = 3.2, 6.3
_NEAR_S = 0.15
_AROUND_S, _EDGE_S = 16, 4  # of data around a template; of which the ends are spoiled by the taper
_BACKGROUND_TEMPLATES = 4
_CHUNK_S = 128


@dataclass(frozen=True, slots=True)
class KnownTemplate:
    """The limit, as a search that is measured."""

    label: str = LABEL

    def search(self, scene: Scene, background_s: float) -> Searched:
        """Find each injection by its own template, and slide a few of the templates by every second that there is."""
        names = scene.config.detectors
        if len(names) != 2:
            raise ConfigurationError(f"the limit is known for two detectors, not for {len(names)}: name two")
        near = {name: _near_injections(scene, name) for name in names}
        far = {name: _of_whole_stretch(scene, name) for name in names}
        times, ranks = coincident(near[names[0]], near[names[1]])
        found = loudest_near(scene.injections, times, ranks, FOUND_S)
        return Searched(found, _background(scene, far[names[0]], far[names[1]]))


def _near_injections(scene: Scene, detector: str) -> TriggerList:
    """Return the triggers of each injection's own template around its arrival."""
    strain = np.concatenate(list(scene.strain(detector, glitches=False)))
    found = []
    for k, one in enumerate(scene.injections):
        own = one.signals[detector]
        length = fft.next_fast_len(len(own.samples) + _AROUND_S * RATE_HZ, real=True)
        length += length % 2
        start = own.start_sample - START_S * RATE_HZ - _AROUND_S * RATE_HZ // 2
        start = min(max(0, start), len(strain) - length)
        z = snr_series(strain[start : start + length], own, scene.spectra[detector])
        times_s = start / RATE_HZ + np.arange(len(z)) / _OUT_HZ
        arrival_s = own.arrival_ns / NS_PER_S - START_S
        at = local_maxima(z, _FLOOR)
        at = at[np.abs(times_s[at] - arrival_s) <= _NEAR_S]
        found.append(TriggerList(np.full(len(at), k), times_s[at], z[at]))
    return TriggerList.joined(found)


def _of_whole_stretch(scene: Scene, detector: str) -> TriggerList:
    """Return the triggers that a few of the templates have in the noise."""
    strain = np.concatenate(list(scene.strain(detector, signals=False, glitches=False)))
    found = []
    for k, one in enumerate(_chosen(scene)):
        own = one.signals[detector]
        front = len(own.samples) + _EDGE_S * RATE_HZ
        length = max(_CHUNK_S * RATE_HZ, 4 * front)
        for start, lo, hi in _chunks(len(strain), length, front):
            z = snr_series(strain[start : start + length], own, scene.spectra[detector])
            at = local_maxima(z, _FLOOR)
            times_s = start / RATE_HZ + at / _OUT_HZ
            inside = (times_s >= lo) & (times_s < hi)
            found.append(TriggerList(np.full(inside.sum(), k), times_s[inside], z[at[inside]]))
    return TriggerList.joined(found)


def _chosen(scene: Scene) -> list[Injection]:
    """Return templates of the population, others in each stretch."""
    rng = np.random.default_rng([scene.config.seed, scene.index, 1])
    at = rng.choice(len(scene.injections), min(_BACKGROUND_TEMPLATES, len(scene.injections)), replace=False)
    return [scene.injections[k] for k in at]


def _chunks(total: int, length: int, front: int) -> Iterator[tuple[int, float, float]]:
    """Yield the first sample of each chunk, and from which to which second it is the one that counts."""
    rear = _EDGE_S * RATE_HZ
    done = front
    while done < total - rear:
        start = max(0, min(done - front, total - length))
        stop = start + length - rear
        yield start, done / RATE_HZ, stop / RATE_HZ
        done = stop


def _background(scene: Scene, first: TriggerList, second: TriggerList) -> Counts:
    start_s = int(max(np.ceil(first.time_s.min()), np.ceil(second.time_s.min())))
    heard_s = scene.config.stretch_s - END_S - start_s
    ring = Slid(start_s, heard_s, _LEAST_RANK)
    inside = [t.between(start_s, start_s + heard_s) for t in (first, second)]
    return ring.count(inside[0], inside[1], heard_s - 1, separate=True)


def snr_series(strain: FloatArray, template: DetectorSignal, spectrum: Psd) -> FloatArray:
    """Return the SNR's modulus for each merger time at 2048 Hz: unit variance per quadrature.

    ``z(t) = 4 int d(f) h*(f) / S(f) exp(2 pi i f t) df / sqrt(4 int |h|^2 / S df)``; the strain's first and last second
    are tapered.

    Parameters
    ----------
    strain : array of float64, shape (n,)
        At 4096 Hz; ``n`` is even and at least the template's length.
    """
    n = len(strain)
    frequency = np.fft.rfftfreq(n, 1 / RATE_HZ)
    band = (frequency >= _LOW_HZ) & (frequency <= _HIGH_HZ)
    weight = np.where(band, 1.0 / spectrum.at(frequency), 0.0)
    merger = round((template.arrival_ns * RATE_HZ) / NS_PER_S) - template.start_sample
    h = fft.rfft(np.roll(np.pad(template.samples, (0, n - len(template.samples))), -merger))
    d = fft.rfft(strain * signal.windows.tukey(n, 2 * RATE_HZ / n))
    sigma = np.sqrt(4.0 * np.sum(np.abs(h) ** 2 * weight) / (n * RATE_HZ))
    # Analytic: positive frequencies alone, and of them those below the output's Nyquist frequency.
    one_sided: ComplexArray = np.zeros(n // 2, dtype=np.complex128)
    one_sided[: n // 4] = (4.0 * d * h.conj() * weight)[: n // 4] / RATE_HZ / sigma
    series: FloatArray = np.abs(fft.ifft(one_sided)) * (_OUT_HZ / RATE_HZ)
    return series
