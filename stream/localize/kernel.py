"""The inner loops: what each pixel's likelihood is.

For a source in direction n with polarisation psi and cosine of inclination u, detector d sees the complex amplitude
``a_d = (1 + u^2) F+_d / 2 + i u Fx_d`` times its SNR at the edge. Per time, orientation and pixel::

    b = |sum_d conj(a_d) z_d(t_d)|,    p^2 = sum_d |a_d|^2 / 2,    kappa = b^2 / (4 p^2)
    likelihood = exp(kappa + G(p, kappa)),  G from ``radial``

Half of the polarisations suffice: with psi + 90 degrees every a_d only changes its sign. u and -u share p and four sums
over detectors. Sums over time are float32, in loops that vectorise (hence an exponential made of products alone);
those over orientations float64.
"""

from __future__ import annotations

import numpy as np

from stream.localize.arrival import Arrival
from stream.localize.compiled import compiled
from stream.localize.orientations import LANES, Orientations
from stream.localize.radial import COEFFICIENTS, Fits
from stream.types import Float32Array, FloatArray

TIMES_CUT = 12.0
"""Log-likelihood below a pixel's best time at which other times of it are left out."""

P = COEFFICIENTS
SUM = P + 1
RE = SUM + 4
SEEN = RE + 2
"""Rows of the work array, after the coefficients: p, the four results, the sums over detectors, what detectors see."""


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
def hear(direction: FloatArray, arrival: Arrival, least: float, heard: Float32Array, kept: Float32Array) -> int:
    """Fill in what the detectors have at the times at which all together have enough: half a squared SNR, or the cut.

    ``heard`` has the shape (2 n_detectors + 1, times): real and imaginary parts, and half the squared SNR; ``kept``
    (times, 2 n_detectors) gets those that count. Returns how many there are.
    """
    count, steps = arrival.real.shape[0], arrival.steps
    per_step = np.float32(arrival.step_s * arrival.rate_hz)
    for k in range(steps):
        heard[2 * count, k] = 0.0
    for d in range(count):
        delay = 0.0
        for i in range(3):
            delay -= arrival.offset_s[d, i] * direction[i]
        begin = (arrival.start_s + delay - arrival.first_s) * arrival.rate_hz
        whole = int(begin)
        rest = np.float32(begin - whole)
        for k in range(steps):
            at = rest + np.float32(k) * per_step
            base = np.int32(at)
            part = at - np.float32(base)
            zr = arrival.real[d, whole + base]
            zi = arrival.imag[d, whole + base]
            zr += part * (arrival.real[d, whole + base + 1] - zr)
            zi += part * (arrival.imag[d, whole + base + 1] - zi)
            heard[2 * d, k] = zr
            heard[2 * d + 1, k] = zi
            heard[2 * count, k] += zr * zr + zi * zi
    most = np.float32(0.0)
    for k in range(steps):
        most = max(most, heard[2 * count, k])
    used, twice = 0, max(np.float32(2.0 * least), most - np.float32(2.0 * TIMES_CUT))
    for k in range(steps):
        if heard[2 * count, k] >= twice:
            for d in range(2 * count):
                kept[used, d] = heard[d, k]
            used += 1
    return used


