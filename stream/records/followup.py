"""From a candidate to where and what it is: the strain around it, its SNR series, its sky map, its source.

Candidate ─snapshot→ Snapshot ─matched filter→ SnrSeries, MassPosterior ─localize→ SkyMap ─classify→ SourceClass
Localized (all of it, or why not) ─superevent→ Revision
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stream.records.events import Candidate
from stream.records.search import WhitenedSegment
from stream.types import Complex64Array, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the search hands on with a candidate.

    Attributes
    ----------
    candidate : Candidate
    strain : tuple of WhitenedSegment
        One of each detector that was heard, all over the same stretch around the merger. The first of a segment's
        ``filters`` is the one in force where it begins; the others came into force in it. Strain and filters together
        say what the PSD was.
    """

    candidate: Candidate
    strain: tuple[WhitenedSegment, ...]


@dataclass(frozen=True, slots=True)
class SnrSeries:
    """Complex SNR of one template in one detector, around the time that a merger would pass it.

    Attributes
    ----------
    detector : str
    gps_ns : int
        Of the first sample.
    sample_rate_hz : int
    snr : array of complex64, shape (n,)
        z(t) = 4 integral of d(f) h*(f) exp(2 pi i f t) / S(f) over positive frequencies, divided by the template's
        norm: each quadrature has unit variance in noise (E|z|^2 = 2).
    autocorrelation : array of complex64, shape (m,)
        What z is, noise apart, of a signal of SNR 1 with the template's own phase: 1 in the middle, at the same rate.
    sigma_mpc : float
        SNR of the template at 1 Mpc, overhead and face-on: the distance at which that SNR is 1.
    """

    detector: str
    gps_ns: int
    sample_rate_hz: int
    snr: Complex64Array
    autocorrelation: Complex64Array
    sigma_mpc: float


@dataclass(frozen=True, slots=True)
class MassPosterior:
    """What the matched filter says of the masses, as weighted samples; masses are those seen by the detector.

    Attributes
    ----------
    parameters : array of float64, shape (n, 4)
        Masses in solar masses, larger first, and the spins along the orbit.
    weight : array of float64, shape (n,)
        Adds up to 1.
    mchirp_msun, mchirp_std_msun : float
        Mean and standard deviation of the chirp mass.
    """

    parameters: FloatArray
    weight: FloatArray
    mchirp_msun: float
    mchirp_std_msun: float


@dataclass(frozen=True, slots=True)
class SkyMap:
    """A multi-order HEALPix map (NESTED, ICRS) of probability and of distance along each line of sight.

    Attributes
    ----------
    uniq : array of int64, shape (n,)
        Pixels in rising order: 4 ** (order + 1) + index. They cover the sphere once.
    probdensity : array of float64, shape (n,)
        Per steradian.
    distmu_mpc, distsigma_mpc, distnorm : array of float64, shape (n,), or None
        Location, scale and normalisation of the distance ansatz (Singer et al., ApJL 829, L15 (2016)); infinite mu
        where a pixel has no distance. None in a map that has none.
    distmean_mpc, diststd_mpc : float or None
        Over the whole sky.
    detectors : tuple of str
    gps_ns : int or None
        Merger.
    creator : str
    """

    uniq: IntArray
    probdensity: FloatArray
    distmu_mpc: FloatArray | None
    distsigma_mpc: FloatArray | None
    distnorm: FloatArray | None
    distmean_mpc: float | None
    diststd_mpc: float | None
    detectors: tuple[str, ...]
    gps_ns: int | None
    creator: str


@dataclass(frozen=True, slots=True)
class SourceClass:
    """What kind of source a candidate has, as igwn-gwalert-schema 1.3.0 tells it; each is whole or None.

    Attributes
    ----------
    classification : mapping of str to float, or None
        BNS, NSBH, BBH and Terrestrial; adds up to 1.
    properties : mapping of str to float, or None
        HasNS, HasRemnant and HasMassGap, each given that the source is astrophysical.
    mchirp_source : (bin edges in solar masses, probabilities), or None
        Of the chirp mass in the source's frame.
    reasons : mapping of str to str
        Why what is None is.
    """

    classification: Mapping[str, float] | None
    properties: Mapping[str, float] | None
    mchirp_source: tuple[tuple[float, ...], tuple[float, ...]] | None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Localized:
    """What the follow-up of a candidate found; what it did not find is None, with the reason.

    Attributes
    ----------
    candidate : Candidate
        The one that was followed.
    skymap_fits : bytes or None
        The map as a multi-order FITS file.
    area50_deg2, area90_deg2, distance_mpc, distance_std_mpc, mchirp_msun, mchirp_std_msun : float or None
        Of the map; the chirp mass is that seen by the detector.
    source : SourceClass or None
    reasons : mapping of str to str
        Why what is None is: by the names ``skymap``, ``classification``, ``properties``, ``mchirp_source``.
    method : str
        What made the map, such as ``tocsin`` or ``bayestar``.
    seconds : float
        What it took.
    """

    candidate: Candidate
    skymap_fits: bytes | None = None
    area50_deg2: float | None = None
    area90_deg2: float | None = None
    distance_mpc: float | None = None
    distance_std_mpc: float | None = None
    mchirp_msun: float | None = None
    mchirp_std_msun: float | None = None
    source: SourceClass | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    method: str = "tocsin"
    seconds: float = 0.0
