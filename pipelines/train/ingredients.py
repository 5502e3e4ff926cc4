"""Ingredients of training: whitened noise, signals and glitches for many states of the detectors.

For each *realisation* three detectors get their own random spectrum; their noise runs through the live
:class:`~stream.condition.Conditioner`, so that the filter carries a real PSD estimate's error (half of them of a
search that has just started); signals and glitches are whitened by that same filter in the Fourier domain.
Everything ends at 512 Hz through the encoder's own decimator.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import structlog
from scipy import signal

from pipelines.train.network import INPUT_RATE_HZ, Encoder, NetworkConfig
from pipelines.train.sampler import (
    GLITCH_PEAK,
    GLITCH_SAMPLES,
    N_DETECTORS,
    SIGNAL_MERGER,
    SIGNAL_SAMPLES,
    Realisation,
)  # fmt: skip
from stream.condition import Conditioner
from stream.condition.frontend import FrontEnd
from stream.records import Segment
from stream.settings import ConditionSettings
from stream.simulate.glitches import draw_glitch
from stream.simulate.noise import ColouredNoise
from stream.simulate.psds import Psd, psd, random_psd
from stream.simulate.waveforms import BinaryParameters, draw_binary, polarizations, project
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import ComplexArray, Float32Array, FloatArray
from stream.units import STRAIN_SCALE

log = structlog.get_logger()

DETECTORS = ("H1", "L1", "V1")
_RATE = INPUT_RATE_HZ
_BASES: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] = (
    ("aLIGO_O3", "aLIGO_O4", "aLIGO_design"), ("aLIGO_O3", "aLIGO_O4", "aLIGO_design"), ("AdV_O3", "AdV_O4"),
)  # fmt: skip
_N_FFT = 8 * _RATE


@dataclass(frozen=True, slots=True)
class IngredientsConfig:
    """How many, and from which seed."""

    seed: int = 1915
    realisations: int = 160
    signals: int = 60
    glitches: int = 50


def encoder_decimator() -> FloatArray:
    """Return the encoder's fixed anti-alias filter with its gain, oldest sample first."""
    encoder = Encoder(NetworkConfig())
    taps: FloatArray = encoder.decimator.weight.detach().numpy()[0, 0].astype(np.float64)[::-1] * 2.1
    return taps


def chain_response(taps: FloatArray) -> ComplexArray:
    """Return the response of front end, whitening filter and decimator on the grid of ``_N_FFT``, scale included."""
    frequency = np.fft.rfftfreq(_N_FFT, 1 / _RATE)
    front = FrontEnd(_RATE, _RATE, ConditionSettings().low_frequency_hz)
    _, response = signal.sosfreqz(front.sections, frequency, fs=_RATE)
    response = response * np.fft.rfft(taps, _N_FFT) * np.fft.rfft(encoder_decimator(), _N_FFT)
    chain: ComplexArray = response * STRAIN_SCALE
    return chain


def whiten(samples: FloatArray, at: int, wanted_at: int, count: int, chain: ComplexArray) -> Float32Array:
    """Return ``count`` whitened samples at 512 Hz in which input sample ``at`` stands at ``wanted_at``."""
    room = _N_FFT // 4
    padded = np.zeros(_N_FFT)
    start = room + 4 * wanted_at - at
    lo = max(0, -start)
    padded[start + lo : start + len(samples)] = samples[lo : _N_FFT - start]
    whitened = np.fft.irfft(np.fft.rfft(padded) * chain, _N_FFT)
    out: Float32Array = whitened[room : room + 4 * count : 4].astype(np.float32)
    return out


