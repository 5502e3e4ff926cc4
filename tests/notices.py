"""Notices for tests: made here after the public ones of each mission, and what of an event a test compares."""

from __future__ import annotations

import json
from pathlib import Path

from stream.notices import read_notice
from stream.records import ExternalEvent
from stream.timebase import gps_ns_to_iso

RECEIVED_NS = 1_480_000_000 * 10**9
"""In 2026: later than every example."""


def read_one(payload: bytes | dict[str, object], topic: str = "") -> ExternalEvent:
    """Return the one event of a notice; an object is sent as JSON."""
    (event,) = read_notice(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), RECEIVED_NS, topic)
    return event


def grb(**changes: object) -> dict[str, object]:
    """Return a notice of Fermi GBM with some values changed; None leaves one out."""
    notice: dict[str, object] = {
        "$schema": "https://gcn.nasa.gov/schema/main/gcn/notices/fermi/gbm/trigger.schema.json",
        "mission": "Fermi", "instrument": "GBM", "alert_type": "update", "alert_tense": "current", "record_number": 3,
        "id": ["524666471", "bn170817529"], "event_name": "GRB 170817A", "trigger_time": "2017-08-17T12:41:06.47Z",
        "ra": 176.8, "dec": -39.8, "ra_dec_error": 11.6, "containment_probability": 0.68, "systematic_included": False,
    }  # fmt: skip
    return {key: value for key, value in (notice | changes).items() if value is not None}


def told(event: ExternalEvent) -> str:
    """Return what an event is, in a line."""
    place = "nowhere"
    if event.ra_deg is not None:
        parts = [event.ra_deg, event.dec_deg, event.error_radius_deg, event.error_minor_deg, event.error_angle_deg]
        place = " ".join(f"{part:g}" for part in parts if part is not None) + (
            f" {event.containment:g}" if event.containment else ""
        )
    place += f" {len(event.corners_deg)} corners" * bool(event.corners_deg) + " map at URL" * bool(event.skymap_url)
    kind = f"{event.alert_type} {event.search} {event.tense} {event.revision}"
    return f"{event.source} {event.event_id} {kind} {gps_ns_to_iso(event.gps_ns)} {place}"


def alert_files(data_dir: Path) -> list[Path]:
    """Return every file of the public alerts."""
    return sorted(path for path in (data_dir / "alerts").rglob("*") if path.is_file())


def voevent(ivorn: str, params: dict[str, str], place: str = "", role: str = "observation", rest: str = "") -> bytes:
    """Return a VOEvent as GCN writes it; a param may be written as ``name:unit``."""
    what = "".join(
        f'<Param name="{name.partition(":")[0]}" value="{value}" unit="{name.partition(":")[2]}" />'
        for name, value in params.items()
    )
    return f"""<?xml version = '1.0' encoding = 'UTF-8'?>
<voe:VOEvent ivorn="ivo://{ivorn}" role="{role}" version="2.0" xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0">
<Who><AuthorIVORN>ivo://nasa.gsfc.tan/gcn</AuthorIVORN><Date>2017-08-17T12:41:20</Date></Who>
<What>{what}<Group name="Misc_Flags"><Param name="Flt_Generated" value="false" /></Group></What>
<WhereWhen><ObsDataLocation><ObservationLocation><AstroCoords coord_system_id="UTC-FK5-GEO">
<Time unit="s"><TimeInstant><ISOTime>2017-08-17T12:41:06.47</ISOTime></TimeInstant></Time>{place}
</AstroCoords></ObservationLocation></ObsDataLocation></WhereWhen>{rest}</voe:VOEvent>""".encode()


def circle(ra: float, dec: float, error: float | str) -> str:
    return (
        f'<Position2D unit="deg"><Name1>RA</Name1><Name2>Dec</Name2><Value2><C1>{ra}</C1><C2>{dec}</C2></Value2>'
        f"<Error2Radius>{error}</Error2Radius></Position2D>"
    )


GROUND = voevent(
    "nasa.gsfc.gcn/Fermi#GBM_Gnd_Pos_2017-08-17T12:41:06.47_524666471_57-431",
    {"Packet_Type": "112", "TrigID": "524666471", "Sequence_Num": "57", "Coords_Type": "1"},
    circle(176.8, -39.8, 11.6),
    rest='<Citations><EventIVORN cite="followup">ivo://nasa.gsfc.gcn/Fermi#GBM_Alert_x</EventIVORN></Citations>',
)
ICECUBE = voevent(
    "nasa.gsfc.gcn/AMON#ICECUBE_BRONZE_Event2024-04-12T05:33:46.89_25_139279_010803235_0",
    {
        "Packet_Type": "174", "run_id": "139279", "event_id": "10803235", "FAR:yr^-1": "3.4096", "signalness": "0.3091",
        "src_error_90:deg": "1.1537", "src_error_50:deg": "0.4493", "Rev": "0",
    },
    circle(103.7861, 5.8716, 0.4493),
)  # fmt: skip
FERMI_TEXT = b"""TITLE:           GCN/FERMI NOTICE
NOTICE_DATE:     Thu 17 Aug 17 12:41:31 UT
NOTICE_TYPE:     Fermi-GBM Ground Position
RECORD_NUM:      57
TRIGGER_NUM:     524666471
GRB_RA:          176.800d {+11h 47m 12s} (J2000),
                 177.018d {+11h 48m 04s} (current),
                 176.165d {+11h 44m 40s} (1950)
GRB_DEC:         -39.800d {-39d 47' 59"} (J2000),
                 -39.897d {-39d 53' 49"} (current),
                 -39.522d {-39d 31' 18"} (1950)
GRB_ERROR:       11.60 [deg radius, statistical only]
GRB_DATE:        17982 TJD;   229 DOY;   17/08/17
GRB_TIME:        45666.47 SOD {12:41:06.47} UT
MOST_LIKELY:     97% GRB
2nd_MOST_LIKELY: 2% Generic SGR
COMMENTS:        Fermi-GBM Ground-calculated Coordinates.
COMMENTS:        This Notice was ground-generated -- not flight-generated.
"""
AS_OBJECTS: dict[str, object] = {
    "ivorn": "ivo://nasa.gsfc.gcn/Fermi#GBM_Gnd_Pos_x", "role": "observation", "version": "2.0",
    "Who": {"Date": "2017-08-17T12:41:20"},
    "What": {"Param": [{"name": "Packet_Type", "value": "112"}, {"name": "TrigID", "value": "524666471"}],
             "Group": {"name": "Misc_Flags", "Param": {"name": "Flt_Generated", "value": "false"}}},
    "WhereWhen": {"ObsDataLocation": {"ObservationLocation": {"AstroCoords": {
        "Time": {"unit": "s", "TimeInstant": {"ISOTime": "2017-08-17T12:41:06.47"}},
        "Position2D": {"unit": "deg", "Value2": {"C1": "176.8", "C2": "-39.8"}, "Error2Radius": "11.6"},
    }}}},
    "Citations": {"EventIVORN": {"cite": "followup", "#text": "ivo://x"}},
}  # fmt: skip
"""A VOEvent as hop-client writes it within JSON."""
