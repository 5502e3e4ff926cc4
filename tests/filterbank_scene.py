"""What the tests of the matched-filter network share: a signal in coloured noise, through the real conditioner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.condition import Conditioner
from stream.records import Segment
from stream.settings import ConditionSettings
from stream.simulate.glitches import optimal_snr
from stream.simulate.noise import ColouredNoise
from stream.simulate.psds import Psd, psd
from stream.simulate.waveforms import BinaryParameters, project
from stream.timebase import HOP_NS, NS_PER_S

RATE = 4096
START_NS = 1_126_259_440 * NS_PER_S
PARAMETERS = np.array([[36.0, 29.0, 0.0, 0.0], [12.0, 9.0, 0.3, 0.0], [60.0, 50.0, -0.2, 0.1]])


@dataclass(frozen=True)
class Conditioned:
    samples: np.ndarray
    valid: np.ndarray
    taps: np.ndarray
    """The filter in force at the end."""


def noise(seconds: int, seed: int = 5, spectrum: Psd | None = None) -> np.ndarray:
    """Strain of one detector from ``START_NS``."""
    source = ColouredNoise(spectrum or psd("aLIGO_O4"), RATE, seed, "H1")
    return source.samples(START_NS // NS_PER_S * RATE, seconds * RATE).copy()


def add_signal(strain: np.ndarray, row: np.ndarray, merger_s: float, snr: float, phase_rad: float = 0.0) -> int:
    """Add a face-on binary of an optimal SNR in place and return when its merger reaches the detector."""
    binary = BinaryParameters(
        row[0], row[1], (0.0, 0.0, row[2]), (0.0, 0.0, row[3]), phase_rad=phase_rad,
        geocent_ns=START_NS + round(merger_s * 1e9),
    )  # fmt: skip
    signal = project(binary, ("H1",), RATE, 12.0)["H1"]
    scale = snr / optimal_snr(signal.samples, psd("aLIGO_O4"), RATE)
    first = signal.start_sample - START_NS // NS_PER_S * RATE
    samples = signal.samples[max(0, -first) :]
    strain[max(0, first) : max(0, first) + len(samples)] += samples * scale
    return signal.arrival_ns


def condition(strain: np.ndarray, valid: np.ndarray | None = None) -> Conditioned:
    """Whiten strain in half seconds."""
    conditioner = Conditioner("H1", ConditionSettings())
    n_hops = len(strain) * 16 // RATE
    flags = np.ones(n_hops, np.bool_) if valid is None else valid
    samples, good = [], []
    for k in range(0, n_hops, 8):
        piece = strain[k * RATE // 16 : (k + 8) * RATE // 16]
        out = conditioner.step(Segment("H1", START_NS + k * HOP_NS, RATE, piece, flags[k : k + 8]))
        samples.append(out.samples)
        good.append(out.valid)
    return Conditioned(np.concatenate(samples), np.concatenate(good), conditioner.taps)
