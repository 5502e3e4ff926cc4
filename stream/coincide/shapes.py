"""Regions of the sky as probability densities, each with bounds of what it can be within a distance.

``Cap`` a circle, ``Ellipse``, ``Annulus``, ``Polygon``, and ``Sum`` of several. :mod:`stream.coincide.draw` cuts the
sky into pixels until the bounds are near enough to each other in every one.

Sources: Fisher, Proc. R. Soc. A 217, 295 (1953), for the circle; Connaughton et al., ApJS 216, 32 (2015), section 4,
and Briggs et al., ApJS 122, 503 (1999), who use it for errors of gamma-ray bursts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stream.types import FloatArray

Point = tuple[float, float]
"""Right ascension and declination in radians."""

_STEPS = 20_000
_LEAST_RAD = 1e-6
"""Nothing is drawn smaller than a fifth of an arcsecond."""
_MOST_STRETCHED = 100.0
"""An ellipse is drawn no narrower than this part of its length."""


class Shape(Protocol):
    """A density of a direction, per steradian, not quite normalised."""

    @property
    def stretched(self) -> float:
        """Return by how much less a pixel of it may be wrong than one of a circle, since it has more of them."""
        ...

    def density(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return the density at points."""
        ...

    def bounds(self, ra: FloatArray, dec: FloatArray, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest density within distances of points."""
        ...


def separation(ra: FloatArray, dec: FloatArray, centre: Point) -> FloatArray:
    """Return how far points are from another, exact near 0 (the haversine's formula)."""
    half = np.sin((dec - centre[1]) / 2) ** 2 + np.cos(dec) * math.cos(centre[1]) * np.sin((ra - centre[0]) / 2) ** 2
    found: FloatArray = 2 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return found


@dataclass(frozen=True, slots=True)
class Cap:
    """The Fisher density exp(kappa (cos theta - 1)), of which a circle holds a probability.

    Within r lies (1 - exp(-kappa (1 - cos r))) / (1 - exp(-2 kappa)).
    """

    centre: Point
    kappa: float
    stretched: float = 1.0

    @classmethod
    def of(cls, centre: Point, radius_rad: float, containment: float) -> Cap:
        """Return the one that holds a probability within a radius; the whole sky where that is less than its part."""
        area = 2.0 * math.sin(min(max(radius_rad, _LEAST_RAD), math.pi) / 2) ** 2
        if containment <= area / 2:
            return cls(centre, 0.0)

        def held(kappa: float) -> float:
            return math.expm1(-kappa * area) / math.expm1(-2 * kappa)

        return cls(centre, _root(held, containment, 1e-9, -2 * math.log1p(-containment) / area))

    def density(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return the density at points."""
        return self._at(separation(ra, dec, self.centre))

    def bounds(self, ra: FloatArray, dec: FloatArray, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest density within distances of points."""
        theta = separation(ra, dec, self.centre)
        return self._at(np.minimum(theta + radius, math.pi)), self._at(np.maximum(theta - radius, 0.0))

    def _at(self, theta: FloatArray) -> FloatArray:
        peak = 0.5 / math.pi * (self.kappa / -math.expm1(-2 * self.kappa) if self.kappa > 0 else 0.5)
        found: FloatArray = peak * np.exp(-2 * self.kappa * np.sin(theta / 2) ** 2)
        return found


@dataclass(frozen=True, slots=True)
class Ellipse:
    """A Gaussian in the plane that keeps areas (Lambert's), which for equal axes is the Fisher density.

    An axis a of the ellipse that holds a probability c is 2 sin(a / 2) in the plane, sqrt(-2 ln(1 - c)) of its width.
    """

    centre: Point
    major: float
    minor: float
    angle_rad: float

    @property
    def stretched(self) -> float:
        """Return by how much more it is divided."""
        return math.sqrt(max(self.major / self.minor, self.minor / self.major))

    @classmethod
    def of(cls, centre: Point, axes_rad: tuple[float, float], angle_rad: float, containment: float) -> Ellipse:
        """Return the one whose ellipse holds a probability; its major axis lies at a position angle."""
        scale = math.sqrt(-2 * math.log1p(-containment))
        least = max(_LEAST_RAD, max(axes_rad) / _MOST_STRETCHED)
        major, minor = (2 * math.sin(min(max(a, least), math.pi) / 2) / scale for a in axes_rad)
        return cls(centre, major, minor, angle_rad)

    def density(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return the density at points."""
        return self._at(self._distance(ra, dec))

    def bounds(self, ra: FloatArray, dec: FloatArray, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest density within distances of points."""
        distance = self._distance(ra, dec)
        stretch = 1.0 / np.maximum(np.cos(separation(ra, dec, self.centre) / 2 + radius / 2), 0.05)
        within = radius * stretch / min(self.major, self.minor)
        return self._at(distance + within), self._at(np.maximum(distance - within, 0.0))

    def _distance(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return how far points are from the centre, in widths."""
        plane = 2 * np.sin(separation(ra, dec, self.centre) / 2)
        east = np.cos(dec) * np.sin(ra - self.centre[0])
        north = np.sin(dec - self.centre[1])
        north += 2 * math.sin(self.centre[1]) * np.cos(dec) * np.sin((ra - self.centre[0]) / 2) ** 2
        angle = np.arctan2(east, north) - self.angle_rad
        found: FloatArray = np.hypot(plane * np.cos(angle) / self.major, plane * np.sin(angle) / self.minor)
        return found

    def _at(self, distance: FloatArray) -> FloatArray:
        found: FloatArray = np.exp(-0.5 * distance**2) / (2 * math.pi * self.major * self.minor)
        return found


@dataclass(frozen=True, slots=True)
class Annulus:
    """A Gaussian of the distance from a circle, which between two circles around it holds a probability."""

    centre: Point
    radius_rad: float
    sigma_rad: float

    @property
    def stretched(self) -> float:
        """Return by how much more it is divided."""
        return max(1.0, 2 * math.pi * math.sin(self.radius_rad) / (5 * self.sigma_rad))

    @classmethod
    def of(cls, centre: Point, inner_rad: float, outer_rad: float, containment: float) -> Annulus:
        """Return the one that holds a probability between two circles; the widest where that is less than its part."""
        inner, outer = sorted((inner_rad, outer_rad))
        middle, half = (inner + outer) / 2, max((outer - inner) / 2, _LEAST_RAD)
        theta = (np.arange(_STEPS) + 0.5) * (math.pi / _STEPS)

        def held(narrow: float) -> float:
            """Return what lies between, of a width given as how often it fits into half the annulus."""
            sigma = half / narrow
            if sigma < 10 * math.pi / _STEPS:  # so narrow that the sphere is flat across it
                return math.erf(narrow / math.sqrt(2))
            weight = np.exp(-0.5 * ((theta - middle) / sigma) ** 2) * np.sin(theta)
            return float(weight[np.abs(theta - middle) <= half].sum() / weight.sum())

        return cls(centre, middle, half / _root(held, containment, half / 100.0, 10.0))

    def density(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return the density at points."""
        return self._at(separation(ra, dec, self.centre) - self.radius_rad)

    def bounds(self, ra: FloatArray, dec: FloatArray, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest density within distances of points."""
        away = np.abs(separation(ra, dec, self.centre) - self.radius_rad)
        return self._at(away + radius), self._at(np.maximum(away - radius, 0.0))

    def _at(self, away: FloatArray) -> FloatArray:
        ring = 2 * math.pi * max(math.sin(self.radius_rad), self.sigma_rad)
        norm = min(math.sqrt(2 * math.pi) * self.sigma_rad * ring, 4 * math.pi)
        found: FloatArray = np.exp(-0.5 * (away / self.sigma_rad) ** 2) / norm
        return found


@dataclass(frozen=True, slots=True)
class Sum:
    """Several densities, each with its part."""

    parts: tuple[tuple[float, Shape], ...]

    @property
    def stretched(self) -> float:
        """Return by how much more it is divided."""
        return max(shape.stretched for _, shape in self.parts)

    def density(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return the density at points."""
        found: FloatArray = np.sum([part * shape.density(ra, dec) for part, shape in self.parts], axis=0)
        return found

    def bounds(self, ra: FloatArray, dec: FloatArray, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest density within distances of points."""
        each = [[part * b for b in shape.bounds(ra, dec, radius)] for part, shape in self.parts]
        least, greatest = (np.sum(side, axis=0) for side in zip(*each, strict=True))
        return least, greatest


def _root(rising: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Return where a rising function has a value, or the end that is nearer to it."""
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return math.sqrt(low * high)
