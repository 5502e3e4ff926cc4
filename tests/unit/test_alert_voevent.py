"""LVK's VOEvents are alerts as its JSON is."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.codec.alert import decode
from stream.errors import DataError, SchemaError

FORMS = {
    "1-EarlyWarning": "earlywarning", "2-Preliminary": "preliminary", "3-Initial": "initial", "4-Update": "update",
    "5-Retraction": "retraction", "6-Update": "ext-update",
}  # fmt: skip
MAPS = {"skymap": None, "combined_skymap": None}


@pytest.mark.parametrize(("voevent", "json"), FORMS.items())
def test_each_of_the_user_guide_says_what_its_json_says(voevent: str, json: str, data_dir: Path) -> None:
    folder = data_dir / "alerts/lvk_userguide"
    told, beside = decode((folder / f"MS181101ab-{voevent}.xml").read_bytes())
    expected, _ = decode((folder / f"MS181101ab-{json}.json").read_bytes())
    assert beside == {}
    for name in ("event", "external_coinc"):
        if expected[name] is None:
            assert told[name] is None
            continue
        found, wanted = dict(told[name]), {**expected[name], **{k: None for k in MAPS if k in expected[name]}}
        if name == "event":
            assert found.pop("time").startswith(wanted.pop("time").rstrip("Z"))
        assert found == wanted
    assert (told["alert_type"], told["superevent_id"]) == (expected["alert_type"], expected["superevent_id"])
    assert told["urls"]["gracedb"] == expected["urls"]["gracedb"]


EVENT = """<VOEvent ivorn="ivo://gwnet/LVC#S1-1"><Who><Date>2026-11-29T00:00:00</Date></Who><What>
<Param name="GraceID" value="S261129a"/><Param name="AlertType" value="{kind}"/><Param name="FAR" value="{far}"/>
<Param name="Instruments" value="H1, L1"/><Param name="Group" value="CBC"/><Param name="Pipeline" value="p"/>
<Param name="Search" value="AllSky"/></What><ISOTime>2026-11-29T00:00:00</ISOTime></VOEvent>"""


def test_one_before_significance_was_told_is_significant() -> None:
    record, _ = decode(EVENT.format(kind="Initial", far="1e-9").encode())
    assert record["event"]["significant"] is True
    assert record["event"]["instruments"] == ["H1", "L1"]


@pytest.mark.parametrize(("kind", "far"), [("Initial", "nan"), ("Initial", "often"), ("Initial", ""), ("Odd", "1e-9")])
def test_a_value_that_is_none_is_refused_by_name(kind: str, far: str) -> None:
    with pytest.raises(SchemaError, match=r"alert_type" if kind == "Odd" else r"event\.far"):
        decode(EVENT.format(kind=kind, far=far).encode())


@pytest.mark.parametrize("value", [b"<a/>", b"<", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"  <VOEvent/>"])
def test_other_xml_is_no_alert(value: bytes) -> None:
    with pytest.raises(DataError):
        decode(value)
