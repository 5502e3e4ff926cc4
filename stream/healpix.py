"""HEALPix as sky maps need it: multi-order indices, centres of pixels, and the order in rings; numpy alone.

astropy-healpix does the same and takes 1.5 s to load, which neither the daemon nor a subscriber has; it is the oracle
in the tests.
Sources: Górski et al., ApJ 622, 759 (2005), section 4, for the geometry of a pixel; Fernique et al., IVOA MOC 2.0
(2022), section 4.3.1, for the multi-order index.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from stream.types import FloatArray, IntArray

MAX_ORDER = 29
"""Finest order whose indices fit 64 bits."""

DEG2_PER_SR = (180.0 / math.pi) ** 2
_AREA_SR = np.ldexp(math.pi / 3.0, -2 * np.arange(MAX_ORDER + 1))
_BITS_OF_4 = (1023 + 2) << 52
_FIRST_UNIQ = np.left_shift(np.int64(4), 2 * np.arange(MAX_ORDER + 1))

_TABLE_ORDER = 6

# Where each of the twelve base pixels has its lowest corner, in units of its diagonal (ibid., equation 10).
_RING = np.array([2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
_LONGITUDE = np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7])
_SPREAD = (
    (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333), (1, 0x5555555555555555),
)  # fmt: skip


def split_uniq(uniq: IntArray) -> tuple[IntArray, IntArray]:
    """Return order and nested index of multi-order pixels, each of shape (n,); every number must be 4 or more."""
    # The exponent of a float64 is the place of the leading bit; with no other bit beside that nothing is rounded up.
    bits = (uniq & ~(uniq >> 1)).astype(np.float64).view(np.int64)
    order = (bits - _BITS_OF_4) >> 53
    return order, uniq - _FIRST_UNIQ.take(order)


def uniq_of(order: int | IntArray, index: IntArray) -> IntArray:
    """Return multi-order pixels from order and nested index."""
    base: IntArray = np.left_shift(np.int64(4), 2 * np.asarray(order, dtype=np.int64))
    return base + index


def area_sr(order: IntArray) -> FloatArray:
    """Return the solid angle of a pixel of each order."""
    found: FloatArray = _AREA_SR.take(order)
    return found


def centres(uniq: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return right ascension and declination of the centres of multi-order pixels, in radians, each of shape (n,)."""
    order, index = split_uniq(uniq)
    nside = np.left_shift(np.int64(1), order)
    face, x, y = face_x_y(order, index)
    ring = _RING[face] * nside - x - y - 1  # from the north pole: 1 to 4 nside - 1
    width = _width(ring, nside)
    third = np.minimum(ring, 4 * nside - ring) / nside
    cap = 1.0 - third**2 / 3.0
    z = np.where(width == nside, 4.0 / 3.0 - 2.0 * ring / (3.0 * nside), np.where(ring < 2 * nside, cap, -cap))
    # Near a pole 1 - |z| is known better than |z|: the declination from its half-angle sine.
    small = np.arcsin(np.sqrt(third**2 / 6.0))
    polar = np.where(ring < 2 * nside, math.pi / 2 - 2 * small, 2 * small - math.pi / 2)
    dec = np.where(width == nside, np.arcsin(np.clip(z, -1.0, 1.0)), polar)
    along = _LONGITUDE[face] * width + x - y  # in units of pi / (4 width)
    ra = np.mod(along, 8 * width) * (math.pi / 4.0) / width
    return ra, dec


