"""The inner loops against plain numpy, and the fits against quadrature."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from scipy.special import i0e

from pipelines.evaluate.skymap_injections import inject, make_series
from stream.localize import compiled as compiled_module
from stream.localize.ansatz import from_moments, to_moments
from stream.localize.arrival import Arrival, prepare
from stream.localize.heard import bandwidth_rad_s, checked
from stream.localize.kernel import exponential, pixels
from stream.localize.orientations import LANES, orientations
from stream.localize.radial import fit, moments, quadrature
from stream.localize.triangulate import directions
from stream.types import ComplexArray, FloatArray

POLARIZATIONS, INCLINATIONS = 4, 6


def radial_twin(p: float, b: FloatArray) -> FloatArray:
    """ln of the integral over distance, and the mean of r and r^2, shape (3, len(b)): trapezoids in ln r."""
    log_r = np.linspace(np.log(1e-3), 0.0, 3_001)
    r = np.exp(log_r)
    exponent = -np.square(p / r) + b[:, None] / r
    top = exponent.max(axis=1, keepdims=True)
    value = r**3 * i0e(b[:, None] / r) * np.exp(exponent - top)
    total = np.trapezoid(value, log_r)
    first, second = (np.trapezoid(value * r**k, log_r) / total for k in (1, 2))
    return np.stack((np.log(total) + top[:, 0], first, second))


def heard_twin(direction: FloatArray, arrival: Arrival, time_s: FloatArray) -> ComplexArray:
    """What each detector has when the wave is at the reference, shape (n_detectors, times)."""
    grid = arrival.first_s + np.arange(arrival.real.shape[1]) / arrival.rate_hz
    delay = -arrival.offset_s @ direction
    parts = [
        np.interp(time_s + t, grid, re) + 1j * np.interp(time_s + t, grid, im)
        for t, re, im in zip(delay, arrival.real, arrival.imag, strict=True)
    ]
    return np.array(parts)


def pixel_twin(direction: FloatArray, arrival: Arrival, least: float) -> FloatArray:
    """What ``pixels`` finds, as ln of the likelihood, mean r and mean r^2."""
    time_s = arrival.start_s + arrival.step_s * np.arange(arrival.steps, dtype=np.float64)
    z = heard_twin(direction, arrival, time_s)
    z = z[:, 0.5 * np.square(np.abs(z)).sum(axis=0) >= least]
    east = np.array([direction[1], -direction[0], 0.0]) / np.hypot(*direction[:2])
    north = np.cross(east, direction)
    plus = np.einsum("nij,ij->n", arrival.response, np.outer(east, east) - np.outer(north, north))
    cross = np.einsum("nij,ij->n", arrival.response, np.outer(east, north) + np.outer(north, east))
    found = []
    nodes = np.polynomial.legendre.leggauss(INCLINATIONS)
    for k in range(2 * POLARIZATIONS):  # all of them: half should be enough
        turn = np.exp(-1j * np.pi * k / POLARIZATIONS)
        turned = (plus + 1j * cross) * turn
        for u, weight in zip(*nodes, strict=True):
            a = 0.5 * (1 + u * u) * turned.real + 1j * u * turned.imag
            b = np.abs(a.conj() @ z)
            log_value, first, second = radial_twin(float(np.sqrt(0.5 * np.square(np.abs(a)).sum())), b)
            found.append((weight / (4 * POLARIZATIONS) * np.exp(log_value), first, second))
    value, first, second = np.array(found).transpose(1, 0, 2)
    return np.array([np.log(value.sum()), (value * first).sum() / value.sum(), (value * second).sum() / value.sum()])


@pytest.mark.parametrize("detectors", [("H1",), ("H1", "L1"), ("H1", "L1", "V1"), ("H1", "L1", "V1", "K1")])
def test_a_pixel_is_what_plain_numpy_makes_of_it(detectors: tuple[str, ...]) -> None:
    series = inject("nsbh", ("H1", "L1", "V1", "K1"), (7, 1)).series
    arrival = prepare(checked([s for s in series if s.detector in detectors]), 0.83).arrival
    square = 0.5 * (np.square(arrival.real) + np.square(arrival.imag))
    way = directions(np.arange(4 * 4**2, 16 * 4**2))
    best = float(square.max(axis=1).sum())
    fits = fit(float(np.sqrt(np.square(arrival.response).sum())), best - 16.0, best)
    summed, _ = pixels(way, arrival, orientations(POLARIZATIONS, INCLINATIONS), fits, best - 14.0)
    for k in np.argsort(-summed[:, 0])[:2]:
        log_value, first, second = pixel_twin(way[k], arrival, best - 14.0)
        assert np.log(summed[k, 0]) + fits.peak == pytest.approx(log_value, abs=0.01)
        assert summed[k, 1] / summed[k, 0] == pytest.approx(first, rel=2e-3)
        assert summed[k, 2] / summed[k, 0] == pytest.approx(second, rel=4e-3)


def test_the_distance_integral_is_that_of_quadrature() -> None:
    p, kappa = np.array([0.05, 0.5, 2.0, 4.0]), np.array([1.0, 16.0, 30.0])
    found = moments(p, np.sqrt(kappa), *quadrature())
    for i, one in enumerate(p):
        log_value, first, second = radial_twin(float(one), 2.0 * one * np.sqrt(kappa))
        assert found[0, i] + kappa == pytest.approx(log_value, abs=1e-3)
        assert found[1, i] * one == pytest.approx(first, rel=1e-4)
        assert found[2, i] * one**2 == pytest.approx(second, rel=1e-4)


@pytest.mark.parametrize(("low", "high"), [(0.0, 9.0), (6.0, 23.0), (400.0, 417.0), (4000.0, 4017.0)])
def test_the_fits_follow_the_integral_where_it_weighs(low: float, high: float) -> None:
    fits = fit(3.0, low, high)
    rows = np.array([40, 100, 150])
    kappa = np.linspace(low, high, 30)
    exact = moments(np.exp(fits.first + rows * fits.per_row), np.sqrt(kappa), *quadrature())
    power = ((kappa - fits.middle) / fits.half)[:, None] ** np.arange(6)
    weight = kappa + exact[0]
    weight = np.exp(weight - weight.max())
    assert np.abs((np.exp(fits.rows[rows, :6] @ power.T - exact[0]) - 1.0) * weight).max() < 0.02
    assert np.abs((fits.rows[rows, 6:10] @ power[:, :4].T / exact[1] - 1.0) * weight).max() < 0.01


def test_orientations_weigh_one_and_come_in_pairs() -> None:
    for count in ((4, 6), (5, 10), (3, 2)):
        turned = orientations(*count)
        assert turned.weight.sum() == pytest.approx(1.0)
        assert np.array_equal(turned.u[0::2], -turned.u[1::2]) or len(turned.u) % LANES == 0
        assert len(turned.u) % LANES == 0


def test_the_exponential_is_one() -> None:
    for x in (-16.0, -3.0, 0.0, 2.0):
        assert exponential(np.float32(x)) == pytest.approx(np.exp(x), rel=1e-4)


def one_more(number: int) -> int:
    return number + 1


def test_loops_are_compiled_where_no_folder_can_be_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = numba.njit

    def nowhere(**options: bool) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return made(**options)

    monkeypatch.setattr(compiled_module, "njit", nowhere)
    assert compiled_module.compiled(one_more)(2) == 3


def test_the_width_of_the_autocorrelation_is_the_bandwidth() -> None:
    series = make_series(inject("bbh", ("H1", "L1"), (7, 2)).binary, ("H1",), None, 2000).series[0]
    spectrum = np.abs(np.fft.fft(series.autocorrelation))
    frequency = np.fft.fftfreq(len(spectrum), 1.0 / series.sample_rate_hz)
    mean = (spectrum * frequency).sum() / spectrum.sum()
    wanted = 2 * np.pi * np.sqrt((spectrum * np.square(frequency - mean)).sum() / spectrum.sum())
    assert bandwidth_rad_s(series) == pytest.approx(wanted, rel=0.1)


def test_the_distance_ansatz_has_the_moments_it_is_made_of() -> None:
    mean, std = np.array([100.0, 400.0, 30.0, 1.0]), np.array([30.0, 60.0, 14.0, 2.0])
    mu, sigma, norm = from_moments(mean, std)
    r = np.linspace(0, 1000, 200_001)
    for k in range(3):
        density = norm[k] * np.square(r) * np.exp(-0.5 * np.square((r - mu[k]) / sigma[k]))
        density /= sigma[k] * np.sqrt(2 * np.pi)
        assert np.trapezoid(density, r) == pytest.approx(1.0, rel=1e-4)
        assert np.trapezoid(density * r, r) == pytest.approx(mean[k], rel=1e-4)
        assert np.sqrt(np.trapezoid(density * np.square(r - mean[k]), r)) == pytest.approx(std[k], rel=1e-3)
    assert (mu[3], sigma[3], norm[3]) == (np.inf, 1.0, 0.0)  # wider than it can be
    assert to_moments(np.array([0.0]))[2][0] == pytest.approx(0.5)
