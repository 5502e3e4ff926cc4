"""A synthetic network: strain and witness blocks of several detectors, with injections, glitches and gaps.

Everything follows from one seed and absolute time: any block length gives the same samples.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stream.records import DataQuality, StrainBlock, WitnessBlock
from stream.simulate.glitches import draw_glitch, optimal_snr
from stream.simulate.noise import ColouredNoise
from stream.simulate.psds import psd
from stream.simulate.waveforms import BinaryParameters, DetectorSignal, project
from stream.simulate.witnesses import WitnessModel
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S
from stream.types import FloatArray

DEFAULT_SPECTRA = {"H1": "aLIGO_O4", "L1": "aLIGO_O4", "V1": "AdV_O4", "K1": "KAGRA_O4", "I1": "aLIGO_O4"}


@dataclass(frozen=True, slots=True)
class Injection:
    """A binary to add; with ``network_snr`` its distance is set so that it has that optimal SNR."""

    parameters: BinaryParameters
    network_snr: float | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that a detector does not send."""

    detector: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What to simulate.

    ``glitch_rate_hz`` is per detector; ``glitches`` are further ones at given times (detector, GPS ns).
    """

    detectors: tuple[str, ...] = ("H1", "L1")
    seed: int = 7
    sample_rate_hz: int = 4096
    spectra: dict[str, str] = field(default_factory=lambda: dict(DEFAULT_SPECTRA))
    witnesses: bool = True
    glitch_rate_hz: float = 0.0
    glitches: tuple[tuple[str, int], ...] = ()
    gaps: tuple[Gap, ...] = ()


class SyntheticNetwork:
    """Make blocks.

    Parameters
    ----------
    config : NetworkConfig
    injections : sequence of Injection
        More may be added later with :meth:`inject`.
    """

    def __init__(self, config: NetworkConfig, injections: Sequence[Injection] = ()) -> None:
        self.config = config
        self._rate = config.sample_rate_hz
        self._psds = {d: psd(config.spectra[d]) for d in config.detectors}
        self._noise = {d: ColouredNoise(self._psds[d], self._rate, config.seed, d) for d in config.detectors}
        self._witness = {d: self._witness_model(d) for d in config.detectors} if config.witnesses else {}
        self._transients: dict[str, list[DetectorSignal]] = {d: [] for d in config.detectors}
        for injection in injections:
            self.inject(injection)
        for detector, gps_ns in config.glitches:
            self._add_glitch(detector, gps_ns, np.random.default_rng((config.seed, gps_ns // HOP_NS)))

    def inject(self, injection: Injection) -> float:
        """Add a binary and return its network optimal SNR."""
        signals = project(injection.parameters, self.config.detectors, self._rate)
        snrs = [optimal_snr(s.samples, self._psds[d], self._rate) for d, s in signals.items()]
        snr = float(np.sqrt(np.sum(np.square(snrs))))
        scale = 1.0 if injection.network_snr is None else injection.network_snr / snr
        for detector, signal in signals.items():
            self._transients[detector].append(replace(signal, samples=signal.samples * scale))
        return snr * scale

    def blocks(self, start_ns: int, stop_ns: int | None, block_hops: int) -> Iterator[StrainBlock | WitnessBlock]:
        """Yield blocks of all detectors, in the order of their ends; without a stop, for ever.

        Parameters
        ----------
        start_ns, stop_ns : int
            On the hop grid.
        block_hops : int
            Length of a block, 1 to 64 hops.
        """
        sequence, at_ns = 0, start_ns
        while stop_ns is None or at_ns < stop_ns:
            hops = block_hops if stop_ns is None else min(block_hops, (stop_ns - at_ns) // HOP_NS)
            for detector in self.config.detectors:
                if not self._in_gap(detector, at_ns, at_ns + hops * HOP_NS):
                    yield from self._both(detector, at_ns, hops, sequence)
            sequence, at_ns = sequence + 1, at_ns + hops * HOP_NS
            self._forget(at_ns)

    def strain(self, detector: str, start_sample: int, count: int) -> FloatArray:
        """Return a detector's strain from a sample counted since the GPS epoch."""
        samples = self._noise[detector].samples(start_sample, count).copy()
        if detector in self._witness:
            samples += self._witness[detector].coupled(start_sample, count)
        for transient in self._transients_near(detector, start_sample, count):
            offset = transient.start_sample - start_sample
            lo, hi = max(0, offset), min(count, offset + len(transient.samples))
            if hi > lo:
                samples[lo:hi] += transient.samples[lo - offset : hi - offset]
        return samples

    def _both(self, detector: str, at_ns: int, hops: int, sequence: int) -> Iterator[StrainBlock | WitnessBlock]:
        first = at_ns // HOP_NS * (self._rate // HOPS_PER_S)
        count = hops * self._rate // HOPS_PER_S
        good = np.full(hops, DataQuality.all_good(), dtype=np.uint32)
        channel = f"{detector}:SIM-CALIB_STRAIN"
        yield StrainBlock(detector, channel, at_ns, self._rate, self.strain(detector, first, count), good, sequence)
        if detector in self._witness:
            yield WitnessBlock(detector, at_ns, hops * HOP_NS, (self._witness[detector].group(first, count),), sequence)

    def _witness_model(self, detector: str) -> WitnessModel:
        asd = float(np.sqrt(self._psds[detector].at(np.array([60.0]))[0]))
        return WitnessModel(detector, self.config.seed, self._rate, asd)

    def _in_gap(self, detector: str, start_ns: int, end_ns: int) -> bool:
        return any(g.detector == detector and g.start_ns < end_ns and start_ns < g.end_ns for g in self.config.gaps)

    def _transients_near(self, detector: str, start_sample: int, count: int) -> list[DetectorSignal]:
        """Given transients, and those that the glitch rate put into this second or one next to it."""
        if self.config.glitch_rate_hz > 0:
            first, last = start_sample // self._rate - 1, (start_sample + count) // self._rate + 1
            for second in range(first, last + 1):
                self._glitches_of_second(detector, second)
        return self._transients[detector]

    def _glitches_of_second(self, detector: str, second: int) -> None:
        rng = np.random.default_rng((self.config.seed, zlib.crc32(detector.encode()), second))
        if rng.random() >= self.config.glitch_rate_hz:
            return
        gps_ns = second * NS_PER_S + int(rng.integers(NS_PER_S))
        if all(t.arrival_ns != gps_ns for t in self._transients[detector]):
            self._add_glitch(detector, gps_ns, rng)

    def _add_glitch(self, detector: str, gps_ns: int, rng: np.random.Generator) -> None:
        glitch = draw_glitch(rng, self._rate, self._psds[detector])
        start = gps_ns * self._rate // NS_PER_S - glitch.peak_index
        self._transients[detector].append(DetectorSignal(start, glitch.samples, gps_ns))

    def _forget(self, before_ns: int) -> None:
        """Drop transients that ended a minute ago: a daemon's memory must stay flat."""
        limit = (before_ns - 60 * NS_PER_S) * self._rate // NS_PER_S
        for detector, transients in self._transients.items():
            self._transients[detector] = [t for t in transients if t.start_sample + len(t.samples) > limit]
