"""What the matched-filter network keeps and costs, as TOML: ``python -m pipelines.evaluate.filterbank_card``.

Kept: the part of each template's SNR that slices, bases and the end of the data 94 ms after the merger leave, on
``aLIGO_O4`` and on random spectra with lines. Cost: processor time of one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stream.condition.whitening import minimum_phase_fir
from stream.infer.filterbank.bank import SHIPPED, Bank, read_bank
from stream.infer.filterbank.build import Weights, build
from stream.infer.filterbank.slices import END
from stream.infer.filterbank.stage import FilterBank, FilterBankStage
from stream.infer.filterbank.waveforms import RATE_HZ
from stream.records import FilterInForce, WhitenedSegment
from stream.settings import InferSettings
from stream.simulate.psds import Psd, psd, random_psd
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S
from stream.types import FloatArray
from stream.units import STRAIN_SCALE

_LOW_HZ = 20.0
_FINE = 16  # to a hertz
_RUNS = 100
_SETTLED_HOPS = 6 * HOPS_PER_S  # weights are in force


def taps_of(spectrum: Psd) -> FloatArray:
    """Return the whitening filter that the conditioner would make, whose periodograms are of Hann windows of 1 s."""
    fine = spectrum.at(np.arange(RATE_HZ // 2 * _FINE + 1) / _FINE)
    lobe = np.abs(np.fft.fft(np.hanning(RATE_HZ), RATE_HZ * _FINE)) ** 2
    near = np.concatenate((lobe[-2 * _FINE :], lobe[: 2 * _FINE + 1]))
    padded = np.pad(fine, 2 * _FINE, mode="edge")
    seen = np.convolve(padded, near / near.sum(), mode="valid")[::_FINE]
    return minimum_phase_fir(seen * STRAIN_SCALE**2, RATE_HZ, _LOW_HZ)


def kept(bank: Bank, weights: Weights) -> str:
    """Return one spectrum's figures as a TOML inline table."""
    mean = float(np.exp(bank.ln_weight) @ weights.kept)
    filters = [len(b) for b in weights.basis]
    return f"{{ population_mean = {mean:.4f}, minimum = {weights.kept.min():.4f}, basis_filters = {filters} }}"


def cost_ms(shared: FilterBank, taps: FloatArray, hops: int) -> float:
    """Return the processor time of one detector's segment of so many hops, triggers included."""
    spent_s = call_times_s(FilterBankStage("H1", shared), taps, hops, _RUNS, time.thread_time)
    return 1e3 * float(np.percentile(spent_s, 10))  # caches are shared: the more others do, the longer it takes


def call_times_s(
    stage: FilterBankStage, taps: FloatArray, hops: int, runs: int, clock: Callable[[], float]
) -> list[float]:
    """Return how long each call on white noise takes once weights are in force, in s.

    Parameters
    ----------
    stage : FilterBankStage
    taps : array of float64
        The whitening filter that is in force from the start.
    hops, runs : int
        Length of a call's segment, and how many calls.
    clock : callable
        Tells the time, in s.
    """
    rng, spent = np.random.default_rng(1), []
    for k in range(0, _SETTLED_HOPS + runs * hops, hops):
        samples = rng.standard_normal(hops * RATE_HZ // HOPS_PER_S).astype(np.float32)
        filters = (FilterInForce(0, taps),) if k == 0 else ()
        good = np.ones(hops, dtype=np.bool_)
        segment = WhitenedSegment("H1", 1000 * NS_PER_S + k * HOP_NS, RATE_HZ, samples, good, filters)
        started = clock()
        stage.step(segment)
        if k >= _SETTLED_HOPS:
            spent.append(clock() - started)
    return spent


def card(bank: Bank, spectra: int, seed: int) -> str:
    """Return the figures."""
    rng = np.random.default_rng(seed)
    shared = FilterBank(bank, InferSettings(threads=1))
    usual = taps_of(psd("aLIGO_O4"))
    started = time.process_time()
    weights = build(shared.waveforms, usual)
    build_s = time.process_time() - started
    lines = [
        "# Made by: python -m pipelines.evaluate.filterbank_card",
        f"templates = {len(bank)}",
        f"data_after_merger_ms = {1e3 * END / RATE_HZ:.1f}",
        "",
        "[snr_kept]  # of the whole template's, in noise of that spectrum",
        f"aLIGO_O4 = {kept(bank, weights)}",
        *(
            f"random_{k} = {kept(bank, build(shared.waveforms, taps_of(random_psd(rng, psd('aLIGO_O4')))))}"
            for k in range(spectra)
        ),
        "",
        "[cost]  # processor time of one thread",
        f"detector_second_ms = {cost_ms(shared, usual, HOPS_PER_S):.1f}",
        f"detector_hop_ms = {cost_ms(shared, usual, 1):.2f}",
        f"weights_s = {build_s:.1f}",
    ]
    shared.close()
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="What the matched-filter network keeps and costs.")
    parser.add_argument("--bank", type=Path, default=SHIPPED)
    parser.add_argument("--spectra", type=int, default=8, help="random spectra")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(card(read_bank(options.bank), options.spectra, options.seed), end="")


if __name__ == "__main__":
    main()
