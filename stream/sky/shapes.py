"""Fields of telescopes on the sky: circles, rotated rectangles, polygons; all in degrees of ICRS."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stream.errors import ConfigurationError
from stream.text import clean
from stream.types import FloatArray

_WIDEST_BOX_DEG = 170.0
_FARTHEST_VERTEX_DEG = 80.0
_MOST_VERTICES = 256
_SAME_DEG = 1e-9
_DRAWN = 96
_WORD = 64


@dataclass(frozen=True, slots=True)
class Circle:
    """All within a radius, at most 180, of a place."""

    name: str
    ra_deg: float
    dec_deg: float
    radius_deg: float

    def __post_init__(self) -> None:
        """Refuse what is no circle."""
        _check_place(self.name, self.ra_deg, self.dec_deg)
        _check(self.name, "radius", self.radius_deg, 0.0, 180.0)


@dataclass(frozen=True, slots=True)
class Box:
    """A camera's rectangle on the tangent plane; its sides are great circles.

    Attributes
    ----------
    name : str
    ra_deg, dec_deg : float
        Of its middle.
    width_deg, height_deg : float
        Full, measured through the middle; at most 170.
    angle_deg : float
        By which the height's direction is turned from north to east.
    """

    name: str
    ra_deg: float
    dec_deg: float
    width_deg: float
    height_deg: float
    angle_deg: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no rectangle."""
        _check_place(self.name, self.ra_deg, self.dec_deg)
        _check(self.name, "width", self.width_deg, 0.0, _WIDEST_BOX_DEG)
        _check(self.name, "height", self.height_deg, 0.0, _WIDEST_BOX_DEG)
        _check(self.name, "angle", self.angle_deg, -360.0, 360.0)


@dataclass(frozen=True, slots=True)
class Polygon:
    """What lies within a chain of great circles, whichever way round; a pole may lie in it.

    Attributes
    ----------
    name : str
    corners_deg : tuple of (ra, dec)
        3 to 256, in order, each within 80 degrees of their middle.
    """

    name: str
    corners_deg: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Refuse what is no polygon."""
        if not 3 <= len(self.corners_deg) <= _MOST_VERTICES:
            raise _refused(self.name, f"{len(self.corners_deg)} corners are not 3 to {_MOST_VERTICES}")
        for ra_deg, dec_deg in self.corners_deg:
            _check_place(self.name, ra_deg, dec_deg)
        corners = self.corners()
        middle = corners.sum(axis=0)
        length = float(np.linalg.norm(middle))
        if length < 1e-9 or float((corners @ middle).min()) < length * math.cos(math.radians(_FARTHEST_VERTEX_DEG)):
            raise _refused(self.name, f"a corner is more than {_FARTHEST_VERTEX_DEG:g} degrees from the middle")

    def corners(self) -> FloatArray:
        """Return the corners as unit vectors, shape (n, 3)."""
        return vectors(*np.radians(np.array(self.corners_deg, dtype=float)).T)


Field: TypeAlias = Circle | Box | Polygon


def outline(field: Polygon) -> tuple[tuple[float, float], ...]:
    """Return a polygon's corners without those that stand where the one before stands, as a closing one does."""
    pairs = zip(field.corners_deg, (field.corners_deg[-1], *field.corners_deg[:-1]), strict=True)
    return tuple(here for here, before in pairs if max(abs(here[0] - before[0]), abs(here[1] - before[1])) > _SAME_DEG)


def vectors(ra_rad: FloatArray, dec_rad: FloatArray) -> FloatArray:
    """Return places as unit vectors, shape (n, 3)."""
    found: FloatArray = np.stack(
        [np.cos(dec_rad) * np.cos(ra_rad), np.cos(dec_rad) * np.sin(ra_rad), np.sin(dec_rad)], axis=-1
    )
    return found


def middle_of(field: Field) -> tuple[float, float]:
    """Return right ascension and declination of a field's middle, in degrees."""
    if not isinstance(field, Polygon):
        return field.ra_deg % 360.0, field.dec_deg
    x, y, z = field.corners().sum(axis=0)
    return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.atan2(z, math.hypot(x, y)))


def edge_of(field: Field) -> tuple[FloatArray, FloatArray]:
    """Return right ascension and declination of points along a field's edge, in radians, to draw it."""
    if isinstance(field, Polygon):
        corners = field.corners()
    else:
        ra, dec = math.radians(field.ra_deg), math.radians(field.dec_deg)
        middle, east = vectors(np.array(ra), np.array(dec)), np.array([-math.sin(ra), math.cos(ra), 0.0])
        north = np.cross(middle, east)
        if isinstance(field, Circle):
            turn, reach = np.linspace(0, 2 * math.pi, _DRAWN)[:, None], math.radians(field.radius_deg)
            points = math.cos(reach) * middle + math.sin(reach) * (np.cos(turn) * north + np.sin(turn) * east)
            return np.arctan2(points[:, 1], points[:, 0]), np.arcsin(np.clip(points[:, 2], -1, 1))
        turned = math.radians(field.angle_deg)
        up, along = (math.cos(turned) * a + math.sin(turned) * b for a, b in ((north, east), (east, -north)))
        wide, high = (math.tan(math.radians(full / 2)) for full in (field.width_deg, field.height_deg))
        corners = np.stack([middle + x * wide * along + y * high * up for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        corners /= np.linalg.norm(corners, axis=1, keepdims=True)
    part = np.linspace(0, 1, _DRAWN // 8, endpoint=False)[:, None]
    sides = zip(corners, np.roll(corners, -1, axis=0), strict=True)
    points = np.concatenate([(1 - part) * a + part * b for a, b in sides] + [corners[:1]])
    return np.arctan2(points[:, 1], points[:, 0]), np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))


def _check_place(name: str, ra_deg: float, dec_deg: float) -> None:
    _check(name, "right ascension", ra_deg, -360.0, 360.0)
    _check(name, "declination", dec_deg, -90.0, 90.0)


def _check(name: str, what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # neither is NaN
        raise _refused(name, f"{what} {value:g} is not from {low:g} to {high:g} degrees")


def _refused(name: str, text: str) -> ConfigurationError:
    return ConfigurationError(f"field {clean(name, _WORD)}: {text}")
