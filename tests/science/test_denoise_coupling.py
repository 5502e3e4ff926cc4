"""Known couplings are taken off: the mains line with its sidebands, and a broadband one; nothing gets worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import signal

from stream.denoise import DenoiseState, WitnessRegression
from stream.records import Segment, WitnessGroup
from stream.settings import DenoiseSettings
from stream.timebase import HOP_NS, HOPS_PER_S

T0 = 1_126_259_440 * HOPS_PER_S
FAST_HZ, SLOW_HZ = 512, 32
FLOOR = 1e-23  # per root hertz, near 100 Hz


@dataclass(frozen=True)
class Scene:
    """Strain with couplings, the same without them, and the witnesses."""

    rate_hz: int
    strain: np.ndarray
    clean: np.ndarray
    fast: np.ndarray
    slow: np.ndarray


def coloured(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Noise flat above 60 Hz and steep below, down to a wall at 10 Hz."""
    f = np.fft.rfftfreq(n, 1 / rate)
    shape = 1.0 + (45.0 / np.maximum(f, 8.0)) ** 6
    spectrum = np.fft.rfft(rng.standard_normal(n)) * shape * FLOOR * np.sqrt(rate / 2)
    return np.fft.irfft(spectrum, n)


def smooth(rng: np.random.Generator, n: int, rate: int, band_hz: tuple[float, float]) -> np.ndarray:
    noise = signal.sosfiltfilt(signal.butter(2, band_hz, "bandpass", fs=rate, output="sos"), rng.standard_normal(n))
    return np.asarray(noise / noise.std())


def make_scene(seed: int, duration_s: int, rate: int = 4096, *, coupled: bool = True) -> Scene:
    """60 Hz at 40 times the floor's amplitude in 1 Hz, two slow channels that modulate it, shaking at 30-90 Hz."""
    rng = np.random.default_rng(seed)
    n = duration_s * rate
    t = np.arange(n) / rate
    clean = coloured(rng, n, rate)
    phase = 2 * np.pi * 60.0 * t + 0.3 * np.interp(
        t, np.arange(duration_s + 1), np.cumsum(rng.standard_normal(duration_s + 1)) * 0.1
    )
    mains = np.cos(phase)
    slow = np.stack(
        [
            np.interp(
                t, np.arange(duration_s * SLOW_HZ) / SLOW_HZ, smooth(rng, duration_s * SLOW_HZ, SLOW_HZ, (0.1, 1.0))
            )
            for _ in range(2)
        ]
    )
    shaken = smooth(rng, n, rate, (30.0, 90.0))
    late = rate // 100

    def delay(x: np.ndarray) -> np.ndarray:
        return np.concatenate((np.zeros(late), x[:-late]))

    noise = 40 * FLOOR * delay(mains) * (1 + 0.15 * delay(slow[0]) - 0.1 * delay(slow[1])) + 12 * FLOOR * delay(shaken)
    step = rate // FAST_HZ
    fast = np.stack([mains[::step], shaken[::step], rng.standard_normal(n // step)])
    fast += 3e-3 * rng.standard_normal(fast.shape)
    return Scene(rate, clean + coupled * noise, clean, fast, slow[:, :: rate // SLOW_HZ])


def segments(scene: Scene, hops: list[int]) -> list[Segment]:
    """Cut a scene into segments of the given lengths, in hops, repeated to its end."""
    total = len(scene.strain) * HOPS_PER_S // scene.rate_hz
    made, start, i = [], 0, 0
    while start < total:
        stop = min(total, start + hops[i % len(hops)])

        def cut(x: np.ndarray, rate: int, a: int = start, b: int = stop) -> np.ndarray:
            return x[..., a * rate // HOPS_PER_S : b * rate // HOPS_PER_S]

        groups = (
            WitnessGroup(FAST_HZ, ("H1:MAINS", "H1:SEIS", "H1:DUST"), cut(scene.fast, FAST_HZ).astype(np.float32)),
            WitnessGroup(SLOW_HZ, ("H1:ASC-1", "H1:ASC-2"), cut(scene.slow, SLOW_HZ).astype(np.float32)),
        )
        valid = np.ones(stop - start, dtype=np.bool_)
        made.append(
            Segment("H1", (T0 + start) * HOP_NS, scene.rate_hz, cut(scene.strain, scene.rate_hz), valid, groups)
        )
        start, i = stop, i + 1
    return made


def clean(scene: Scene, hops: list[int]) -> tuple[np.ndarray, DenoiseState]:
    denoise = WitnessRegression(DenoiseSettings(bilinear=(("*:MAINS", "*:ASC-*"),)))
    return np.concatenate([denoise.step(s).samples for s in segments(scene, hops)]), denoise.state


def asd_ratio(after: np.ndarray, before: np.ndarray, rate: int, skip_s: int) -> tuple[np.ndarray, np.ndarray]:
    f, a = signal.welch(after[skip_s * rate :], rate, nperseg=2 * rate)
    _, b = signal.welch(before[skip_s * rate :], rate, nperseg=2 * rate)
    return f, np.sqrt(a / b)


@pytest.mark.parametrize("rate", [4096, 16384])
def test_line_sidebands_and_broadband_are_taken_off_and_nothing_gets_worse(rate: int) -> None:
    """The ASD at 60 Hz falls to a tenth or less, its sidebands with it, and nowhere in 20-1000 Hz does it rise 5 %."""
    scene = make_scene(1, 96 if rate == 4096 else 64, rate)
    cleaned, state = clean(scene, [16])
    assert state.active
    f, ratio = asd_ratio(cleaned, scene.strain, rate, 32)
    band = (f >= 20) & (f <= 1000)
    assert ratio[f == 60.0][0] <= 0.1
    assert ratio[band].max() <= 1.05
    _, left = asd_ratio(cleaned, scene.clean, rate, 32)
    assert left[(f >= 40) & (f <= 80)].max() <= 1.6


def test_witnesses_without_coupling_do_no_harm() -> None:
    """Uncoupled witnesses leave strain as it is, to a percent anywhere in the band."""
    scene = make_scene(2, 64, coupled=False)
    cleaned, _ = clean(scene, [16])
    f, ratio = asd_ratio(cleaned, scene.strain, scene.rate_hz, 8)
    band = (f >= 20) & (f <= 1000)
    assert np.abs(ratio[band] - 1).max() <= 0.01
