"""Our filters are SciPy's, and nothing that the daemon needs loads SciPy's slow parts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, signal
from scipy.fft import next_fast_len

from stream import filters
from stream.condition.whitening import fast_length
from stream.denoise.fit import median_over, spread

RATES = (512, 2048, 4096, 16384)
RNG = np.random.default_rng(1)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("order", "corner_hz"), [(2, 5.0), (4, 10.0), (8, 15.0), (8, 30.0)])
def test_high_pass_is_scipys(order: int, corner_hz: float, rate: int) -> None:
    expected = signal.butter(order, corner_hz, "highpass", fs=rate, output="sos")
    np.testing.assert_allclose(filters.butterworth_highpass(order, corner_hz, rate), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rate", RATES[1:])
@pytest.mark.parametrize(("order", "share"), [(8, 0.61 / 8), (8, 0.305), (12, 0.25), (12, 1 / 16)])
def test_low_pass_is_scipys(order: int, share: float, rate: int) -> None:
    expected = signal.cheby2(order, 60.0, share * rate, "lowpass", fs=rate, output="sos")
    made = filters.chebyshev2_lowpass(order, 60.0, share * rate, rate)
    np.testing.assert_allclose(made, expected, rtol=1e-9, atol=1e-12)


def sections() -> np.ndarray:
    high = filters.butterworth_highpass(8, 15.0, 4096)
    return np.concatenate((high, filters.chebyshev2_lowpass(12, 60.0, 1024.0, 4096)))


def test_steady_state_and_response_are_scipys() -> None:
    low = filters.chebyshev2_lowpass(12, 60.0, 1024.0, 4096)
    np.testing.assert_allclose(filters.steady_state(low), signal.sosfilt_zi(low), rtol=1e-9)
    np.testing.assert_allclose(filters.steady_state(sections()), signal.sosfilt_zi(sections()), rtol=1e-9, atol=1e-12)
    frequencies = np.linspace(0.0, 2047.0, 333)
    expected = signal.sosfreqz(sections(), worN=frequencies, fs=4096)[1]
    np.testing.assert_allclose(filters.response(sections(), frequencies, 4096), expected, atol=1e-9)


@pytest.mark.parametrize("loop", [filters._load_loop(), filters._slow_to_load])
@pytest.mark.parametrize("shape", [(1000,), (3, 1000)])
def test_the_running_filter_is_scipys_in_any_pieces(
    loop: object, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "_loop", loop)
    samples = RNG.standard_normal(shape)
    state = RNG.standard_normal((len(sections()), *shape[:-1], 2))
    before = samples.copy(), state.copy()
    expected, expected_state = signal.sosfilt(sections(), samples, axis=-1, zi=state)
    first, carried = filters.run(sections(), samples[..., :300], state)
    second, carried = filters.run(sections(), samples[..., 300:], carried)
    np.testing.assert_array_equal(np.concatenate((first, second), axis=-1), expected)
    np.testing.assert_array_equal(carried, expected_state)
    np.testing.assert_array_equal(samples, before[0])
    np.testing.assert_array_equal(state, before[1])


def test_the_compiled_loop_is_the_one_in_use() -> None:
    assert filters._loop is not filters._slow_to_load


def test_fast_lengths_are_scipys() -> None:
    lengths = [1, 2, 7, 2047 + 128, 2047 + 1024, *RNG.integers(1, 100_000, 200).tolist()]
    assert [fast_length(n) for n in lengths] == [next_fast_len(n, real=True) for n in lengths]


@pytest.mark.parametrize(("n", "width"), [(800, 65), (40, 65), (3, 5)])
def test_median_over_neighbours_is_scipys(n: int, width: int) -> None:
    values = RNG.random(n)
    np.testing.assert_array_equal(median_over(values, width), ndimage.median_filter(values, width, mode="nearest"))


def test_spreading_is_scipys_dilation() -> None:
    for share in (0.0, 0.01, 0.3, 1.0):
        flags = RNG.random(500) < share
        np.testing.assert_array_equal(spread(flags, 2), ndimage.binary_dilation(flags, iterations=2))
