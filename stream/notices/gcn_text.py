"""Classic GCN notices as text: lines of ``KEY: value``, a value going on in lines that begin with a space.

The first of several coordinates is that of J2000. A time has two keys: ``…_DATE`` with year, month and day, ``…_TIME``
with the time of day in braces. Source: the examples of GCN's mission pages, https://gcn.gsfc.nasa.gov.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from stream.errors import CodecError, NoticeRefused
from stream.notices.classic import degrees, rate_hz, run_event
from stream.notices.mission import Mission
from stream.notices.unified import Notice, event_of
from stream.notices.values import Fields, as_number
from stream.notices.whose import by_title
from stream.records import ExternalEvent

MAX_TEXT_BYTES = 1 << 18
_MOST_LINES = 2000
_KEY = re.compile(r"([A-Za-z0-9][A-Za-z0-9_ ]{0,31}):(.*)", re.ASCII)
_EVENT = ("GRB", "SRC", "TRANS", "EVENT", "DISCOVERY", "BURST", "TRIGGER", "SN")
"""Beginnings of the keys that tell of the event itself."""
_IDS = ("TRIGGER_NUM", "TRANS_NUM", "EVENT_ID_NUM", "EVENT_ID", "TRIGGER_ID", "BURST_ID")
_DEGREES = re.compile(r"\s*([+-]?\d{1,3}(?:\.\d{1,12})?)d\b", re.ASCII)
_DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d)", re.ASCII)
_TIME_OF_DAY = re.compile(r"\{(\d\d:\d\d:\d\d(?:\.\d{1,9})?)\}", re.ASCII)
_ERROR = re.compile(r"\s*([0-9.eE+-]{1,20})\s*\[(deg|arcmin|arcsec)\b([^\]]{0,100})", re.ASCII | re.IGNORECASE)
_PERCENT = re.compile(r"(\d{1,2}(?:\.\d{1,3})?) ?% ?(?:containment|conf|c\.l|radius|error)", re.ASCII | re.IGNORECASE)
_VALUE = re.compile(r"\s*([0-9.eE+-]{1,20})\s*\[([^\]]{1,20})\]", re.ASCII)
_CLASS = re.compile(r"\s*(\d{1,3})%\s+([A-Za-z][A-Za-z0-9_ ]{0,40})", re.ASCII)
_TAKEN_BACK = re.compile(r"\s*(this is a )?retract", re.IGNORECASE)
_WHOLE_SKY_DEG = 180.0


def is_text_notice(raw: bytes) -> bool:
    """Whether bytes begin as a text notice does."""
    return bool(re.match(rb"\s*(TITLE|NOTICE_TYPE|NOTICE_DATE)\s*:", raw[:256]))


def read_text(raw: bytes, notice: Notice) -> tuple[ExternalEvent, Fields]:
    """Return the event that a text notice tells of, and what of it could not be used.

    Raises
    ------
    NoticeRefused
        If it is a circular, or a notice that is not read.
    CodecError
        If it is too long, or no text in UTF-8.
    """
    lines = _lines(raw)
    title = f"{lines.get('TITLE', '')} {lines.get('NOTICE_TYPE', '')}"
    if "NOTICE" not in title.upper():
        kind = "circular" if "SUBJECT" in lines or "OBSERVATION REPORT" in title.upper() else "not_a_notice"
        raise NoticeRefused(kind, f"text whose title is {title.strip()[:64]!r}: no notice")
    mission = by_title(lines.get("NOTICE_TYPE", "")) or by_title(lines.get("TITLE", ""))
    if mission is None:
        raise NoticeRefused("unknown_mission", f"text notice of {title.strip()[:64]!r}: none that is known")
    data = {
        "alert_datetime": _issued(lines.get("NOTICE_DATE", "")),
        "alert_type": _alert_type(lines),
        "alert_tense": "test" if re.search(r"\btest\b", title, re.IGNORECASE) else None,
        "record_number": as_number(_first(lines, "RECORD_NUM", "REVISION", "SEQUENCE_NUM").split(",")[0]),
        "trigger_time": _event_time(lines),
        "id": _ids(lines, mission),
        "event_name": lines.get("EVENT_NAME") or None,
        "far": _far(lines),
        "p_astro": as_number(lines.get("SIGNALNESS", "").split("[")[0]),
        "healpix_url": _first(lines, "HEALPIX_URL", "SKYMAP_URL", "SKYMAP_FITS_URL") or None,
        "classification": _classes(lines),
    }
    fields = Fields(data | _place(lines, mission))
    return event_of(fields, mission, notice), fields


def _lines(raw: bytes) -> dict[str, str]:
    """Return the first value of each key; comments are joined."""
    if len(raw) > MAX_TEXT_BYTES:
        raise CodecError(f"{len(raw)} bytes of text: at most {MAX_TEXT_BYTES} are read")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CodecError(f"{len(raw)} bytes are no text in UTF-8: {error}") from error
    found: dict[str, list[str]] = {}
    values: list[str] = []
    for line in text.splitlines()[:_MOST_LINES]:
        key = _KEY.match(line)
        if key is None:
            values.append(line)
            continue
        values = [key[2]]
        name = key[1].strip().upper()
        if name == "COMMENTS":
            values = found.setdefault(name, [])
            values.append(key[2])
        else:
            found.setdefault(name, values)
    return {name: "\n".join(parts).strip() for name, parts in found.items()}


def _first(lines: Mapping[str, str], *names: str) -> str:
    return next((lines[name] for name in names if lines.get(name)), "")


def _of_event(lines: Mapping[str, str], ending: str) -> str:
    return _first(lines, *(f"{beginning}_{ending}" for beginning in _EVENT))


def _issued(text: str) -> str | None:
    """Return a time such as ``Fri 12 Apr 24 05:34:35 UT`` in ISO 8601; GCN's months are English."""
    try:
        day = datetime.strptime(text.strip()[:40], "%a %d %b %y %H:%M:%S UT")
    except ValueError:
        return None
    return day.isoformat()


