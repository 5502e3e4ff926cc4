"""What a spectrum that moves costs the matched-filter network: ``python -m pipelines.evaluate.moving``.

Noise goes from one spectrum to another within a minute and back, over and over: amplitudes rise and fall by 30 %,
octave by octave, and lines come and go. A minute after each change ended a signal of one of the templates is put in,
whose SNR is told as a part of what a filter finds there that knows the spectrum: both hear the same noise. And since
weights change on the way: are there more triggers in the seconds in which they do than in those beside?
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

import numpy as np

from pipelines.evaluate.limit import snr_series
from pipelines.evaluate.scene import RATE_HZ, START_S
from stream.condition import Conditioner
from stream.infer.filterbank.bank import read_bank
from stream.infer.filterbank.stage import FilterBank, FilterBankStage
from stream.records import Segment, Triggers
from stream.settings import ConditionSettings, InferSettings
from stream.simulate.glitches import optimal_snr
from stream.simulate.noise import ColouredNoise
from stream.simulate.psds import Psd, psd
from stream.simulate.waveforms import BinaryParameters, DetectorSignal, project
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import FloatArray

DETECTOR = "H1"
LATER_S = 60
"""From the end of a change to the signal."""
_SETTLE_S, _REST_S = 90, 100
_AROUND_S = 32
_NEAR_S = 0.05
_BESIDE_S = 4
LINES_HZ = (47.3, 97.0, 180.0, 305.5)


@dataclass(frozen=True, slots=True)
class MovingConfig:
    """How the spectrum moves: by what factor of the amplitude, how fast, and how often to and fro."""

    seed: int = 1
    factor: float = 1.3
    change_s: int = 60
    changes: int = 16
    snr: float = 20.0

    @property
    def period_s(self) -> int:
        """From one change to the next."""
        return self.change_s + _REST_S

    @property
    def duration_s(self) -> int:
        """Length of the strain."""
        return _SETTLE_S + self.changes * self.period_s

    def signal_s(self, change: int) -> int:
        """Second in which the signal after a change merges."""
        return _SETTLE_S + change * self.period_s + self.change_s + LATER_S

    def share(self, at_s: FloatArray) -> FloatArray:
        """Return how much of the power is of the second spectrum at times from the start, 0 to 1."""
        since = np.maximum(at_s - _SETTLE_S, 0.0)
        change = np.floor(since / self.period_s)
        moved: FloatArray = np.clip((since - change * self.period_s) / self.change_s, 0.0, 1.0)
        moved = np.where(change < self.changes, moved, 1.0)
        return np.where(change % 2 == 0, moved, 1.0 - moved)


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of it.

    ``kept`` is of each signal the SNR that the network gave its own template, over that of the filter that knows.
    Triggers above SNR 5 are counted in the seconds in which weights changed and in those beside, without signals.
    """

    kept: FloatArray
    weights_changed: int
    at_changes: int
    beside: int
    beside_s: int
    loudest_at_changes: float
    loudest_beside: float

    def as_dict(self) -> dict[str, object]:
        """Return what is printed."""
        return {
            "signals": len(self.kept),
            "kept_mean": round(float(self.kept.mean()), 4),
            "kept_error": round(float(self.kept.std() / np.sqrt(len(self.kept))), 4),
            "kept_least": round(float(self.kept.min()), 4),
            "weights_changed": self.weights_changed,
            "triggers_above_5_per_s_at_changes": round(self.at_changes / max(1, self.weights_changed), 3),
            "triggers_above_5_per_s_beside": round(self.beside / max(1, self.beside_s), 3),
            "loudest_at_changes": round(self.loudest_at_changes, 2),
            "loudest_beside": round(self.loudest_beside, 2),
        }


def moved(base: Psd, factor: float) -> Psd:
    """Return a spectrum with its amplitude raised and lowered by a factor in turn, octave by octave, and with lines."""
    frequency = base.frequencies_hz
    wave = np.sin(np.pi * np.log2(frequency / 20.0))
    lines = 1.0 + sum(1000.0 / (1.0 + ((frequency - line_hz) / 0.1) ** 2) for line_hz in LINES_HZ)
    return Psd(frequency, base.values_per_hz * factor ** (2.0 * wave) * lines)


def strain(config: MovingConfig, signals: list[DetectorSignal]) -> FloatArray:
    """Return the strain, shape (duration_s * 4096,)."""
    first, count = START_S * RATE_HZ, config.duration_s * RATE_HZ
    usual = psd("aLIGO_O4")
    share = config.share(np.arange(count) / RATE_HZ)
    out: FloatArray = np.zeros(count)
    for k, spectrum in enumerate((usual, moved(usual, config.factor))):
        source = ColouredNoise(spectrum, RATE_HZ, 2 * config.seed + k, DETECTOR)
        out += np.sqrt(share if k else 1.0 - share) * source.samples(first, count)
    for one in signals:
        start = one.start_sample - first
        out[start : start + len(one.samples)] += one.samples
    return out


