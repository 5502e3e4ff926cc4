"""The inner loops: what each pixel's likelihood is, and what it is at most.

For a source in direction n with polarisation psi and cosine of inclination u, detector d sees the complex amplitude
``a_d = (1 + u^2) F+_d / 2 + i u Fx_d`` times its SNR at the edge. Per time, orientation and pixel::

    b = |sum_d conj(a_d) z_d(t_d)|,    p^2 = sum_d |a_d|^2 / 2,    kappa = b^2 / (4 p^2)
    likelihood = exp(kappa + G(p, kappa)),  G from ``radial``

Half of the polarisations suffice: with psi + 90 degrees every a_d only changes its sign. u and -u share p and four sums
over detectors. Sums over time are float32, in loops that vectorise (hence an exponential made of products alone);
those over orientations float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream.localize.arrival import Arrival
from stream.localize.compiled import compiled
from stream.localize.radial import DEGREE, Fits
from stream.types import Float32Array, FloatArray


class Orientations(NamedTuple):
    """Orientations that are summed over.

    Attributes
    ----------
    cos_twopsi, sin_twopsi : array of float64, shape (n,)
        Twice the polarisation, evenly over half a turn.
    u, weight : array of float64, shape (m,)
        Positive cosines of the inclination, and what each counts; it stands for its negative too.
    """

    cos_twopsi: FloatArray
    sin_twopsi: FloatArray
    u: FloatArray
    weight: FloatArray


def orientations(polarizations: int, inclinations: int) -> Orientations:
    """Return evenly spaced polarisations, and Gauss-Legendre nodes (an even number) in the cosine of inclination."""
    twopsi = np.pi * np.arange(polarizations) / polarizations
    node, weight = np.polynomial.legendre.leggauss(inclinations)
    return Orientations(np.cos(twopsi), np.sin(twopsi), node[node > 0].copy(), weight[node > 0] / (2.0 * polarizations))


@compiled
def antenna(direction: FloatArray, response: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return F+ and Fx of each detector, at polarisation zero, for a source in a direction (a unit vector)."""
    x, y, z = direction[0], direction[1], direction[2]
    across = max(np.sqrt(x * x + y * y), 1e-12)
    sin_ra, cos_ra = y / across, x / across
    count = response.shape[0]
    plus, cross = np.zeros(count), np.zeros(count)
    first = (sin_ra, -cos_ra, 0.0)
    second = (-cos_ra * z, -sin_ra * z, across)
    for d in range(count):
        for i in range(3):
            for j in range(3):
                plus[d] += response[d, i, j] * (first[i] * first[j] - second[i] * second[j])
                cross[d] += response[d, i, j] * (first[i] * second[j] + second[i] * first[j])
    return plus, cross


@compiled
def hear(
    direction: FloatArray, arrival: Arrival, least: float, real: Float32Array, imag: Float32Array
) -> tuple[int, float]:
    """Fill in what the detectors have, (n, times), for the times at which all together have at least half squared SNR.

    Returns how many times there are, and the most that there is.
    """
    count = arrival.real.shape[0]
    place = np.empty(count)
    for d in range(count):
        delay = 0.0
        for i in range(3):
            delay -= arrival.offset_s[d, i] * direction[i]
        place[d] = (arrival.start_s + delay - arrival.first_s) * arrival.rate_hz
    per_step = arrival.step_s * arrival.rate_hz
    used, most = 0, 0.0
    for k in range(arrival.steps):
        half_square = 0.0
        for d in range(count):
            at = place[d] + k * per_step
            base = int(at)
            part = np.float32(at - base)
            zr = arrival.real[d, base] + part * (arrival.real[d, base + 1] - arrival.real[d, base])
            zi = arrival.imag[d, base] + part * (arrival.imag[d, base + 1] - arrival.imag[d, base])
            real[d, used] = zr
            imag[d, used] = zi
            half_square += 0.5 * (zr * zr + zi * zi)
        most = max(most, half_square)
        if half_square >= least:
            used += 1
    return used, most


