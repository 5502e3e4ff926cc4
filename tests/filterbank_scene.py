"""What the tests of the matched-filter network share: a signal in coloured noise, through the real conditioner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.condition import Conditioner
from stream.infer.filterbank.bank import Bank
from stream.infer.filterbank.stage import FilterBank, FilterBankStage
from stream.records import FilterInForce, Segment, Triggers, WhitenedSegment
from stream.settings import ConditionSettings, InferSettings
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
    filters: tuple[FilterInForce, ...] = ()


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
    filters: list[FilterInForce] = []
    for k in range(0, n_hops, 8):
        piece = strain[k * RATE // 16 : (k + 8) * RATE // 16]
        out = conditioner.step(Segment("H1", START_NS + k * HOP_NS, RATE, piece, flags[k : k + 8]))
        samples.append(out.samples)
        good.append(out.valid)
        filters += out.filters
    return Conditioned(np.concatenate(samples), np.concatenate(good), conditioner.taps, tuple(filters))


def small_bank(parameters: np.ndarray = PARAMETERS) -> FilterBank:
    """Templates as a bank, each as likely as the other."""
    n = len(parameters)
    return FilterBank(Bank(parameters, np.full(n, -np.log(n)), np.ones(n)), InferSettings(threads=1))


def run_stage(stage: FilterBankStage, heard: Conditioned, cuts: Sequence[int], start: int = 0) -> list[Triggers]:
    """Feed a stage with segments of lengths ``cuts``, in hops, over and over."""
    out, k = [], 0
    filters = list(heard.filters)
    while start < len(heard.valid):
        stop = min(len(heard.valid), start + cuts[k % len(cuts)])
        end_ns = START_NS + stop * HOP_NS
        new = tuple(f for f in filters if f.gps_ns < end_ns)
        filters = filters[len(new) :]
        samples = heard.samples[start * 128 : stop * 128]
        out.append(
            stage.step(WhitenedSegment("H1", START_NS + start * HOP_NS, 2048, samples, heard.valid[start:stop], new))
        )
        start, k = stop, k + 1
    return out


def joined(pieces: Sequence[Triggers]) -> Triggers:
    """Return consecutive triggers as one, in the order of template and time."""
    whole = Triggers.joined(pieces)
    return whole.take(np.lexsort((whole.time_ns, whole.template)))


def loudest(triggers: Triggers, template: int | None = None) -> int:
    """Return which trigger is the loudest, of all or of a template."""
    snr = np.abs(triggers.snr)
    return int(np.where((template is None) | (triggers.template == template), snr, 0.0).argmax())
