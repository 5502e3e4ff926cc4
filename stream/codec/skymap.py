"""Sky maps as FITS files, as LVK has them: multi-order HEALPix, and flat maps in NESTED or RING order, which are read.

``SkyMap ─encode_skymap→ bytes`` goes into an alert; ``bytes ─decode_skymap→ SkyMap`` comes from an alert or a file,
and is a stranger's. Densities and distances are float64, as LVK's are: 40 bytes a pixel, 0.55 MB for the 13 800 pixels
of a usual map. Densities of 1e-115 occur, which float32 does not hold.
Sources: LVK public alerts user guide, "Sky maps"; Singer et al., ApJL 829, L15 (2016), for the distances.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from mmap import mmap

import numpy as np

from stream.codec.fits_table import Column, FitsTable, Value, read_table, write_table
from stream.codec.flat_map import multi_order
from stream.codec.limits import MAX_FLAT_ORDER, MAX_PIXELS, MAX_SKYMAP_BYTES
from stream.errors import CodecError
from stream.healpix import MAX_ORDER, area_sr, split_uniq
from stream.records import SkyMap
from stream.text import clean
from stream.timebase import gps_ns_to_unix_ns, gps_ns_to_utc, utc_to_gps_ns
from stream.types import AnyArray, FloatArray, IntArray

_KEPT_ORDER = 10
_SIZE = np.left_shift(np.int64(1), 2 * (MAX_ORDER - np.arange(MAX_ORDER + 1)))
"""Of a pixel of each order, in those of the finest."""
_TOLERANCE, _EXACT = 0.02, 1e-6
_DISTANCES = ("DISTMU", "DISTSIGMA", "DISTNORM")
_DETECTOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,31}")
_MAX_DETECTORS = 16
_CLOSEST_MPC, _FARTHEST_MPC = 1e-6, 1e7
"""A parsec, and far beyond what can be seen: what lies outside is no distance."""
_HEADERS = 1 << 19
_LATEST_NS = 1 << 62  # in the year 2126
_MJD_OF_UNIX, _NS_PER_DAY = 40587, 86_400 * 10**9


def encode_skymap(skymap: SkyMap, history: Sequence[str] = (), *, seconds: float | None = None) -> bytes:
    """Return a sky map as a multi-order FITS file; the same map gives the same bytes.

    Parameters
    ----------
    skymap : SkyMap
    history : sequence of str
        Where it comes from, for people: written as HISTORY.
    seconds : float, optional
        What it took to make (RUNTIME).

    Raises
    ------
    CodecError
        If its pixels do not cover the sphere once, or a density is negative, not finite, or they do not add up to 1.
    """
    order = _check_cover(skymap.uniq)
    _check_total(skymap.probdensity, order)
    columns = [Column("UNIQ", skymap.uniq), Column("PROBDENSITY", skymap.probdensity, "sr-1")]
    if skymap.distmu_mpc is not None and skymap.distsigma_mpc is not None and skymap.distnorm is not None:
        columns.append(Column("DISTMU", skymap.distmu_mpc, "Mpc"))
        columns.append(Column("DISTSIGMA", skymap.distsigma_mpc, "Mpc"))
        columns.append(Column("DISTNORM", skymap.distnorm, "Mpc-2"))
    return write_table(columns, _cards(skymap, int(order.max()), seconds), history)


def _cards(skymap: SkyMap, order: int, seconds: float | None) -> list[tuple[str, Value]]:
    cards: list[tuple[str, Value]] = [
        ("PIXTYPE", "HEALPIX"), ("ORDERING", "NUNIQ"), ("COORDSYS", "C"), ("MOCORDER", order),
        ("INDXSCHM", "EXPLICIT"), ("INSTRUME", ",".join(skymap.detectors)),
    ]  # fmt: skip
    if skymap.gps_ns is not None:
        utc = gps_ns_to_utc(skymap.gps_ns).isoformat(timespec="microseconds").removesuffix("+00:00")
        mjd = _MJD_OF_UNIX + gps_ns_to_unix_ns(skymap.gps_ns) / _NS_PER_DAY
        cards += [("DATE-OBS", utc), ("MJD-OBS", mjd)]
    cards.append(("CREATOR", skymap.creator))
    told = {"RUNTIME": seconds, "DISTMEAN": skymap.distmean_mpc, "DISTSTD": skymap.diststd_mpc}
    return cards + [(name, value) for name, value in told.items() if value is not None and math.isfinite(value)]


def decode_skymap(
    payload: bytes | mmap, max_bytes: int = MAX_SKYMAP_BYTES["message"], *, distances: bool = True
) -> SkyMap:
    """Return the sky map of a FITS file, gzipped or not.

    A flat map becomes a multi-order one without loss: equal neighbours are joined; it is made coarser if more than
    12 million pixels are left. Densities that add up to 1 within
    2 % are brought to 1. A pixel whose distance is not finite, or of a width that is none, has none. What the
    header says of detectors, time and creator is taken where it has the expected form.

    Parameters
    ----------
    payload : bytes or mmap
        A stranger's.
    max_bytes : int
        Longest file, after expansion; more is allowed for a file that a person named.
    distances : bool
        Whether those along each line of sight are wanted.

    Raises
    ------
    CodecError
        If it is no FITS file of a sky map in ICRS, is beyond the bounds, does not cover the sphere once, or its
        densities are negative, not finite, or do not add up to 1.
    """
    table = read_table(payload, max_bytes)
    _check_kind(table.header)
    ordering = table.header.get("ORDERING")
    if ordering == "NUNIQ":
        uniq, columns = _multi_order(table, distances)
    elif ordering in ("NESTED", "RING"):
        uniq, columns = _flat(table, distances, ring=ordering == "RING")
    else:
        raise CodecError(f"sky map's ORDERING is {_shown(ordering)}: NUNIQ, NESTED and RING are read")
    if np.any(uniq[1:] < uniq[:-1]):
        at = np.argsort(uniq, kind="stable")
        uniq, columns = uniq[at], [column[at] for column in columns]
    total = _check_total(columns[0], _check_cover(uniq))
    density = columns[0] if abs(total - 1.0) <= _EXACT else columns[0] / total
    mu, sigma, norm = columns[1:] or (None, None, None)
    return SkyMap(
        uniq, density, mu, sigma, norm, _length(table.header, "DISTMEAN"), _length(table.header, "DISTSTD"),
        _detectors(table.header), _time(table.header), clean(str(table.header.get("CREATOR", "")), 68),
    )  # fmt: skip


def is_multi_order(payload: bytes) -> bool:
    """Whether a file that :func:`decode_skymap` reads is a multi-order map already, and not compressed."""
    return payload.startswith(b"SIMPLE") and b"ORDERING= 'NUNIQ   '" in payload[:_HEADERS]


def _check_kind(header: Mapping[str, Value]) -> None:
    """Refuse what is no sky map in ICRS; older maps do not say."""
    if header.get("PIXTYPE", "HEALPIX") != "HEALPIX":
        raise CodecError(f"sky map's PIXTYPE is {_shown(header.get('PIXTYPE'))}: expected HEALPIX")
    if header.get("COORDSYS", "C") not in ("C", "ICRS", "EQUATORIAL"):
        raise CodecError(f"sky map's COORDSYS is {_shown(header.get('COORDSYS'))}: expected C, celestial")


def _multi_order(table: FitsTable, distances: bool) -> tuple[IntArray, list[FloatArray]]:
    """Return the pixels and the columns that belong to them: the density, and three of the distance if there are."""
    uniq = _column(table, "UNIQ").reshape(-1)
    if uniq.dtype.kind != "i":
        raise CodecError("sky map's column UNIQ is not of whole numbers")
    density, others = _density(table, "PROBDENSITY"), _distances(table)
    lengths = {len(uniq), density.size, *(column.size for column in others)}
    if len(lengths) > 1 or not 12 <= len(uniq) <= MAX_PIXELS:
        raise CodecError(f"sky map has columns of {sorted(lengths)} pixels: expected one length, 12 to {MAX_PIXELS}")
    told = [column.reshape(-1).astype(np.float64) for column in (density, *(others if distances else ()))]
    return uniq.astype(np.int64), _sound(told)


def _flat(table: FitsTable, distances: bool, *, ring: bool) -> tuple[IntArray, list[FloatArray]]:
    if table.header.get("INDXSCHM", "IMPLICIT") != "IMPLICIT":
        raise CodecError("sky map is flat and of a part of the sky (INDXSCHM EXPLICIT): the whole sky is read")
    name = next((n for n in ("PROB", "PROBABILITY", "PROBDENSITY") if n in table.columns), "PROB")
    columns = [_density(table, name), *_distances(table)]
    count = columns[0].size
    order = (count // 12).bit_length() // 2
    if count != 12 << (2 * order) or order > MAX_FLAT_ORDER:
        raise CodecError(
            f"flat sky map has {count} pixels: expected 12 * 4 ** order, of order {MAX_FLAT_ORDER} at most"
        )
    if table.header.get("NSIDE", 1 << order) != 1 << order:
        raise CodecError(f"flat sky map's NSIDE is {_shown(table.header.get('NSIDE'))}: it has pixels for {1 << order}")
    if any(column.size != count for column in columns):
        raise CodecError("flat sky map's columns are of different lengths")
    scale = 1.0 if name == "PROBDENSITY" else float(area_sr(np.array(order)))

    columns = columns if distances else columns[:1]

    def sound(part: list[FloatArray]) -> list[FloatArray]:
        return _sound([part[0] / scale, *part[1:]])

    found = multi_order(order, columns, ring=ring, sound=sound, most=MAX_PIXELS)
    if found is None:  # hardly two pixels are equal: it is made coarser until all of them may be kept
        found = multi_order(order, columns, ring=ring, sound=sound, most=MAX_PIXELS, coarser=order - _KEPT_ORDER)
    assert found is not None
    return found


def _column(table: FitsTable, name: str) -> AnyArray:
    if name not in table.columns:
        raise CodecError(f"sky map has no column {name} of numbers; it has {_shown(', '.join(table.columns))}")
    return table.columns[name]


def _density(table: FitsTable, name: str) -> AnyArray:
    """Return a column of probabilities: no whole numbers, of a byte each, or a short file were a map of 12 million."""
    column = _column(table, name)
    if column.dtype.kind != "f":
        raise CodecError(f"sky map's column {name} is of whole numbers: probabilities are expected")
    return column


def _distances(table: FitsTable) -> tuple[AnyArray, ...]:
    """Return location, scale and norm as they are in a file, or nothing where a map has not all three."""
    if not set(_DISTANCES) <= set(table.columns):
        return ()
    return tuple(table.columns[name] for name in _DISTANCES)


def _sound(columns: list[FloatArray]) -> list[FloatArray]:
    """Return density and, where there are, location, scale and norm: no distance where it is not finite or absurd."""
    if len(columns) == 1:
        return columns
    density, mu, sigma, norm = columns
    known = (np.abs(mu) < _FARTHEST_MPC) & (sigma > _CLOSEST_MPC) & (sigma < _FARTHEST_MPC) & (norm >= 0)
    known &= norm < 1 / _CLOSEST_MPC**2
    if known.all():
        return columns
    return [density, np.where(known, mu, np.inf), np.where(known, sigma, 1.0), np.where(known, norm, 0.0)]


def _check_cover(uniq: IntArray) -> IntArray:
    """Return the pixels' orders, if the pixels cover the sphere once."""
    if len(uniq) == 0 or uniq.min() < 4 or uniq.max() >= 1 << 62:
        raise CodecError(f"sky map has a pixel that is none: UNIQ goes from 4 to {(1 << 62) - 1}")
    order, index = split_uniq(uniq)
    size = _SIZE.take(order)
    # The middle of a pixel, in halves of the finest: its lowest bit is the pixel's size, so that it sorts alone.
    middle = np.sort((2 * index + 1) * size)
    half = middle & -middle
    first, last = middle - half, middle + half
    if first[0] != 0 or last[-1] != 24 << (2 * MAX_ORDER) or np.any(first[1:] != last[:-1]):
        raise CodecError(_why_no_cover(uniq, order, index * size, size))
    return order