@compiled
def orient(direction: FloatArray, arrival: Arrival, turned: Orientations, fits: Fits, work: Float32Array) -> None:
    """Fill in each orientation's p and coefficients of the distance integral, and what each detector sees of it.

    ``work`` has the shape (orientations / LANES, rows, LANES), the rows as named above; what detectors see is
    a_d / (2 p), real and imaginary part.
    """
    plus0, cross0 = antenna(direction, arrival.response)
    last = fits.rows.shape[0] - 1.001
    for q in range(0, turned.u.shape[0], 2):
        v, m = q // LANES, q % LANES
        c, s, u = turned.cos_twopsi[q], turned.sin_twopsi[q], turned.u[q]
        even = 0.5 * (1.0 + u * u)
        square = 1e-60
        for d in range(plus0.shape[0]):
            square += (even * (c * plus0[d] + s * cross0[d])) ** 2 + (u * (c * cross0[d] - s * plus0[d])) ** 2
        p = np.sqrt(0.5 * square)
        for d in range(plus0.shape[0]):
            a = np.float32(0.5 / p * even * (c * plus0[d] + s * cross0[d]))
            b = np.float32(0.5 / p * u * (c * cross0[d] - s * plus0[d]))
            work[v, SEEN + 2 * d, m] = work[v, SEEN + 2 * d, m + 1] = a
            work[v, SEEN + 2 * d + 1, m] = b
            work[v, SEEN + 2 * d + 1, m + 1] = -b
        place = min(max((np.log(p) - fits.first) / fits.per_row, 0.0), last)
        row = int(place)
        part = np.float32(place - row)
        for j in range(COEFFICIENTS):
            value = fits.rows[row, j] + part * (fits.rows[row + 1, j] - fits.rows[row, j])
            work[v, j, m] = work[v, j, m + 1] = value
        work[v, P, m] = work[v, P, m + 1] = np.float32(p)


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
    best : array of float64, shape (n,)
        Largest kappa.
    """
    n, count, many = directions.shape[0], arrival.real.shape[0], turned.u.shape[0]
    summed, best = np.zeros((n, 3)), np.zeros(n)
    heard = np.empty((2 * count + 1, arrival.steps), np.float32)
    kept = np.empty((arrival.steps, 2 * count), np.float32)
    work = np.zeros((many // LANES, SEEN + 2 * count, LANES), np.float32)
    for i in range(n):
        used = hear(directions[i], arrival, least, heard, kept)
        if used == 0:
            continue
        orient(directions[i], arrival, turned, fits, work)
        sum_times(used, kept, fits, work.reshape(-1))
        for q in range(many):
            v, m = q // LANES, q % LANES
            p, weight = float(work[v, P, m]), turned.weight[q]
            summed[i, 0] += weight * work[v, SUM, m]
            summed[i, 1] += weight * p * work[v, SUM + 1, m]
            summed[i, 2] += weight * p * p * work[v, SUM + 2, m]
            best[i] = max(best[i], work[v, SUM + 3, m])
    return summed, best


@compiled
def add_detector(w: Float32Array, row: int, zr: np.float32, zi: np.float32) -> None:
    """Add conj(a_d) z_d of one detector; ``row`` is a constant where this is called, and known when it is compiled."""
    for m in range(LANES):
        w[m + RE * LANES] += w[m + row * LANES] * zr + w[m + (row + 1) * LANES] * zi
        w[m + (RE + 1) * LANES] += w[m + row * LANES] * zi - w[m + (row + 1) * LANES] * zr


@compiled
def sum_times(used: int, kept: Float32Array, fits: Fits, work: Float32Array) -> None:
    """Fill in, for each orientation, the sums over times of likelihood and moments, and the largest kappa.

    All that the loops over lanes touch is in one flat array at fixed distances: else they would not be vectorised, and
    each number would take four times as long.
    """
    middle, per_half, peak = np.float32(fits.middle), np.float32(1.0 / fits.half), np.float32(fits.peak)
    one, lowest = np.float32(1.0), np.float32(-60.0)
    count = kept.shape[1] // 2
    rows = SEEN + 2 * count
    for first in range(0, len(work), rows * LANES):
        w = work[first : first + rows * LANES]
        for m in range(4 * LANES):
            w[m + SUM * LANES] = 0.0
        for k in range(used):
            for m in range(LANES):
                w[m + RE * LANES] = w[m + SEEN * LANES] * kept[k, 0] + w[m + (SEEN + 1) * LANES] * kept[k, 1]
                w[m + (RE + 1) * LANES] = w[m + SEEN * LANES] * kept[k, 1] - w[m + (SEEN + 1) * LANES] * kept[k, 0]
            if count > 1:
                add_detector(w, SEEN + 2, kept[k, 2], kept[k, 3])
            if count > 2:
                add_detector(w, SEEN + 4, kept[k, 4], kept[k, 5])
            if count > 3:
                add_detector(w, SEEN + 6, kept[k, 6], kept[k, 7])
            if count > 4:
                add_detector(w, SEEN + 8, kept[k, 8], kept[k, 9])
            for m in range(LANES):
                kappa = w[m + RE * LANES] * w[m + RE * LANES] + w[m + (RE + 1) * LANES] * w[m + (RE + 1) * LANES]
                x = min(max((kappa - middle) * per_half, -one), one)
                g = w[m + 4 * LANES] + x * w[m + 5 * LANES]
                g = w[m + 2 * LANES] + x * (w[m + 3 * LANES] + x * g)
                g = w[m] + x * (w[m + LANES] + x * g)
                e = exponential(max(kappa + g - peak, lowest))
                r = w[m + 7 * LANES] + x * (w[m + 8 * LANES] + x * w[m + 9 * LANES])
                s = w[m + 11 * LANES] + x * (w[m + 12 * LANES] + x * w[m + 13 * LANES])
                w[m + SUM * LANES] += e
                w[m + (SUM + 1) * LANES] += e * (w[m + 6 * LANES] + x * r)
                w[m + (SUM + 2) * LANES] += e * (w[m + 10 * LANES] + x * s)
                w[m + (SUM + 3) * LANES] = max(w[m + (SUM + 3) * LANES], kappa)


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