@compiled
def pixels(
    directions: FloatArray, arrival: Arrival, turned: Orientations, fits: Fits, least: float
) -> tuple[FloatArray, FloatArray]:
    """Return the likelihood of each pixel, integrated over distance, orientation and time, and the best fits.

    Parameters
    ----------
    directions : array of float64, shape (n, 3)
        Unit vectors, right ascension zero first.
    arrival : Arrival
    turned : Orientations
    fits : Fits
    least : float
        Times at which the detectors together have less half squared SNR are passed over.

    Returns
    -------
    summed : array of float64, shape (n, 3)
        Likelihood (times exp(-fits.peak), and per step of time), and its product with r and r^2 in units of the edge.
    best : array of float64, shape (n, 2)
        Largest kappa, and the largest half squared SNR of all detectors together.
    """
    n, count, steps = directions.shape[0], arrival.real.shape[0], arrival.steps
    summed, best = np.zeros((n, 3)), np.zeros((n, 2))
    real, imag = np.empty((count, steps + 1), np.float32), np.empty((count, steps + 1), np.float32)
    sums = np.empty((4, steps + 1), np.float32)
    co = np.empty(3 * (DEGREE + 1), np.float32)
    rows_last = fits.rows.shape[0] - 2
    middle, half, peak = np.float32(fits.middle), np.float32(1.0 / fits.half), np.float32(fits.peak)
    one, lowest = np.float32(1.0), np.float32(-60.0)
    for i in range(n):
        used, best[i, 1] = hear(directions[i], arrival, least, real, imag)
        if used == 0:
            continue
        plus0, cross0 = antenna(directions[i], arrival.response)
        largest = np.float32(0.0)
        for q in range(turned.cos_twopsi.shape[0]):
            c, s = turned.cos_twopsi[q], turned.sin_twopsi[q]
            plus = c * plus0 + s * cross0
            cross = c * cross0 - s * plus0
            for j in range(turned.u.shape[0]):
                u = turned.u[j]
                even = 0.5 * (1.0 + u * u)
                square = 0.0
                for d in range(count):
                    square += (even * plus[d]) ** 2 + (u * cross[d]) ** 2
                p = np.sqrt(0.5 * square)
                place = min(max((np.log(max(p, 1e-30)) - fits.first) / fits.per_row, 0.0), rows_last + 0.999)
                row = int(place)
                part = np.float32(place - row)
                for m in range(3 * (DEGREE + 1)):
                    co[m] = fits.rows[row, m] + part * (fits.rows[row + 1, m] - fits.rows[row, m])
                scale = 0.5 / max(p, 1e-30)
                for k in range(used):
                    sums[0, k] = sums[1, k] = sums[2, k] = sums[3, k] = 0.0
                for d in range(count):
                    fp, fx = np.float32(scale * even * plus[d]), np.float32(scale * u * cross[d])
                    for k in range(used):
                        sums[0, k] += fp * real[d, k]
                        sums[1, k] += fx * imag[d, k]
                        sums[2, k] += fp * imag[d, k]
                        sums[3, k] += fx * real[d, k]
                total = mean = second = np.float32(0.0)
                for k in range(used):
                    a, b, e, f = sums[0, k], sums[1, k], sums[2, k], sums[3, k]
                    for sign in (one, -one):
                        kappa = (a + sign * b) ** 2 + (e - sign * f) ** 2
                        largest = max(largest, kappa)
                        x = min(max((kappa - middle) * half, -one), one)
                        g = co[0] + x * (co[1] + x * (co[2] + x * (co[3] + x * (co[4] + x * co[5]))))
                        r1 = co[6] + x * (co[7] + x * (co[8] + x * (co[9] + x * (co[10] + x * co[11]))))
                        r2 = co[12] + x * (co[13] + x * (co[14] + x * (co[15] + x * (co[16] + x * co[17]))))
                        w = exponential(max(kappa + g - peak, lowest))
                        total += w
                        mean += w * r1
                        second += w * r2
                summed[i, 0] += turned.weight[j] * total
                summed[i, 1] += turned.weight[j] * p * mean
                summed[i, 2] += turned.weight[j] * p * p * second
        best[i, 0] = largest
    return summed, best


@compiled
def exponential(x: np.float32) -> np.float32:
    """Return exp(x), -60 <= x < 10, of products alone: the 64th power of a polynomial; to 1e-5 above -16."""
    y = x * np.float32(1.0 / 64.0)
    e = np.float32(1.0) + y * (
        np.float32(1.0)
        + y
        * (
            np.float32(1 / 2)
            + y * (np.float32(1 / 6) + y * (np.float32(1 / 24) + y * (np.float32(1 / 120) + y * np.float32(1 / 720))))
        )
    )
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    return e * e


@compiled
def bounds(directions: FloatArray, arrival: Arrival, power: Float32Array) -> FloatArray:
    """Return the most that the half squared SNR of all detectors together can be for each pixel, shape (n,).

    ``power``, shape (n_detectors, m), is that of each on the fine grid, the maximum within half a pixel's light time.
    """
    out = np.zeros(directions.shape[0])
    count = power.shape[0]
    place = np.empty(count)
    per_step = arrival.step_s * arrival.rate_hz
    for i in range(directions.shape[0]):
        for d in range(count):
            delay = 0.0
            for j in range(3):
                delay -= arrival.offset_s[d, j] * directions[i, j]
            place[d] = (arrival.start_s + delay - arrival.first_s) * arrival.rate_hz + 0.5
        most = np.float32(0.0)
        for k in range(arrival.steps):
            total = np.float32(0.0)
            for d in range(count):
                total += power[d, int(place[d] + k * per_step)]
            most = max(most, total)
        out[i] = most
    return out


@compiled
def window(directions: FloatArray, arrival: Arrival, power: Float32Array, least: float) -> tuple[int, int]:
    """Return the first and last step at which any of the pixels can have half a squared SNR; -1 and -1 if none has."""
    first, last = -1, -1
    count = power.shape[0]
    place = np.empty(count)
    per_step = arrival.step_s * arrival.rate_hz
    for i in range(directions.shape[0]):
        for d in range(count):
            delay = 0.0
            for j in range(3):
                delay -= arrival.offset_s[d, j] * directions[i, j]
            place[d] = (arrival.start_s + delay - arrival.first_s) * arrival.rate_hz + 0.5
        for k in range(arrival.steps):
            if first <= k <= last:
                continue
            total = np.float32(0.0)
            for d in range(count):
                total += power[d, int(place[d] + k * per_step)]
            if total >= least:
                first = k if first < 0 else min(first, k)
                last = max(last, k)
    return first, last
