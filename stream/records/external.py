"""Other messengers: what a notice tells, and what of it coincides with a gravitational-wave event.

bytes ─notices→ ExternalEvent ─coincide→ Coincidence ─superevent→ Revision
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ExternalEvent:
    """An event of another messenger, normalised from a notice; the notice itself is kept in ``raw``.

    What a notice does not say is None, or empty. Where it tells of a region, ``skymap`` comes before ``corners_deg``,
    those before the ellipse or annulus, and these before the circle.

    Attributes
    ----------
    event_id : str
        Identity of the event at its source: the same in each notice of it.
    source : str
        Mission and instrument, as in ``Fermi-GBM``, ``Swift-BAT``, ``IceCube``.
    messenger : str
        ``gamma``, ``x-ray``, ``optical``, ``radio`` or ``neutrino``.
    alert_type : str
        ``initial``, ``subsequent``, ``update`` or ``retraction``.
    gps_ns : int
        When the event was.
    received_ns : int
        When the notice was received, GPS.
    ra_deg, dec_deg : float or None
        Centre of the region, ICRS; of an annulus the centre of its circles.
    error_radius_deg : float or None
        Radius of the circle, semi-major axis of the ellipse, or outer radius of the annulus.
    containment : float or None
        Probability inside the region.
    far_hz : float or None
    raw : bytes
    raw_format : str
        ``json``, ``avro``, ``voevent`` or ``text``.
    search : str
        What decides window and rate of chance: ``GRB``, ``SubGRB``, ``SubGRBTargeted``, ``FRB``, ``HEN`` (high-energy
        neutrino), ``HENTargeted`` (looked for around a gravitational wave), ``SNEWS``, ``X-ray``, ``Optical``; empty
        where nothing is known.
    names : tuple of str
        As in ``GRB 170817A``.
    notice_id, ivorn : str
        Trigger number at GCN, and identity of the VOEvent.
    tense : str
        ``current``, ``archival``, ``planned``, ``injection``, ``commanded`` or ``test``.
    revision : int
        Number of the notice among those of the event; 0 where none is told.
    issued_ns : int or None
        When the notice was made, GPS.
    error_minor_deg, error_angle_deg : float or None
        Semi-minor axis, and position angle of the major one from north through east, of an ellipse.
    error_inner_deg : float or None
        Inner radius of an annulus.
    corners_deg : tuple of (right ascension, declination)
        Of a region with straight sides.
    systematic_included : bool or None
        Whether the radius holds the systematic error.
    skymap : bytes or None
        FITS file of a HEALPix map, as it came or was fetched.
    skymap_url : str or None
        Where a map is said to lie. A stranger's: opened by :mod:`pipelines.listen` alone, from hosts that are named.
    classification : mapping of str to float
        As in ``{"GRB": 0.85}``.
    p_astro : float or None
    """

    event_id: str
    source: str
    messenger: str
    alert_type: str
    gps_ns: int
    received_ns: int
    ra_deg: float | None = None
    dec_deg: float | None = None
    error_radius_deg: float | None = None
    containment: float | None = None
    far_hz: float | None = None
    raw: bytes = b""
    raw_format: str = "json"
    search: str = ""
    names: tuple[str, ...] = ()
    notice_id: str = ""
    ivorn: str = ""
    tense: str = "current"
    revision: int = 0
    issued_ns: int | None = None
    error_minor_deg: float | None = None
    error_angle_deg: float | None = None
    error_inner_deg: float | None = None
    corners_deg: tuple[tuple[float, float], ...] = ()
    systematic_included: bool | None = None
    skymap: bytes | None = None
    skymap_url: str | None = None
    classification: Mapping[str, float] = field(default_factory=dict)
    p_astro: float | None = None


@dataclass(frozen=True, slots=True)
class GwEvent:
    """A superevent as coincidences see it: what its last alert says.

    Attributes
    ----------
    superevent_id : str
    gps_ns : int
        Merger.
    far_hz : float
    group : {"CBC", "Burst"}
    skymap_fits : bytes or None
    """

    superevent_id: str
    gps_ns: int
    far_hz: float
    group: str = "CBC"
    skymap_fits: bytes | None = None


@dataclass(frozen=True, slots=True)
class Coincidence:
    """What coincides with a superevent, the most significant of all that do; or that nothing does (any more).

    Attributes
    ----------
    gw : GwEvent
        The superevent, as it was compared.
    external : ExternalEvent or None
        None: nothing coincides. Without its raw notice.
    time_difference_ns : int
        External event minus merger: positive where the merger was first.
    window_ns : (int, int)
        What the difference had to lie in.
    time_far_hz : float or None
        Joint false-alarm rate from the times alone; None where it cannot be told.
    sky_far_hz : float or None
        From times and sky maps; None without two maps.
    overlap : float or None
        Integral of the product of the two maps over 1 / 4 pi: 1 says nothing, 0 disjoint.
    combined_fits : bytes or None
        Their product, a multi-order FITS file.
    combined_area50_deg2, combined_area90_deg2 : float or None
    significant : bool
        Whether the joint false-alarm rate alone makes the event significant.
    others : tuple of str
        What coincides besides, less significantly.
    reasons : mapping of str to str
        Why what is None is, by its name.
    """

    gw: GwEvent
    external: ExternalEvent | None
    time_difference_ns: int = 0
    window_ns: tuple[int, int] = (0, 0)
    time_far_hz: float | None = None
    sky_far_hz: float | None = None
    overlap: float | None = None
    combined_fits: bytes | None = None
    combined_area50_deg2: float | None = None
    combined_area90_deg2: float | None = None
    significant: bool = False
    others: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def far_hz(self) -> float | None:
        """The joint false-alarm rate that counts: with the sky where both maps are known."""
        return self.time_far_hz if self.sky_far_hz is None else self.sky_far_hz
