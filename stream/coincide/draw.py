"""The sky map of an external event: its own, or drawn from the region that its notice tells of.

``ExternalEvent ─skymap_of→ SkyMap | None``. In this order: the FITS file, the corners, the ellipse or annulus, the
circle; a file that cannot be read is passed over for what else is told. A position without an error is a map of one
pixel of order 12 (52 arcseconds), so that its overlap with a coarser map is that map's density there, as in RAVEN.

A probability that is not told is 0.9, the default of the unified GCN schema (``core/Localization.schema.json``). To
the statistical error of Fermi-GBM, where a notice says that it is that alone, the systematic one is added here and
nowhere else: a core of 3.71 deg with 0.9 of the probability and a tail of 14.3 deg, radii of 0.68 (Connaughton et al.,
ApJS 216, 32 (2015)), each in quadrature with the statistical.

Pixels are divided while the density may vary within them by more than a part of the probability: some thousand
of them for a circle, whatever its size; they hold the mean of what is drawn. What is said to lie inside does within
0.005 of a circle, 0.01 of the others, and 0.07 of an annulus so thin (0.2 deg of width) that 40 000 pixels are too few.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from stream.codec.skymap import decode_skymap
from stream.coincide.polygon import Polygon
from stream.coincide.shapes import Annulus, Cap, Ellipse, Shape, Sum
from stream.errors import CodecError
from stream.healpix import area_sr, centres, nested_at, split_uniq, uniq_of
from stream.records import ExternalEvent, SkyMap
from stream.types import BoolArray, FloatArray, IntArray

DEFAULT_CONTAINMENT = 0.9
_LEAST_CONTAINMENT, _MOST_CONTAINMENT = 0.01, 0.9999
_POINT_ORDER = 12
_FINEST_ORDER, _COARSEST_ORDER = 21, 1
_PIXEL_RADIUS = 1.07
"""No pixel of an order reaches farther from its centre than this over 2**order (healpy.max_pixrad tends to 1.069)."""
_VARIES = 5e-4
"""Most probability by which a pixel may be wrong, if the density within were as uneven as its bounds allow."""
_MATTERS = 1e-7
_MOST_PIXELS = 40_000
_GBM_SYSTEMATIC_DEG = ((0.9, 3.71), (0.1, 14.3))
_GBM_CONTAINMENT = 0.68
_CREATOR = "Tocsin"


read_map = lru_cache(maxsize=4)(decode_skymap)
"""As :func:`stream.codec.skymap.decode_skymap`; one superevent is compared with several events, and the other way."""


def skymap_of(external: ExternalEvent) -> SkyMap | None:
    """Return the sky map of an external event; None where it tells of no place.

    A map has the event's time and no distances. What the notice tells of the place is taken as it is checked by
    :func:`stream.codec.external.check_external`.
    """
    if external.skymap is not None:
        try:
            return read_map(external.skymap)
        except CodecError:
            pass
    shape = _shape(external)
    drawn = None if shape is None else _drawn(shape) if isinstance(shape, Cap | Sum) else _pixels(shape)
    if drawn is not None:
        uniq, density = drawn
    elif external.ra_deg is not None and external.dec_deg is not None:
        uniq, density = _point(math.radians(external.ra_deg), math.radians(external.dec_deg))
    else:
        return None
    return SkyMap(uniq, density, None, None, None, None, None, (), external.gps_ns, _CREATOR)


def _shape(external: ExternalEvent) -> Shape | None:
    """Return the region that a notice tells of; None where it is a point, or nothing."""
    told = external.containment if external.containment else DEFAULT_CONTAINMENT
    containment = min(max(told, _LEAST_CONTAINMENT), _MOST_CONTAINMENT)
    if external.corners_deg:
        corners = tuple((math.radians(ra), math.radians(dec)) for ra, dec in external.corners_deg)
        polygon = Polygon.of(corners, containment)
        if polygon is not None:
            return polygon
    radius_deg = external.error_radius_deg
    if external.ra_deg is None or external.dec_deg is None or not radius_deg:
        return None
    centre = (math.radians(external.ra_deg), math.radians(external.dec_deg))
    radius_rad = math.radians(radius_deg)
    if external.error_inner_deg is not None:
        return Annulus.of(centre, math.radians(external.error_inner_deg), radius_rad, containment)
    if external.error_minor_deg and external.error_minor_deg != radius_deg:
        axes = (radius_rad, math.radians(external.error_minor_deg))
        return Ellipse.of(centre, axes, math.radians(external.error_angle_deg or 0.0), containment)
    if external.systematic_included is False and external.source.startswith("Fermi-GBM"):
        return _with_systematic(Cap.of(centre, radius_rad, containment), centre)
    return Cap.of(centre, radius_rad, containment)


def _with_systematic(statistical: Cap, centre: tuple[float, float]) -> Sum:
    """Return the sum of core and tail, each widened by the statistical error."""
    if statistical.kappa > 0:
        # The radius that holds 0.68 of it: 1 - cos r = -ln(1 - 0.68 (1 - exp(-2 kappa))) / kappa.
        part = -_GBM_CONTAINMENT * math.expm1(-2 * statistical.kappa)
        radius = 2 * math.asin(min(1.0, math.sqrt(-math.log1p(-part) / statistical.kappa / 2)))
    else:
        radius = math.pi
    return Sum(
        tuple(
            (part, Cap.of(centre, min(math.hypot(radius, math.radians(deg)), math.pi), _GBM_CONTAINMENT))
            for part, deg in _GBM_SYSTEMATIC_DEG
        )
    )


def _point(ra_rad: float, dec_rad: float) -> tuple[IntArray, FloatArray]:
    """Return a map of the sphere with all probability in the pixel of a point."""
    wanted = int(nested_at(_POINT_ORDER, np.array([ra_rad]), np.array([dec_rad]))[0])
    pixels = [k for k in range(12) if k != wanted >> (2 * _POINT_ORDER)]
    uniq = [int(uniq_of(0, np.array(k))) for k in pixels]
    for order in range(1, _POINT_ORDER + 1):
        parent = wanted >> (2 * (_POINT_ORDER - order + 1))
        here = wanted >> (2 * (_POINT_ORDER - order))
        uniq += [int(uniq_of(order, np.array(k))) for k in range(4 * parent, 4 * parent + 4) if k != here]
    rising = np.array([*uniq, int(uniq_of(_POINT_ORDER, np.array(wanted)))], dtype=np.int64)
    density = np.zeros(len(rising))
    density[-1] = 1.0 / float(area_sr(np.array(_POINT_ORDER)))
    at = np.argsort(rising)
    return rising[at], density[at]


def _pixels(shape: Shape) -> tuple[IntArray, FloatArray] | None:
    """Return pixels that cover the sphere, fine where a density varies, and its mean in each, normalised.

    None where nothing of a region is found, which is smaller than what any pixel shows.
    """
    done: list[IntArray] = []
    left = uniq_of(_COARSEST_ORDER, np.arange(12 << (2 * _COARSEST_ORDER)))
    count = len(left)
    for _ in range(_COARSEST_ORDER, _FINEST_ORDER):
        divided = _uneven(shape, left, (_MOST_PIXELS - count) // 3)
        done.append(left[~divided])
        left = (4 * left[divided][:, None] + np.arange(4)).ravel()
        count += 3 * len(left) // 4
    uniq = np.sort(np.concatenate([*done, left]))
    density = _mean(shape, uniq)
    mass = float(np.sum(density * area_sr(split_uniq(uniq)[0])))
    return (uniq, density / mass) if 0 < mass < math.inf else None


_drawn = lru_cache(maxsize=64)(_pixels)
"""Of shapes that are a few numbers: what was drawn when a notice was heard is there when an alert asks for it."""


def _uneven(shape: Shape, uniq: IntArray, most: int) -> BoolArray:
    """Return which pixels of an order are to be divided; of too many those that vary most."""
    varies = _varies(shape, uniq)
    divided: BoolArray = varies > _VARIES / shape.stretched
    if divided.sum() > most:
        divided[np.argsort(-varies, kind="stable")[most:]] = False
    return divided


def _varies(shape: Shape, uniq: IntArray) -> FloatArray:
    """Return by how much probability pixels could be wrong."""
    order = split_uniq(uniq)[0]
    least, greatest = shape.bounds(*centres(uniq), _PIXEL_RADIUS / np.exp2(order))
    found: FloatArray = (greatest - least) * area_sr(order)
    return found


def _mean(shape: Shape, uniq: IntArray) -> FloatArray:
    """Return the mean density of pixels: where it matters from the centres of sixteen parts, else from their own."""
    found = shape.density(*centres(uniq))
    matters = np.flatnonzero(_varies(shape, uniq) > _MATTERS)
    parts = (16 * uniq[matters][:, None] + np.arange(16)).ravel()
    found[matters] = shape.density(*centres(parts)).reshape(-1, 16).mean(axis=1)
    return found
