"""Q-scan: a burst is where it is, and noise has the energy 1."""

from __future__ import annotations

import numpy as np
import pytest
from heard import GPS_NS, RATE_HZ, START_NS, strain

from pipelines.show.qscan import qscan
from stream.timebase import NS_PER_S

TIME_S = np.linspace(2.0, 7.5, 551)
FREQUENCY_HZ = np.geomspace(20, 900, 80)


@pytest.mark.parametrize("frequency_hz", [60.0, 120.0, 400.0])
def test_a_burst_is_loudest_at_its_time_and_frequency(frequency_hz: float) -> None:
    energy = qscan(strain(frequency_hz=frequency_hz), RATE_HZ, TIME_S, FREQUENCY_HZ)
    row, column = np.unravel_index(np.argmax(energy), energy.shape)
    assert TIME_S[column] == pytest.approx((GPS_NS - START_NS) / NS_PER_S, abs=0.015)
    assert FREQUENCY_HZ[row] == pytest.approx(frequency_hz, rel=0.1)
    assert energy.max() > 50


def test_noise_has_an_energy_of_one() -> None:
    noise = np.random.default_rng(5).normal(size=8 * RATE_HZ)
    energy = qscan(noise, RATE_HZ, TIME_S, FREQUENCY_HZ)
    assert float(energy.mean()) == pytest.approx(1, abs=0.15)
    assert energy.max() < 25


def test_silence_has_no_energy() -> None:
    assert float(qscan(np.zeros(4096), RATE_HZ, TIME_S[:9] / 8, FREQUENCY_HZ).max()) == 0


def test_where_there_is_no_noise_nothing_is_made_loud() -> None:
    """Whitened strain has none above the decimation's corner: what leaks there, as at the ends, stays quiet."""
    spectrum = np.fft.rfft(np.random.default_rng(6).normal(size=8 * RATE_HZ))
    spectrum[np.fft.rfftfreq(8 * RATE_HZ, 1 / RATE_HZ) > 500] = 0
    cut = np.fft.irfft(spectrum)[: 5 * RATE_HZ + 77]
    energy = qscan(cut, RATE_HZ, np.linspace(0, 5, 501), np.geomspace(600, 900, 30))
    assert energy.max() < 10
