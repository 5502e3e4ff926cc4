"""Where a notice says that its event was: circle, ellipse, corners or HEALPix map, as GCN's schema Localization has it.

The error is a radius, or a list of the semi-major axis, the semi-minor one (default: the same) and the major axis'
position angle, from north through east (default: 0); the containment is 0.9 where none is told. Source:
https://gcn.nasa.gov/docs/schema, core/Localization.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from stream.codec.skymap import decode_skymap
from stream.errors import DataError
from stream.notices.values import Fields

_MAP_URL = re.compile(r"https?://[!-~]{1,2000}", re.ASCII)
_FITS, _GZIP = b"SIMPLE  =", b"\x1f\x8b"
_MOST_CORNERS = 64


@dataclass(frozen=True, slots=True)
class Place:
    """A region of the sky; the names are those of :class:`~stream.records.ExternalEvent`."""

    ra_deg: float | None = None
    dec_deg: float | None = None
    error_radius_deg: float | None = None
    error_minor_deg: float | None = None
    error_angle_deg: float | None = None
    corners_deg: tuple[tuple[float, float], ...] = ()
    containment: float | None = None
    systematic_included: bool | None = None
    skymap: bytes | None = None
    skymap_url: str | None = None

    @property
    def is_told(self) -> bool:
        """Whether anything is known of where the event was."""
        return self.ra_deg is not None or bool(self.corners_deg or self.skymap or self.skymap_url)


def place_of(fields: Fields, containment: float, has_systematic: bool | None) -> Place:
    """Return the region that a notice tells of.

    Parameters
    ----------
    fields : Fields
    containment : float
        Of this mission's regions, where the notice does not say.
    has_systematic : bool or None
        Whether these hold the systematic error, where the notice does not say.
    """
    ra, dec = fields.number("ra", 0, 360), fields.number("dec", -90, 90)
    if ra is None or dec is None:
        ra = dec = None
    corners = _corners(fields)
    major, minor, angle = _ellipse(fields) if ra is not None else (None, None, None)
    has_region = major is not None or bool(corners)
    return Place(
        ra, dec, major, minor, angle, corners,
        _containment(fields, containment) if has_region else None,
        _systematic(fields, has_systematic) if has_region else None,
        _map(fields), _url(fields),
    )  # fmt: skip


def _containment(fields: Fields, default: float) -> float | None:
    if fields.get("containment_probability") is None:
        return default
    told = fields.number("containment_probability", 0, 1)
    if told in (0.0, 1.0):
        fields.pass_over("containment_probability", "0 and 1 tell of no region")
        return None
    return told


def _systematic(fields: Fields, default: bool | None) -> bool | None:
    told = fields.flag("systematic_included")
    return default if fields.get("systematic_included") is None else told


def _ellipse(fields: Fields) -> tuple[float | None, float | None, float | None]:
    """Return semi-major and semi-minor axis and position angle; a circle has a radius alone. Zero means not known."""
    told = fields.get("ra_dec_error")
    axes = told if isinstance(told, list) else [told]
    if not 1 <= len(axes) <= 3:
        fields.pass_over("ra_dec_error", f"{len(axes)} values: 1 to 3 are an ellipse")
        return None, None, None
    sizes = [fields.as_number("ra_dec_error", axis, 0, 180) for axis in axes[:2]]
    angle = fields.as_number("ra_dec_error", axes[2], -360, 360) if len(axes) == 3 else 0.0
    if not all(sizes):
        return None, None, None
    major, minor = sizes[0], sizes[-1]
    if major is None or minor is None or major == minor:
        return major, None, None
    if angle is None:  # its shape is known, how it lies is not: the circle around it
        return max(major, minor), None, None
    return (major, minor, angle % 180) if major > minor else (minor, major, (angle + 90) % 180)


def _corners(fields: Fields) -> tuple[tuple[float, float], ...]:
    told, name = fields.get("rectangular_error_corners"), "rectangular_error_corners"
    if told is None:
        return ()
    if not isinstance(told, list) or not 3 <= len(told) <= _MOST_CORNERS:
        fields.pass_over(name, f"no list of 3 to {_MOST_CORNERS} corners")
        return ()
    found = []
    for corner in told:
        pair = corner if isinstance(corner, list) and len(corner) == 2 else (None, None)
        ra, dec = fields.as_number(name, pair[0], 0, 360), fields.as_number(name, pair[1], -90, 90)
        if ra is None or dec is None:
            fields.pass_over(name, "a corner is no right ascension and declination")
            return ()
        found.append((ra, dec))
    return tuple(found)


def _map(fields: Fields) -> bytes | None:
    """Return the FITS file of a map in base64, if it is one that can be opened."""
    told = fields.get("healpix_file")
    if told is None:
        return None
    try:
        if not isinstance(told, str):
            raise ValueError("no text")
        fits = base64.b64decode("".join(told.split()), validate=True)
        if not fits.startswith((_FITS, _GZIP)):
            raise ValueError("no FITS file in base64")
        decode_skymap(fits)
    except (binascii.Error, ValueError, DataError) as error:
        fields.pass_over("healpix_file", str(error))
        return None
    return fits


def _url(fields: Fields) -> str | None:
    told = fields.get("healpix_url")
    if told is None:
        return None
    if not isinstance(told, str) or not _MAP_URL.fullmatch(told.strip()):
        fields.pass_over("healpix_url", f"{str(told)[:64]!r} is no address of a file")
        return None
    return told.strip()
