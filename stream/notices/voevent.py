"""VOEvents: GCN's classic notices as XML, and SVOM's.

What they are known by: Packet_Type, or else the beginning of their identity (ivorn). Position and time stand in
WhereWhen, the rest in What as Params; those read are named below. Sources: VOEvent 2.0, https://www.ivoa.net/documents/VOEvent;
GCN's notice types and fields, https://gcn.gsfc.nasa.gov/sock_pkt_def_doc.html and the missions' pages there; SVOM's,
https://fsc.svom.org/readthedocs/svom/notices_and_circulars.
"""

from __future__ import annotations

from stream.codec.xml_tree import Node
from stream.errors import NoticeRefused
from stream.notices.classic import GBM_CLASSES, degrees, rate_hz, run_event
from stream.notices.mission import Mission
from stream.notices.unified import Notice, event_of
from stream.notices.values import Fields, as_number
from stream.notices.whose import by_name, by_packet
from stream.records import ExternalEvent

_TENSE_OF_ROLE = {"test": "test", "prediction": "planned", "observation": "current"}
_FIRST_PACKETS = {60, 61, 97, 110, 131, 149, 173, 174, 175, 176, 201, 202}
_WHOLE_SKY_DEG = 180.0


def read_voevent(root: Node, notice: Notice) -> tuple[ExternalEvent, Fields]:
    """Return the event that a VOEvent tells of, and what of it could not be used.

    Raises
    ------
    NoticeRefused
        If it is no VOEvent, or one that is not read.
    """
    if root.name != "VOEvent":
        raise NoticeRefused("not_a_notice", f"XML of {root.name[:64]!r}, and no VOEvent")
    params = _params(root)
    ivorn = root.attributes.get("ivorn", "").strip()
    if "GraceID" in params:
        raise NoticeRefused("gravitational_wave", f"VOEvent {ivorn[:64]!r}: no other messenger")
    packet = as_number(params["Packet_Type"].attributes.get("value")) if "Packet_Type" in params else None
    mission = by_packet(None if packet is None else int(packet), ivorn.removeprefix("ivo://"))
    if mission is None and ivorn.startswith("ivo://org.svom/"):
        mission = by_name("svom", _value(params, "Instrument") or "")  # its retractions are of one type for all
    if mission is None:
        raise NoticeRefused("unknown_mission", f"VOEvent {ivorn[:64]!r} of packet type {packet}: none that is known")
    role = root.attributes.get("role", "observation")
    if role == "utility" and not mission.refused:
        raise NoticeRefused("not_a_transient", f"VOEvent {ivorn[:64]!r} is a message between instruments")
    data: dict[str, object] = {
        "ivorn": ivorn or None,
        "alert_datetime": next((c.first("Date") for c in root.children if c.name == "Who"), "") or None,
        "alert_tense": "test" if _value(params, "Test_Submission") == "true" else _TENSE_OF_ROLE.get(role, role),
        "alert_type": _alert_type(root, packet, ivorn, _number(params, "Rev", "rev")),
        "record_number": _number(params, "Sequence_Num", "Rev", "rev", "Pkt_Ser_Num"),
        "trigger_time": root.first("ISOTime") or None,
        "healpix_url": _value(params, "HealPix_URL", "Skymap_URL", "skymap_fits", "skymap"),
        "p_astro": _number(params, "signalness", "Signalness"),
        "far": _far(params),
        "classification": _classes(params),
        "id": _ids(params, mission),
        "event_name": _names(root, params) or None,
    }  # fmt: skip
    fields = Fields(data | _place(root, params, mission))
    return event_of(fields, mission, notice), fields


def _names(root: Node, params: dict[str, Node]) -> list[str]:
    """Return the names that inferences about the event, or a param, give it."""
    inferences = (node for why in root.children if why.name == "Why" for node in why.children)
    told = [node.first("Name") for node in inferences if node.name == "Inference"]
    return [name for name in (*told, _value(params, "event_name", "Event_Name")) if name]


def _params(root: Node) -> dict[str, Node]:
    """Return the first Param of each name below What, whatever group it stands in."""
    found: dict[str, Node] = {}
    for what in (child for child in root.children if child.name == "What"):
        for param in what.each("Param"):
            found.setdefault(param.attributes.get("name", ""), param)
    return found


def _value(params: dict[str, Node], *names: str) -> str | None:
    for name in names:
        if name in params and (value := params[name].attributes.get("value", "").strip()):
            return value
    return None


def _number(params: dict[str, Node], *names: str) -> float | None:
    return as_number(_value(params, *names))


def _alert_type(root: Node, packet: float | None, ivorn: str, revision: float | None) -> str:
    cites = {node.attributes.get("cite", "").lower() for node in root.each("EventIVORN")}
    if "retraction" in cites or "retract" in ivorn.lower():
        return "retraction"
    later = bool(cites & {"followup", "supersedes"}) or bool(revision)
    return "update" if later or packet not in _FIRST_PACKETS else "initial"


def _ids(params: dict[str, Node], mission: Mission) -> list[str] | None:
    if mission.source == "IceCube":
        found = run_event(
            _value(params, "run_id", "Run_ID"),
            _value(params, "event_id", "Event_ID"),
            _value(params, "AMON_ID", "amon_id"),
        )
        return [found] if found else None
    told = _value(params, "TrigID", "Burst_Id", "Trans_Num", "Trigger_Number", "Trigger_ID", "Event_ID")
    return [told] if told else None


def _far(params: dict[str, Node]) -> float | None:
    node = params.get("FAR") or params.get("far")
    return None if node is None else rate_hz(node.attributes.get("value", ""), node.attributes.get("unit", ""))


def _classes(params: dict[str, Node]) -> dict[str, object] | None:
    """Return what Fermi's flight software takes the event for; that it is no burst, where a notice says so outright."""
    if _value(params, "Def_NOT_a_GRB") == "true" or _value(params, "StarTrack_Lost_Lock") == "true":
        return {"NOT_A_BURST": 1.0}
    found: dict[str, object] = {}
    for which in ("Most_Likely", "Sec_Most_Likely"):
        index, chance = _number(params, f"{which}_Index"), _number(params, f"{which}_Prob")
        if index is not None and chance is not None and 0 <= chance <= 100:
            found[GBM_CLASSES.get(int(index), f"CLASS_{int(index)}")] = chance / 100
    return found or None


def _place(root: Node, params: dict[str, Node], mission: Mission) -> dict[str, object]:
    """Return the position: none where the coordinates are said to be none, or the error is the whole sky."""
    where = next(root.each("Position2D"), None)
    if where is None or _number(params, "Coords_Type") == 0:
        return {}
    error = _number(params, "src_error_90", "src_error90")
    unit = params["src_error_90"].attributes.get("unit", "deg") if "src_error_90" in params else "deg"
    radius = (
        degrees(error, unit)
        if error
        else degrees(as_number(where.first("Error2Radius")), where.attributes.get("unit", "deg"))
    )
    ra, dec = (degrees(as_number(where.first(axis)), where.attributes.get("unit", "deg")) for axis in ("C1", "C2"))
    if radius is not None and radius >= _WHOLE_SKY_DEG:
        return {}
    systematic = mission.classic_systematic
    if mission.source == "Fermi-GBM":
        systematic = {"true": True, "false": False}.get(_value(params, "Flt_Generated") or "")
    return {
        "ra": ra, "dec": dec, "ra_dec_error": radius, "systematic_included": systematic,
        "containment_probability": mission.classic_containment,
    }  # fmt: skip