def signal_of(parameters: FloatArray, at_s: float, snr: float, spectrum: Psd) -> DetectorSignal:
    """Return a face-on binary of a template's parameters with an optimal SNR in a spectrum."""
    m1, m2, chi1, chi2 = (float(v) for v in parameters)
    geocent_ns = START_S * NS_PER_S + round(at_s * NS_PER_S)
    binary = BinaryParameters(m1, m2, (0.0, 0.0, chi1), (0.0, 0.0, chi2), geocent_ns=geocent_ns)
    signal = project(binary, (DETECTOR,), RATE_HZ)[DETECTOR]
    scale = snr / optimal_snr(signal.samples, spectrum, RATE_HZ)
    return DetectorSignal(signal.start_sample, signal.samples * scale, signal.arrival_ns)


def heard(samples: FloatArray, shared: FilterBank) -> tuple[Triggers, list[int]]:
    """Return the triggers, and the seconds in which weights came into force after the first."""
    conditioner, stage = Conditioner(DETECTOR, ConditionSettings()), FilterBankStage(DETECTOR, shared)
    good = np.ones(HOPS_PER_S, dtype=np.bool_)
    parts, changed = [], []
    for k in range(len(samples) // RATE_HZ):
        before = stage.weights
        piece = samples[k * RATE_HZ : (k + 1) * RATE_HZ]
        white = conditioner.step(Segment(DETECTOR, (START_S + k) * NS_PER_S, RATE_HZ, piece, good))
        parts.append(stage.step(white))
        if before is not None and stage.weights is not before:
            changed.append(k)
    return Triggers.joined(parts), changed


def known(samples: FloatArray, own: DetectorSignal, spectrum: Psd) -> float:
    """Return the SNR that a filter finds which knows signal and spectrum."""
    arrival = (own.arrival_ns - START_S * NS_PER_S) * RATE_HZ // NS_PER_S
    start = int(arrival) - _AROUND_S * RATE_HZ // 2
    z = snr_series(samples[start : start + _AROUND_S * RATE_HZ], own, spectrum)
    near, at = round(_NEAR_S * 2048), len(z) // 2
    return float(z[at - near : at + near].max())


def measure(config: MovingConfig, shared: FilterBank) -> Moved:
    """Search the strain and compare."""
    rng = np.random.default_rng(config.seed)
    usual = psd("aLIGO_O4")
    spectra = (moved(usual, config.factor), usual)
    chosen = rng.choice(len(shared.bank), config.changes, p=np.exp(shared.bank.ln_weight))
    signals = [
        signal_of(shared.bank.parameters[k], config.signal_s(n), config.snr, spectra[n % 2])
        for n, k in enumerate(chosen)
    ]
    samples = strain(config, signals)
    triggers, changed = heard(samples, shared)
    kept = []
    for n, (k, own) in enumerate(zip(chosen, signals, strict=True)):
        near = np.abs(triggers.time_ns - own.arrival_ns) < _NEAR_S * NS_PER_S
        mine = np.abs(triggers.snr[near & (triggers.template == k)]).max(initial=0.0)
        kept.append(float(mine) / known(samples, own, spectra[n % 2]))
    return _counted(np.array(kept), triggers, changed, [config.signal_s(n) for n in range(config.changes)])


def _counted(kept: FloatArray, triggers: Triggers, changed: list[int], signals_s: list[int]) -> Moved:
    loud = np.abs(triggers.snr) >= 5.0
    # What one segment of a second gave is of the second that ends 0.1 s before its own end.
    second = ((triggers.time_ns - triggers.gps_ns) // NS_PER_S)[loud]
    away = [k for k in changed if min((abs(k - s) for s in signals_s), default=99) > _BESIDE_S + 2]
    near = {k + step for k in away for step in range(-_BESIDE_S, _BESIDE_S + 1)} - set(away)
    at, beside, modulus = np.isin(second, away), np.isin(second, list(near)), np.abs(triggers.snr[loud])
    return Moved(
        kept,
        len(away),
        int(at.sum()),
        int(beside.sum()),
        len(near),
        float(modulus[at].max(initial=0.0)),
        float(modulus[beside].max(initial=0.0)),
    )


def main() -> None:
    """Run from the command line."""
    usual = MovingConfig()
    parser = argparse.ArgumentParser(description="What a spectrum that moves costs the matched-filter network.")
    parser.add_argument("--factor", type=float, default=usual.factor, help="of the amplitude")
    parser.add_argument("--change-s", type=int, default=usual.change_s, help="how long a change takes")
    parser.add_argument("--changes", type=int, default=usual.changes)
    parser.add_argument("--seed", type=int, default=usual.seed)
    options = parser.parse_args()
    config = MovingConfig(options.seed, options.factor, options.change_s, options.changes)
    shared = FilterBank(read_bank(), InferSettings(threads=1))
    try:
        print(json.dumps(measure(config, shared).as_dict(), indent=1))
    finally:
        shared.close()


if __name__ == "__main__":
    main()