def _event_time(lines: Mapping[str, str]) -> str | None:
    date, time = _DATE.search(_of_event(lines, "DATE")), _TIME_OF_DAY.search(_of_event(lines, "TIME"))
    if date is None or time is None:
        return None
    century = "19" if int(date[1]) >= 80 else "20"
    return f"{century}{date[1]}-{date[2]}-{date[3]}T{time[1]}"


def _alert_type(lines: Mapping[str, str]) -> str:
    kind = lines.get("NOTICE_TYPE", "").lower()
    if "retract" in kind or any(_TAKEN_BACK.match(line) for line in lines.get("COMMENTS", "").split("\n")):
        return "retraction"
    revision = as_number(lines.get("REVISION", ""))
    if revision is not None:
        return "update" if revision > 0 else "initial"
    return "update" if re.search(r"position|update|revis", kind) and "fermi" in kind else "initial"


def _ids(lines: Mapping[str, str], mission: Mission) -> list[str] | None:
    if mission.source == "IceCube":
        found = run_event(lines.get("RUN_NUM"), lines.get("EVENT_NUM"))
        return [found] if found else None
    number = re.match(r"\w{1,64}", _first(lines, *_IDS), re.ASCII)
    return [number[0]] if number else None


def _far(lines: Mapping[str, str]) -> float | None:
    told = _VALUE.match(lines.get("FAR", ""))
    return None if told is None else rate_hz(told[1], told[2])


def _classes(lines: Mapping[str, str]) -> dict[str, object] | None:
    told = [_CLASS.match(lines.get(name, "")) for name in ("MOST_LIKELY", "2ND_MOST_LIKELY")]
    found: dict[str, object] = {re.sub(r"\W+", "_", t[2].strip()).upper(): int(t[1]) / 100 for t in told if t}
    return found or None


def _place(lines: Mapping[str, str], mission: Mission) -> dict[str, object]:
    ra, dec = _DEGREES.match(_of_event(lines, "RA")), _DEGREES.match(_of_event(lines, "DEC"))
    if ra is None or dec is None:
        return {}
    found: dict[str, object] = {"ra": float(ra[1]), "dec": float(dec[1])}
    error = _ERROR.match(_of_event(lines, "ERROR"))
    radius = degrees(as_number(error[1]), error[2]) if error else None
    if error is None or radius is None or radius >= _WHOLE_SKY_DEG:
        return found if radius is None else {}
    percent, words = _PERCENT.search(error[3]), error[3].lower()
    contained = float(percent[1]) / 100 if percent else mission.classic_containment
    systematic = mission.classic_systematic
    if "sys" in words:
        systematic = True
    elif "stat" in words:
        systematic = False
    return found | {"ra_dec_error": radius, "containment_probability": contained, "systematic_included": systematic}