def unit_vectors(order: int, face: IntArray, x: IntArray, y: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the Cartesian centres of pixels of one order, given by base pixel and place in it, each of shape (n,)."""
    nside = 1 << order
    ring = _RING.take(face) * nside - x - y - 1
    width = _width(ring, np.int64(nside))
    z: FloatArray = 4.0 / 3.0 - ring.astype(np.float64) * (2.0 / (3.0 * nside))
    out: FloatArray = np.sqrt(1.0 - z * z, where=np.abs(z) < 1, out=np.zeros_like(z))
    cap = np.flatnonzero(width < nside)
    short = (width[cap] / nside) ** 2 / 3.0  # 1 - |z| there
    z[cap] = np.copysign(1.0 - short, 2 * nside - ring[cap])
    out[cap] = np.sqrt(short * (2.0 - short))
    longitude: FloatArray = (_LONGITUDE.take(face) * width + x - y) * (math.pi / 4.0) / width
    return out * np.cos(longitude), out * np.sin(longitude), z


def directions(uniq: IntArray) -> FloatArray:
    """Return the Cartesian centres of multi-order pixels, shape (3, n)."""
    found: FloatArray = _table().take(uniq, axis=1, mode="clip")
    if len(uniq) and uniq.max() >= _FIRST_UNIQ[_TABLE_ORDER + 1]:
        order, index = split_uniq(uniq)
        for level in range(_TABLE_ORDER + 1, int(order.max()) + 1):
            at = np.flatnonzero(order == level)
            found[:, at] = directions_of(level, index[at])
    return found


def directions_of(order: int, index: IntArray) -> FloatArray:
    """Return the Cartesian centres of nested pixels of one order, shape (3, n); those of coarse ones from a table."""
    if order > _TABLE_ORDER:
        return np.stack(unit_vectors(order, *face_x_y(order, index)))
    return _table().take(uniq_of(order, index), axis=1)


@functools.cache
def _table() -> FloatArray:
    """Return the Cartesian centres of all coarse pixels by their multi-order index, shape (3, m): 1.6 MB."""
    found = np.zeros((3, _FIRST_UNIQ[_TABLE_ORDER + 1]))
    for order in range(_TABLE_ORDER + 1):
        index = np.arange(12 << (2 * order))
        found[:, uniq_of(order, index)] = unit_vectors(order, *face_x_y(order, index))
    return found


def sides(order: int, face: IntArray, x: IntArray, y: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return how far the two sides of pixels go in z and in longitude, each of shape (2, n): along x, and along y.

    The derivatives of :func:`unit_vectors` by x and y; near the poles of the middle of the pixel.
    """
    nside = 1 << order
    ring = _RING.take(face) * nside - x - y - 1
    width = _width(ring, np.int64(nside)).astype(np.float64)
    cap = width < nside
    up: FloatArray = np.where(cap, width / nside, 1.0) * (2.0 / (3.0 * nside))
    turned = np.where(cap, np.where(ring < 2 * nside, 1, -1) * (x - y) / width**2, 0.0)
    across, aside = (math.pi / 4) / width, (math.pi / 4) * turned
    return np.stack([up, up]), np.stack([aside + across, aside - across])


@functools.cache
def pixel_radius_rad(order: int) -> float:
    """Return how far from its centre a pixel of an order reaches at most (the widest touches the polar cap's edge)."""
    nside = 1 << order
    low, high = 2.0 / 3.0, 1.0 - (1.0 - 1.0 / nside) ** 2 / 3.0
    up, across = (math.acos(low) - math.acos(high)) / 2, math.pi / (8 * nside)
    return 2 * math.asin(math.sqrt(math.sin(up) ** 2 + math.sqrt((1 - low**2) * (1 - high**2)) * math.sin(across) ** 2))


def ring_index(order: int, index: IntArray) -> IntArray:
    """Return the place in the RING order of nested pixels of one order, shape (n,)."""
    nside = 1 << order
    face, x, y = face_x_y(np.full(len(index), order), index)
    ring = _RING[face] * nside - x - y - 1
    width = _width(ring, np.int64(nside))
    cap = 2 * ring * (ring - 1)
    belt = 2 * nside * (nside - 1) + (ring - nside) * 4 * nside
    south = 12 * nside * nside - 2 * width * (width + 1)
    first = np.where(ring < nside, cap, np.where(ring <= 3 * nside, belt, south))
    shifted = (width == nside) & ((ring - nside) % 2 == 1)  # these rings begin at longitude 0, not half a pixel on
    along = np.mod(_LONGITUDE[face] * width + x - y, 8 * width)
    within: IntArray = np.where(shifted, along, along - 1) // 2
    return first + within


def nested_at(order: int, ra_rad: FloatArray, dec_rad: FloatArray) -> IntArray:
    """Return the nested pixels of one order in which points lie, shape as theirs."""
    nside = 1 << order
    z = np.sin(dec_rad)
    t = np.mod(ra_rad, 2 * math.pi) * (2 / math.pi)  # 0 to 4
    # The belt: the edges of pixels are straight lines in t and z.
    up, across = nside * (0.5 + t), nside * z * 0.75
    rising, falling = np.floor(up - across).astype(np.int64), np.floor(up + across).astype(np.int64)
    f_rising, f_falling = rising >> order, falling >> order
    face = np.where(f_rising == f_falling, (f_rising & 3) | 4, np.where(f_rising < f_falling, f_rising, f_falling + 8))
    x, y = falling & (nside - 1), nside - (rising & (nside - 1)) - 1
    # The caps: distance from the pole, times nside; from the half angle, exact near the pole.
    quarter = np.minimum(t.astype(np.int64), 3)
    inner = t - quarter
    distance = nside * math.sqrt(6.0) * np.sin((math.pi / 2 - np.abs(dec_rad)) / 2)
    one = np.minimum((inner * distance).astype(np.int64), nside - 1)
    other = np.minimum(((1.0 - inner) * distance).astype(np.int64), nside - 1)
    north, in_cap = z >= 0, np.abs(z) > 2.0 / 3.0
    cap_face = np.where(north, quarter, quarter + 8)
    cap_x, cap_y = np.where(north, nside - other - 1, one), np.where(north, nside - one - 1, other)
    face, x, y = (np.where(in_cap, a, b) for a, b in ((cap_face, face), (cap_x, x), (cap_y, y)))
    found: IntArray = (face << (2 * order)) + _spread(x) + 2 * _spread(y)
    return found


def _width(ring: IntArray, nside: IntArray | np.int64) -> IntArray:
    """Return a quarter of the pixels of a ring."""
    width: IntArray = np.minimum(np.minimum(ring, 4 * nside - ring), nside)
    return width


def face_x_y(order: int | IntArray, index: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return the base pixel of nested pixels, and their place in it, south-east and south-west corner first."""
    face = index >> (2 * order)
    within = index - (face << (2 * order))
    return face, _gather(within), _gather(within >> 1)


def _gather(bits: IntArray) -> IntArray:
    """Bring every second bit together."""
    out = bits & _SPREAD[-1][1]
    for (shift, _), (_, mask) in zip(_SPREAD[:0:-1], _SPREAD[-2::-1], strict=True):
        out = (out | (out >> shift)) & mask
    return (out | (out >> 16)) & 0xFFFFFFFF


def _spread(bits: IntArray) -> IntArray:
    """Put a zero before every bit."""
    out = bits
    for shift, mask in _SPREAD:
        out = (out | (out << shift)) & mask
    return out
