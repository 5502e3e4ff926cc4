"""Conditioning: whitened noise is white, loud transients leave the PSD alone, gaps blind it for one second."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from stream.condition import LATENCY_S, Conditioner
from stream.condition.frontend import FrontEnd
from stream.condition.psd import RollingMedianPsd, median_bias
from stream.condition.whitening import minimum_phase_fir
from stream.records import Segment
from stream.settings import ConditionSettings
from stream.timebase import HOP_NS, NS_PER_S

RATE = 4096
START_NS = 1_126_259_446 * NS_PER_S


def coloured(seconds: int, seed: int = 1) -> np.ndarray:
    """Noise of a detector-like slope, strain of order 1e-23 per root hertz at 100 Hz, with a line at 60 Hz."""
    rng = np.random.default_rng(seed)
    n = seconds * RATE
    frequency = np.fft.rfftfreq(n, 1 / RATE)
    asd = 1e-23 * np.sqrt((np.maximum(frequency, 8.0) / 60.0) ** -8 + 1 + (frequency / 300.0) ** 2)
    white = rng.standard_normal(n)
    noise = np.fft.irfft(np.fft.rfft(white) * asd * np.sqrt(RATE / 2), n)
    return noise + 3e-22 * np.sin(2 * np.pi * 60.0 * np.arange(n) / RATE)


def run(
    samples: np.ndarray, valid: np.ndarray | None = None, hops: int = 16
) -> tuple[np.ndarray, np.ndarray, Conditioner]:
    """Condition samples in segments of ``hops`` hops."""
    conditioner = Conditioner("H1", ConditionSettings())
    per_hop = RATE // 16
    n_hops = len(samples) // per_hop
    flags = np.ones(n_hops, np.bool_) if valid is None else valid
    outputs = []
    for k in range(0, n_hops, hops):
        stop = min(n_hops, k + hops)
        piece = samples[k * per_hop : stop * per_hop] * np.repeat(flags[k:stop], per_hop)
        outputs.append(conditioner.step(Segment("H1", START_NS + k * HOP_NS, RATE, piece, flags[k:stop])))
    return (
        np.concatenate([o.samples for o in outputs]),
        np.concatenate([o.valid for o in outputs]),
        conditioner,
    )


def test_whitened_noise_has_unit_variance_and_a_flat_spectrum() -> None:
    whitened, valid, _ = run(coloured(160))
    late = whitened[80 * 2048 :]
    assert valid[9 * 16 :].all()
    assert late.std() == pytest.approx(1.0, abs=0.03)
    frequency, psd = signal.welch(late, 2048, nperseg=2048)
    for low, high in ((25, 50), (70, 120), (120, 300), (300, 700)):
        band = psd[(frequency >= low) & (frequency < high)].mean()
        assert band == pytest.approx(psd[(frequency > 100) & (frequency < 700)].mean(), rel=0.1)


def test_the_psd_is_usable_after_eight_seconds_with_variance_within_a_few_per_cent() -> None:
    whitened, valid, _ = run(coloured(20))
    first = int(np.flatnonzero(valid)[0])
    assert first <= 9 * 16
    assert whitened[first * 128 : 16 * 2048].std() == pytest.approx(1.0, abs=0.06)


def test_a_loud_transient_moves_the_psd_by_less_than_a_few_per_cent() -> None:
    quiet = coloured(64)
    loud = quiet.copy()
    loud[40 * RATE : 40 * RATE + 400] += 1e-19 * np.hanning(400) * np.sin(np.arange(400) * 0.3)
    _, _, clean = run(quiet)
    _, _, hit = run(loud)
    ratio = hit.psd()[30:700] / clean.psd()[30:700]
    assert np.abs(np.median(ratio) - 1) < 0.05


def test_after_a_gap_output_is_valid_again_one_second_later_and_the_psd_is_kept() -> None:
    flags = np.ones(60 * 16, np.bool_)
    flags[30 * 16 : 35 * 16] = False
    whitened, valid, _ = run(coloured(60), flags)
    assert not valid[30 * 16 : 36 * 16].any()
    assert valid[36 * 16 :].all()
    assert valid[9 * 16 : 30 * 16].all()
    after = whitened[36 * 2048 : 38 * 2048]
    assert after.std() == pytest.approx(1.0, abs=0.1)
    assert np.abs(after).max() < 6
    assert not whitened[30 * 2048 : 36 * 2048].any()


def test_latency_of_a_whitened_chirp_is_below_what_is_stated() -> None:
    """An inspiral up to 250 Hz peaks later than under zero-phase whitening by at most ``LATENCY_S``."""
    noise = coloured(64)
    left_s = np.maximum(1.0 - 0.5 - np.arange(RATE) / RATE, 0.0)
    # Newtonian chirp (Maggiore, Gravitational Waves, eq. 4.20): f = 151 Hz (M_sun / Mc)^(5/8) (1 s / left)^(3/8).
    frequency_hz = 151.0 * 28.0 ** (-5 / 8) * np.maximum(left_s, 1e-4) ** -0.375
    rise = np.clip(np.arange(RATE) / 800, 0.0, 1.0)
    chirp = 1e-21 * (frequency_hz / 100) ** (2 / 3) * np.sin(2 * np.pi * np.cumsum(frequency_hz) / RATE)
    chirp *= rise * (frequency_hz < 250) * (left_s > 0)
    quiet, _, _ = run(noise)
    noisy = noise.copy()
    noisy[50 * RATE : 51 * RATE] += chirp * 1e-3  # too weak to move the PSD
    response = (run(noisy)[0] - quiet)[49 * 2048 : 53 * 2048] * 1e3
    _, _, conditioner = run(noise)
    spectrum = np.fft.rfft(chirp[::2], 4 * 2048)
    frequency = np.fft.rfftfreq(4 * 2048, 1 / 2048)
    asd = np.sqrt(np.interp(frequency, np.arange(1025), conditioner.psd()))
    zero_phase = np.fft.irfft(np.where((frequency > 20) & (frequency < 800), spectrum / asd, 0.0))
    delay = np.argmax(np.abs(signal.hilbert(response))) / 2048 - 1.0
    expected = np.argmax(np.abs(signal.hilbert(zero_phase))) / 2048
    assert -0.002 <= delay - expected <= LATENCY_S


def test_both_rates_give_the_same_band_of_the_spectrum() -> None:
    """16384 Hz and 4096 Hz leave a 100 Hz tone at the same amplitude to 1 %."""
    amplitudes = []
    for rate in (4096, 16384):
        tone = 1e-21 * np.sin(2 * np.pi * 100 * np.arange(4 * rate) / rate)
        output, _ = FrontEnd(rate, 2048, 20.0).step(tone, np.ones(64, np.bool_))
        amplitudes.append(output[2 * 2048 :].std())
    assert amplitudes[1] == pytest.approx(amplitudes[0], rel=0.01)


def test_median_bias_tends_to_the_logarithm_of_two() -> None:
    assert median_bias(1) == 1.0
    assert median_bias(3) == pytest.approx(1 - 1 / 2 + 1 / 3)
    assert median_bias(10_001) == pytest.approx(np.log(2), abs=1e-4)


def test_the_filter_is_minimum_phase_and_inverts_the_spectrum() -> None:
    """Its magnitude times the ASD is flat in band, and its energy comes first."""
    frequency = np.arange(1025.0)
    psd = 1e-46 * ((np.maximum(frequency, 5.0) / 60.0) ** -8 + 1)
    taps = minimum_phase_fir(psd * 1e42, 2048, 20.0)
    response = np.abs(np.fft.rfft(taps)) * np.sqrt(psd[: len(taps) // 2 + 1] * 1e42)
    band = response[30:700]
    assert band.std() / band.mean() < 0.02
    energy = np.cumsum(taps**2) / np.sum(taps**2)
    assert energy[64] > 0.9


def test_a_kept_psd_whitens_from_the_start_after_a_restart() -> None:
    _, _, before = run(coloured(40))
    after = Conditioner("H1", ConditionSettings())
    after.restore(before.state())
    assert after.psd_ready
    np.testing.assert_allclose(after.psd(), before.psd())


def test_a_psd_of_another_rate_is_refused() -> None:
    psd = RollingMedianPsd(2048, 8, 64)
    with pytest.raises(ValueError, match="bins"):
        psd.restore(RollingMedianPsd(1024, 8, 64).state())


def segment(after_s: float, seconds: int, rate: int = RATE, *, heard: bool = True) -> Segment:
    samples = coloured(seconds)[: seconds * RATE]
    samples = samples if rate == RATE else np.repeat(samples, rate // RATE)
    start_ns = START_NS + round(after_s * 16) * HOP_NS
    return Segment("H1", start_ns, rate, samples * heard, np.full(seconds * 16, heard))


def test_a_psd_that_has_grown_too_old_in_a_silence_is_not_used() -> None:
    """It is kept through a short silence; after one longer than the limit the detector is deaf until a new one."""
    _, _, conditioner = run(coloured(20))
    conditioner.step(segment(20, 60, heard=False))
    assert conditioner.psd_ready
    for k in range(1, 61):
        conditioner.step(segment(20 + 60 * k, 60, heard=False))
    assert not conditioner.psd_ready
    assert conditioner.step(segment(20 + 61 * 60, 16)).valid.nonzero()[0][0] >= 8 * 16
    assert conditioner.psd_ready


def test_a_psd_that_has_grown_too_old_in_a_jump_is_not_used() -> None:
    _, _, conditioner = run(coloured(20))
    assert not conditioner.step(segment(20 + 7200, 4)).valid.any()
    assert not conditioner.psd_ready


def test_a_psd_does_not_outlive_a_change_of_rate() -> None:
    """A rate that nothing was heard at, as of a detector that is still silent, is no change."""
    _, _, conditioner = run(coloured(20))
    conditioner.step(segment(20, 4, 16384, heard=False))
    assert conditioner.psd_ready
    assert not conditioner.step(segment(24, 4, 16384)).valid.any()
    assert not conditioner.psd_ready


def test_after_a_long_break_old_periodograms_serve_only_until_there_are_fresh_ones() -> None:
    """The noise is twice as loud after half an hour: the PSD says so after 16 s, not after a whole memory of 64 s."""
    psd = RollingMedianPsd(2048, 8, 64)
    rng = np.random.default_rng(4)
    for k in range(127):
        psd.add(rng.standard_normal(2048), START_NS + k * NS_PER_S // 2)
    for k in range(31):
        psd.add(2 * rng.standard_normal(2048), START_NS + 1800 * NS_PER_S + k * NS_PER_S // 2)
        if k == 29:
            assert np.median(psd.estimate()) * 1024 == pytest.approx(1.0, rel=0.6)
    assert np.median(psd.estimate()) * 1024 == pytest.approx(4.0, rel=0.1)
