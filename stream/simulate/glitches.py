"""Glitches: transients of instrumental origin, in the families of Gravity Spy.

Waveforms are simple physical or phenomenological forms with drawn parameters (Zevin et al., Class. Quantum Grav. 34,
064003 (2017), table 1 describes the families); relative rates are Gravity Spy's counts in O3a at L1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stream.simulate.psds import Psd
from stream.types import FloatArray


@dataclass(frozen=True, slots=True)
class Glitch:
    """A glitch of given optimal SNR: strain of shape (n,), and the sample of its peak."""

    family: str
    samples: FloatArray
    peak_index: int
    snr: float


def _sine_gaussian(t: FloatArray, f_hz: float, tau_s: float, phase: float) -> FloatArray:
    wave: FloatArray = np.exp(-((t / tau_s) ** 2)) * np.cos(2 * np.pi * f_hz * t + phase)
    return wave


def _blip(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    f = rng.uniform(80, 350)
    return _sine_gaussian(t, f, rng.uniform(0.3, 1.0) / f, rng.uniform(0, 2 * np.pi))


def _low_frequency_blip(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    f = rng.uniform(25, 80)
    return _sine_gaussian(t, f, rng.uniform(0.4, 1.2) / f, rng.uniform(0, 2 * np.pi))


def _tomte(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    f = rng.uniform(30, 90)
    tau = rng.uniform(0.3, 0.7) / f
    wave = _sine_gaussian(t, f, tau, rng.uniform(0, 2 * np.pi))
    return wave + 0.4 * _sine_gaussian(t - tau, 1.8 * f, 0.6 * tau, rng.uniform(0, 2 * np.pi))


def _koi_fish(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    return _blip(rng, t) + rng.uniform(0.5, 2.0) * _low_frequency_blip(rng, t - rng.uniform(-0.01, 0.01))


def _scattered_light(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    """Fringes of a scatterer that swings: f(t) = f_max |cos(pi t / period)| (Accadia et al., CQG 27, 194011)."""
    period, f_max = rng.uniform(0.25, 1.0), rng.uniform(25, 90)
    phase = 2 * f_max * period * np.sin(np.pi * np.clip(t / period, -0.5, 0.5))
    window = np.where(np.abs(t) < period / 2, np.cos(np.pi * t / period) ** 2, 0.0)
    wave: FloatArray = window * np.sin(phase + rng.uniform(0, 2 * np.pi))
    return wave


def _fast_scattering(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    spacing = rng.uniform(0.2, 0.3)
    wave = np.zeros_like(t)
    for k in range(-2, 3):
        wave += rng.uniform(0.3, 1.0) * _sine_gaussian(t - k * spacing, rng.uniform(20, 60), 0.06, rng.uniform(0, 6.3))
    return wave


def _whistle(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    rate, f0 = rng.uniform(-4000, 4000), rng.uniform(150, 600)
    frequency = f0 + rate * t**2 / 0.1
    inside = (np.abs(t) < rng.uniform(0.05, 0.2)) & (np.abs(frequency) < 800)
    wave: FloatArray = inside * np.hanning(len(t)) * np.sin(2 * np.pi * (f0 * t + rate * t**3 / 0.3))
    return wave


def _low_frequency_burst(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    return _sine_gaussian(t, rng.uniform(12, 30), rng.uniform(0.05, 0.3), rng.uniform(0, 2 * np.pi))


def _extremely_loud(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    """A saturation: a step that decays."""
    wave: FloatArray = np.where(t > 0, np.exp(-np.maximum(t, 0) / rng.uniform(0.002, 0.03)), 0.0)
    return wave


def _ripples_1400(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    carrier = np.sin(2 * np.pi * rng.uniform(500, 800) * t)
    wave: FloatArray = np.exp(-((t / 0.05) ** 2)) * carrier * (1 + np.sin(2 * np.pi * rng.uniform(10, 40) * t))
    return wave


def _power_line(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    return _sine_gaussian(t, 60.0, rng.uniform(0.03, 0.25), rng.uniform(0, 2 * np.pi))


def _repeating_blips(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    spacing = rng.uniform(0.1, 0.25)
    return np.asarray(sum(_blip(rng, t - k * spacing) for k in (-1, 0, 1)), dtype=np.float64)


def _wandering_line(rng: np.random.Generator, t: FloatArray) -> FloatArray:
    f, sweep = rng.uniform(30, 300), rng.uniform(-60, 60)
    wave: FloatArray = np.exp(-((t / 0.3) ** 2)) * np.sin(2 * np.pi * (f * t + sweep * t**2))
    return wave


_Family = Callable[[np.random.Generator, FloatArray], FloatArray]
# Gravity Spy labels in O3a at L1 (counts); the rare families are raised to 300 so that a network meets them.
FAMILIES: dict[str, tuple[_Family, int]] = {
    "Fast_Scattering": (_fast_scattering, 21378),
    "Tomte": (_tomte, 18688),
    "Blip_Low_Frequency": (_low_frequency_blip, 7530),
    "Scattered_Light": (_scattered_light, 5337),
    "Extremely_Loud": (_extremely_loud, 4302),
    "Koi_Fish": (_koi_fish, 4255),
    "1400Ripples": (_ripples_1400, 2363),
    "Blip": (_blip, 1943),
    "Power_Line": (_power_line, 1189),
    "Low_Frequency_Burst": (_low_frequency_burst, 1180),
    "Whistle": (_whistle, 636),
    "Repeating_Blips": (_repeating_blips, 300),
    "Wandering_Line": (_wandering_line, 300),
}


def glitch_waveform(family: str, rng: np.random.Generator, sample_rate_hz: int) -> tuple[FloatArray, int]:
    """Return a waveform of unit norm over 2 s and the index of its peak."""
    t = (np.arange(2 * sample_rate_hz) - sample_rate_hz) / sample_rate_hz
    wave = FAMILIES[family][0](rng, t) * np.hanning(len(t)) ** 0.1
    return wave / np.linalg.norm(wave), int(np.argmax(np.abs(wave)))


def optimal_snr(samples: FloatArray, psd: Psd, sample_rate_hz: int, low_frequency_hz: float = 20.0) -> float:
    """Return sqrt(4 integral |h|^2 / S df) above ``low_frequency_hz``."""
    spectrum = np.fft.rfft(samples) / sample_rate_hz
    frequency = np.fft.rfftfreq(len(samples), 1.0 / sample_rate_hz)
    band = frequency >= low_frequency_hz
    df = frequency[1]
    return float(np.sqrt(4 * df * np.sum(np.abs(spectrum[band]) ** 2 / psd.at(frequency[band]))))


def draw_glitch(rng: np.random.Generator, sample_rate_hz: int, psd: Psd) -> Glitch:
    """Draw a family by its rate, a waveform, and an SNR from a power law of index -3 between 5 and 200."""
    names = list(FAMILIES)
    counts = np.array([count for _, count in FAMILIES.values()], dtype=np.float64)
    # Square root: common families would otherwise drown the ones that look like signals.
    weights = np.sqrt(counts) / np.sqrt(counts).sum()
    family = str(rng.choice(names, p=weights))
    wave, peak = glitch_waveform(family, rng, sample_rate_hz)
    u = rng.random()
    snr = float((5.0**-2 + u * (200.0**-2 - 5.0**-2)) ** -0.5)
    return Glitch(family, wave * snr / optimal_snr(wave, psd, sample_rate_hz), peak, snr)