def _why_no_cover(uniq: IntArray, order: IntArray, first: IntArray, size: IntArray) -> str:
    by_place = np.argsort(first, kind="stable")
    within = first[by_place][1:] < (first + size)[by_place][:-1]
    if np.any(within):
        return f"sky map's pixel UNIQ {uniq[by_place][1:][within][0]} lies in another of its pixels"
    part = float(np.sum(area_sr(order))) / (4 * math.pi)
    return f"sky map covers {part:.6f} of the sky: expected all of it"


def _check_total(density: FloatArray, order: IntArray) -> float:
    """Return what the densities add up to, if that is near 1 and each is a density."""
    if not (density.min() >= 0 and density.max() < np.inf):  # neither is NaN
        raise CodecError("sky map has a probability density that is negative or not finite")
    total = float(np.sum(density * area_sr(order)))
    if abs(total - 1.0) > _TOLERANCE:
        raise CodecError(f"sky map's probability adds up to {total:.6g}: expected 1 within {_TOLERANCE}")
    return total


def _length(header: Mapping[str, Value], name: str) -> float | None:
    value = header.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _FARTHEST_MPC:
        return None
    return float(value)


def _detectors(header: Mapping[str, Value]) -> tuple[str, ...]:
    names = [name.strip() for name in str(header.get("INSTRUME", "")).split(",")[:_MAX_DETECTORS]]
    return tuple(name for name in names if _DETECTOR.fullmatch(name))


def _time(header: Mapping[str, Value]) -> int | None:
    """Return the time of DATE-OBS, GPS; None where none of its form is told."""
    try:
        utc = datetime.fromisoformat(str(header.get("DATE-OBS")))
    except ValueError:
        return None
    gps_ns = utc_to_gps_ns(utc if utc.tzinfo is not None else utc.replace(tzinfo=UTC))
    return gps_ns if 0 <= gps_ns < _LATEST_NS else None


def _shown(value: object) -> str:
    return repr(value)[:80]
