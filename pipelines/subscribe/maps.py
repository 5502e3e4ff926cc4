"""The sky map of an alert or a file that somebody has: ours or LVK's, Avro or JSON, multi-order or flat.

What is in it is a stranger's: it is read within bounds, printed cleaned, and names no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream.codec.alert import decode_file
from stream.codec.limits import MAX_SKYMAP_BYTES
from stream.codec.skymap import decode_skymap, encode_skymap, is_multi_order
from stream.codec.skymap_file import open_skymap
from stream.errors import DataError
from stream.records import SkyMap
from stream.regions import area_text, credible_areas_deg2, distance_text, most_probable_deg
from stream.text import clean
from stream.timebase import gps_ns_to_iso

FITS = (b"SIMPLE  =", b"\x1f\x8b")
"""How a FITS file begins, and one that is gzipped."""
_LONGEST_START = 16
_WORD = 64


@dataclass(frozen=True, slots=True)
class FoundMap:
    """A sky map and where it stood.

    Attributes
    ----------
    skymap : SkyMap
    fits : bytes
        As it came, of any form that :func:`stream.codec.skymap.decode_skymap` reads; none of a file that is very long.
    superevent_id, alert_type : str or None
        What its alert says, cleaned; None of a FITS file.
    """

    skymap: SkyMap
    fits: bytes
    superevent_id: str | None = None
    alert_type: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what the map says, as JSON can hold it; names are stable."""
        skymap = self.skymap
        area50, area90 = credible_areas_deg2(skymap, (0.5, 0.9))
        ra, dec = most_probable_deg(skymap)
        return {
            "superevent_id": self.superevent_id, "alert_type": self.alert_type, "area50_deg2": area50,
            "area90_deg2": area90, "distance_mpc": skymap.distmean_mpc, "distance_std_mpc": skymap.diststd_mpc,
            "ra_deg": ra, "dec_deg": dec, "detectors": list(skymap.detectors), "gps_ns": skymap.gps_ns,
            "time": None if skymap.gps_ns is None else gps_ns_to_iso(skymap.gps_ns), "creator": skymap.creator,
            "pixels": len(skymap.uniq),
        }  # fmt: skip

    def as_text(self) -> str:
        """Return what the map says for people."""
        told, skymap = self.as_dict(), self.skymap
        lines = [
            f"50 %: {area_text(told['area50_deg2'])}   90 %: {area_text(told['area90_deg2'])}",
            f"distance: {distance_text(skymap)}",
            f"most probable: RA {told['ra_deg']:.2f}° Dec {told['dec_deg']:+.2f}°",
            f"detectors: {'+'.join(skymap.detectors) or 'not told'}",
            f"merger: {told['time'] or 'not told'}",
            f"made by: {skymap.creator or 'not told'}",
        ]
        if self.superevent_id is not None:
            lines.insert(0, f"{self.superevent_id}  {self.alert_type}")
        return "\n".join(lines)

    def as_multi_order(self) -> bytes:
        """Return the map as a multi-order FITS file: as it came if it is one, else written anew."""
        if is_multi_order(self.fits):
            return self.fits
        return encode_skymap(self.skymap, ["Made multi-order without loss from a flat or compressed sky map."])


def read_map(path: Path, *, combined: bool = False, superevent_id: str | None = None) -> FoundMap:
    """Return the sky map of a file: a FITS file, an alert (Avro, JSON), or a file of several alerts (Avro).

    Parameters
    ----------
    path : Path
    combined : bool
        Take the map that is combined with another messenger's, in ``external_coinc``.
    superevent_id : str, optional
        Look at this superevent's alerts only. Of several alerts the last one that has a map counts.

    Raises
    ------
    DataError
        If it is none of these, or has no map: with the reason that it tells.
    """
    with path.open("rb") as file:
        if file.read(_LONGEST_START).startswith(FITS):
            small = path.stat().st_size <= MAX_SKYMAP_BYTES["file"]
            return FoundMap(open_skymap(path), path.read_bytes() if small else b"")
    payload = _bounded(path)
    told = _alerts(path, payload, superevent_id)
    for record, _ in reversed(told):
        found = map_of(record, combined=combined)
        if found is not None:
            return found
    raise DataError(f"{path} has no {'combined ' if combined else ''}sky map: {_why(*told[-1], combined)}")


def map_of(record: dict[str, Any], *, combined: bool = False) -> FoundMap | None:
    """Return the sky map of an alert's record, or that combined with another messenger's; None where it has none.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    fits = _combined(record) if combined else _of_event(record)
    if fits is None:
        return None
    return FoundMap(decode_skymap(fits), fits, clean(record["superevent_id"], _WORD), record["alert_type"])


def read_kept(path: Path, superevent_id: str | None = None) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the alerts of one event in a file, at least one: each record, and what it says beside.

    Parameters
    ----------
    path : Path
        An alert (Avro, JSON), or several (Avro).
    superevent_id : str, optional
        Which event; without it that of the last alert.

    Raises
    ------
    DataError
        If there is none.
    """
    told = _alerts(path, _bounded(path), superevent_id)
    return [one for one in told if one[0]["superevent_id"] == told[-1][0]["superevent_id"]]


def _bounded(path: Path) -> bytes:
    if path.stat().st_size > MAX_SKYMAP_BYTES["file"]:
        raise DataError(f"{path} is longer than {MAX_SKYMAP_BYTES['file']} bytes: no sky map and no alert is")
    return path.read_bytes()


def _alerts(path: Path, payload: bytes, superevent_id: str | None) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    told = decode_file(payload)
    if superevent_id is not None:
        told = [(record, extra) for record, extra in told if record["superevent_id"] == superevent_id]
    if not told:
        raise DataError(f"{path} holds no alert" + (f" of {superevent_id}" if superevent_id is not None else ""))
    return told


def _of_event(record: dict[str, Any]) -> bytes | None:
    event = record["event"]
    return None if event is None or event["skymap"] is None else bytes(event["skymap"])


def _combined(record: dict[str, Any]) -> bytes | None:
    external = record["external_coinc"]
    return None if external is None or external["combined_skymap"] is None else bytes(external["combined_skymap"])


def _why(record: dict[str, Any], extra: dict[str, Any], combined: bool) -> str:
    """Return why an alert has no map, as far as it says."""
    name = f"{record['superevent_id']} ({record['alert_type']})"
    if record["event"] is None:
        return f"{name} withdraws the event"
    if combined:
        return f"{name} tells of no other messenger" if record["external_coinc"] is None else f"{name} has none"
    unknown = extra.get("unknown")
    reason = unknown.get("skymap") if isinstance(unknown, dict) else None
    if isinstance(reason, str):
        return f"{name} says: {reason}"
    return f"{name} does not say why; our alerts do in their headers and in their JSON form"