def condition_noise(spectrum: Psd, seconds: int, seed: int, detector: str) -> tuple[Float32Array, FloatArray]:
    """Return whitened noise at 512 Hz, and the whitening filter in force at its end."""
    noise = ColouredNoise(spectrum, _RATE, seed, detector).samples(0, seconds * _RATE)
    conditioner = Conditioner(detector, ConditionSettings())
    out = []
    for k in range(0, seconds, 4):
        n = min(4, seconds - k)
        valid = np.ones(n * HOPS_PER_S, np.bool_)
        out.append(conditioner.step(Segment(detector, k * NS_PER_S, _RATE, noise[k * _RATE : (k + n) * _RATE], valid)))
    samples = np.concatenate([o.samples for o in out])[np.repeat(np.concatenate([o.valid for o in out]), _RATE // 16)]
    inner = signal.lfilter(encoder_decimator(), 1.0, samples)[::4]
    return inner[64:].astype(np.float32), conditioner.taps


def norm_snr(whitened: Float32Array) -> float:
    """Return the optimal SNR of a whitened signal: its noise has unit density in band at 512 Hz."""
    return float(np.sqrt(np.sum(whitened.astype(np.float64) ** 2)))


def make_realisation(config: IngredientsConfig, index: int) -> Realisation:
    """Make one realisation; a function of the seed and the index alone."""
    rng = np.random.default_rng([config.seed, index])
    seconds = 28 if index % 2 else 100
    spectra = [random_psd(rng, psd(str(rng.choice(_BASES[d])))) for d in range(N_DETECTORS)]
    noises, chains = [], []
    for d, name in enumerate(DETECTORS):
        noise, taps = condition_noise(spectra[d], seconds, int(rng.integers(1 << 31)), name)
        noises.append(noise)
        chains.append(chain_response(taps))
    length = min(len(n) for n in noises)
    signals = np.zeros((config.signals, N_DETECTORS, SIGNAL_SAMPLES), np.float32)
    for k in range(config.signals):
        signals[k] = _signal(rng, chains)
    snrs = np.sqrt(np.sum(signals.astype(np.float64) ** 2, axis=2))
    glitches = np.stack([
        np.stack([_glitch(rng, spectra[d], chains[d]) for _ in range(config.glitches)]) for d in range(N_DETECTORS)
    ])  # fmt: skip
    return Realisation(np.stack([n[-length:] for n in noises]), signals, snrs, glitches)


def _signal(rng: np.random.Generator, chains: list[ComplexArray]) -> Float32Array:
    """Draw a binary and return it whitened in each detector, network SNR 1, mean arrival of the first two in place."""
    parameters = draw_binary(rng, geocent_ns=1_000_000_000 * NS_PER_S + int(rng.integers(NS_PER_S)))
    arrivals = project(parameters, DETECTORS, _RATE)
    mean_ns = (arrivals["H1"].arrival_ns + arrivals["L1"].arrival_ns) // 2
    merger = mean_ns * _RATE // NS_PER_S
    out = np.stack([
        whiten(arrivals[name].samples, merger - arrivals[name].start_sample, SIGNAL_MERGER, SIGNAL_SAMPLES, chains[d])
        for d, name in enumerate(DETECTORS)
    ])  # fmt: skip
    scaled: Float32Array = out / norm_snr(out)
    return scaled


def _glitch(rng: np.random.Generator, spectrum: Psd, chain: ComplexArray) -> Float32Array:
    glitch = draw_glitch(rng, _RATE, spectrum)
    out = whiten(glitch.samples, glitch.peak_index, GLITCH_PEAK, GLITCH_SAMPLES, chain)
    scaled: Float32Array = out / max(norm_snr(out), 1e-12)
    return scaled


def bank_templates(count: int, length: int) -> Float32Array:
    """Return whitened templates to start the bank from.

    Equal masses without spin, chirp masses evenly in logarithm from 5 to 75 solar masses, whitened as one
    of three typical noises would be; cosine and sine phases are made orthonormal, so that noise gives each modulus
    the same scale.
    Shape (2 * count, length): cosines, then sines; the merger stands 24 samples (47 ms) before the end.
    """
    chains = [chain_response(condition_noise(psd(name), 72, 1, "H1")[1]) for name in ("aLIGO_O4", "aLIGO_O3", "AdV_O3")]
    cosines, sines = [], []
    for k, chirp_mass in enumerate(np.geomspace(5.0, 75.0, count)):
        chain = chains[k % len(chains)]
        mass = chirp_mass * 2**0.2
        binary = BinaryParameters.equal_mass(mass)
        waves = polarizations(binary, _RATE)
        a, b = (
            whiten(np.asarray(h), waves.merger_index, length - 24, length, chain).astype(np.float64)
            for h in (waves.hp, waves.hc)
        )
        a /= np.linalg.norm(a)
        b -= a * (a @ b)
        cosines.append(a)
        sines.append(b / np.linalg.norm(b))
    return np.array(cosines + sines, dtype=np.float32)


def load_or_make(config: IngredientsConfig, folder: Path) -> list[Realisation]:
    """Return the realisations, made by two processes the first time and read from ``folder`` afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [k for k in range(config.realisations) if not (folder / f"{k}.npz").exists()]
    if missing:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
            for done, _ in enumerate(pool.map(partial(_make_file, config, folder), missing), 1):
                if done % 20 == 0:
                    log.info("ingredients", made=done, of=len(missing))
    return [_read(folder / f"{k}.npz") for k in range(config.realisations)]


def _make_file(config: IngredientsConfig, folder: Path, index: int) -> None:
    made = make_realisation(config, index)
    np.savez(folder / f"{index}.npz", noise=made.noise, signals=made.signals, snrs=made.snrs, glitches=made.glitches)


def _read(path: Path) -> Realisation:
    with np.load(path) as kept:
        return Realisation(kept["noise"], kept["signals"], kept["snrs"], kept["glitches"])
