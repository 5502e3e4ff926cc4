"""Alerts as VOEvents, LVK's oldest form: a stranger's XML, brought into the same typed record as an Avro alert.

GCN sends them on ``gcn.classic.voevent.LVC_*``. A VOEvent holds no map: the address of one is in ``urls`` and is not
opened here. Source: LVK public alerts user guide, "Alert contents", and its examples.
"""

from __future__ import annotations

from typing import Any

from stream.codec.alert.as_json import alert_of
from stream.codec.limits import check_size
from stream.codec.xml_tree import Node, read_xml
from stream.errors import SchemaError

_EXTERNAL = {
    "ivorn": "External_Ivorn",
    "observatory": "External_Observatory",
    "search": "External_Search",
    "time_difference": "Time_Difference",
    "time_coincidence_far": "Time_Coincidence_FAR",
    "time_sky_position_coincidence_far": "Time_Sky_Position_Coincidence_FAR",
}
_URLS = {"gracedb": "EventPage", "skymap": "skymap_fits", "combined_skymap": "joint_skymap_fits"}
_MOST_INT = 2**31


def decode_alert_voevent(payload: bytes) -> dict[str, Any]:
    """Return the alert that a VOEvent of LVK is.

    Raises
    ------
    CodecError, NoticeRefused
        If the bytes are no XML, or beyond its bounds.
    SchemaError
        If it is no VOEvent of a gravitational-wave event, or a value is missing or of another type.
    """
    check_size("alert", payload)
    root = read_xml(payload)
    params = {name: value for group in _groups(root).values() for name, value in group.items()}
    if root.name != "VOEvent" or "GraceID" not in params:
        raise SchemaError(f"XML of {root.name[:64]!r} without a GraceID: expected a VOEvent of LVK")
    alert_type = params.get("AlertType", "").upper()
    return alert_of(
        {
            "alert_type": alert_type,
            "time_created": next((who.first("Date") for who in root.children if who.name == "Who"), ""),
            "superevent_id": params["GraceID"],
            "event": None if alert_type == "RETRACTION" else _event(root, params),
            "external_coinc": _external(params) if "External_Observatory" in params else None,
            "urls": {name: params[key] for name, key in _URLS.items() if key in params},
        }
    )


def _event(root: Node, params: dict[str, str]) -> dict[str, Any]:
    groups = _groups(root)
    return {
        "time": root.first("ISOTime"),
        "far": _number(params.get("FAR")),
        "significant": params.get("Significant", "1") == "1",  # who wrote none sent significant ones alone
        "instruments": [name.strip() for name in params.get("Instruments", "").split(",") if name.strip()],
        "group": params.get("Group"),
        "pipeline": params.get("Pipeline"),
        "search": params.get("Search"),
        "classification": _numbers(groups.get("Classification", {})),
        "properties": _numbers(groups.get("Properties", {})),
        "duration": _number(params.get("Duration")),
        "central_frequency": _number(params.get("CentralFreq")),
        "skymap": None,
    }


def _external(params: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {name: params.get(key) for name, key in _EXTERNAL.items()}
    for name in ("time_difference", "time_coincidence_far", "time_sky_position_coincidence_far"):
        found[name] = _number(found[name])
    notice_id = params.get("External_GCN_Notice_Id", "")
    is_number = notice_id.isascii() and notice_id.isdigit() and int(notice_id[:19]) < _MOST_INT
    return found | {"gcn_notice_id": int(notice_id) if is_number else notice_id, "combined_skymap": None}


def _groups(root: Node) -> dict[str, dict[str, str]]:
    """Return name and value of each Param below What, by its group; those in none stand under an empty name."""
    found: dict[str, dict[str, str]] = {"": {}}
    for what in (child for child in root.children if child.name == "What"):
        for node in what.children:
            group = node.attributes.get("name", "") if node.name == "Group" else ""
            params = node.each("Param") if node.name == "Group" else [node] if node.name == "Param" else []
            for param in params:
                name, value = param.attributes.get("name", ""), param.attributes.get("value", "").strip()
                found.setdefault(group, {}).setdefault(name, value)
    return found


def _numbers(values: dict[str, str]) -> dict[str, Any]:
    return {name: _number(value) for name, value in values.items()}


def _number(text: str | None) -> float | str | None:
    """Return a text as a number; what is none stays as it is, and is refused by the type of its field."""
    try:
        return None if not text else float(text)
    except ValueError:
        return text
