"""Triangulation: the part of the sky where the detectors' loud times fit at all, before anything else is computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d

from stream.healpix import centres, uniq_of
from stream.localize.arrival import Arrival
from stream.localize.compiled import compiled
from stream.types import BoolArray, Float32Array, FloatArray, IntArray

FIRST_ORDER = 4
_LAST_ORDER = 9
_FEW = 400
_LIKELY = 64
"""Pixels with the largest bounds, in which the most that detectors have together is looked for."""

_RADIUS = 1.05
"""No point of a pixel is farther from its centre than this times sqrt(pi / 3) / nside."""


@dataclass(frozen=True, slots=True)
class Covering:
    """Pixels that cover the sphere once.

    Attributes
    ----------
    order, index : array of int64, shape (n,)
        NESTED.
    is_in : array of bool, shape (n,)
        Those that may hold the source; they are of one order.
    reference : float
        Most half squared SNR that the detectors have together in a direction looked at, or what was given if less.
    arrival : Arrival
        With the times alone at which any of the pixels can have what it takes.
    """

    order: IntArray
    index: IntArray
    is_in: BoolArray
    reference: float
    arrival: Arrival


def triangulate(arrival: Arrival, reference: float, cut: float) -> Covering:
    """Return the pixels whose bound is not below the reference by more than the cut, split while they are few.

    Parameters
    ----------
    arrival : Arrival
    reference : float
        Half squared SNR that the best direction is known to have; infinite if nothing is known, which is when it is
        taken from the directions looked at.
    cut : float
    """
    order, index = FIRST_ORDER, np.arange(12 << (2 * FIRST_ORDER))
    out_order: list[IntArray] = []
    out_index: list[IntArray] = []
    sharp: Float32Array = np.square(arrival.real) + np.square(arrival.imag)
    sharp *= np.float32(0.5)
    while True:
        way = directions(uniq_of(order, index))
        coarse, wide = _widened(sharp, arrival, _RADIUS * np.sqrt(np.pi / 3.0) / (1 << order))
        bound = bounds(way, coarse, wide)
        likely = np.argsort(-bound)[:_LIKELY]
        known = min(reference, float(bounds(way[likely], arrival, sharp).max()))
        is_in = bound >= known - cut
        out_order.append(np.full(int((~is_in).sum()), order))
        out_index.append(index[~is_in])
        index = index[is_in]
        if len(index) > _FEW or order == _LAST_ORDER:
            break
        order, index = order + 1, children(index)
    inside = len(index)
    all_order = np.concatenate((*out_order, np.full(inside, order))).astype(np.int64)
    all_index = np.concatenate((*out_index, index)).astype(np.int64)
    first, last = window(way[is_in], coarse, wide, known - cut)
    narrowed = _narrowed(arrival, coarse.start_s + (first - 0.5) * coarse.step_s, (last - first + 1) * coarse.step_s)
    return Covering(all_order, all_index, np.arange(len(all_order)) >= len(all_order) - inside, known, narrowed)


def _widened(sharp: Float32Array, arrival: Arrival, radius: float) -> tuple[Arrival, Float32Array]:
    """Return steps as coarse as pixels are, and the running maximum of each detector's power over pixel and step."""
    light_s = radius * np.sqrt(np.square(arrival.offset_s).sum(axis=1))
    times = max(int(0.5 * light_s.max() / arrival.step_s), 1)
    coarse = arrival._replace(step_s=times * arrival.step_s, steps=-(-arrival.steps // times))
    half = np.ceil((light_s + 0.5 * coarse.step_s) * arrival.rate_hz).astype(int) + 1
    return coarse, np.stack([maximum_filter1d(row, 2 * int(h) + 1) for row, h in zip(sharp, half, strict=True)])


def _narrowed(arrival: Arrival, start_s: float, length_s: float) -> Arrival:
    """Return the arrival with the steps alone that lie in a stretch."""
    first = max(int((start_s - arrival.start_s) / arrival.step_s), 0)
    last = min(first + int(np.ceil(length_s / arrival.step_s)) + 1, arrival.steps)
    return arrival._replace(start_s=arrival.start_s + first * arrival.step_s, steps=last - first)


def directions(uniq: IntArray) -> FloatArray:
    """Return the unit vectors of the centres of multi-order pixels, shape (n, 3)."""
    ra, dec = centres(uniq)
    return np.stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)), axis=1)


def children(index: IntArray) -> IntArray:
    """Return the four pixels of the next order within each, shape (4 n,)."""
    out: IntArray = (4 * index[:, None] + np.arange(4)).ravel()
    return out


@compiled
def together(direction: FloatArray, arrival: Arrival, power: Float32Array, total: Float32Array) -> None:
    """Fill in the sum of all detectors' power at each step, as a source in a direction is heard."""
    per_step = np.float32(arrival.step_s * arrival.rate_hz)
    for k in range(arrival.steps):
        total[k] = 0.0
    for d in range(power.shape[0]):
        delay = 0.0
        for i in range(3):
            delay -= arrival.offset_s[d, i] * direction[i]
        begin = (arrival.start_s + delay - arrival.first_s) * arrival.rate_hz + 0.5
        whole = int(begin)
        rest = np.float32(begin - whole)
        for k in range(arrival.steps):
            total[k] += power[d, whole + np.int32(rest + np.float32(k) * per_step)]


@compiled
def bounds(directions: FloatArray, arrival: Arrival, power: Float32Array) -> FloatArray:
    """Return the most that the half squared SNR of all detectors together can be for each pixel, shape (n,).

    ``power``, shape (n_detectors, m), is that of each on the fine grid, the maximum within half a pixel's light time.
    """
    out = np.zeros(directions.shape[0])
    total = np.empty(arrival.steps, np.float32)
    for i in range(directions.shape[0]):
        together(directions[i], arrival, power, total)
        most = np.float32(0.0)
        for k in range(arrival.steps):
            most = max(most, total[k])
        out[i] = most
    return out


@compiled
def window(directions: FloatArray, arrival: Arrival, power: Float32Array, least: float) -> tuple[int, int]:
    """Return the first and last step at which any of the pixels can have half a squared SNR, or the last and first."""
    first, last = arrival.steps - 1, 0
    total = np.empty(arrival.steps, np.float32)
    for i in range(directions.shape[0]):
        together(directions[i], arrival, power, total)
        for k in range(first):
            if total[k] >= least:
                first = k
                break
        for k in range(arrival.steps - 1, last, -1):
            if total[k] >= least:
                last = k
                break
    return min(first, last), max(first, last)
