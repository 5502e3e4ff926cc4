"""Classic notices, as VOEvents and as text, and in SCiMMA's wrapping: the same event as in the unified notices."""

from __future__ import annotations

import json
from typing import Any

import pytest
from notices import AS_OBJECTS, FERMI_TEXT, GROUND, ICECUBE, RECEIVED_NS, circle, grb, read_one, voevent

from stream.errors import CodecError, NoticeRefused
from stream.notices import read_notice
from stream.timebase import gps_ns_to_iso

YEAR_S = 365.25 * 86_400


def refusal(payload: bytes) -> str:
    """Return the word by which a notice is refused."""
    with pytest.raises(NoticeRefused) as refused:
        read_one(payload)
    return refused.value.kind


def test_one_burst_is_the_same_event_in_every_form() -> None:
    """The trigger number, the time and the place agree between unified notice, VOEvent and text."""
    unified, xml, text = read_one(grb()), read_one(GROUND), read_one(FERMI_TEXT)
    for other in (xml, text):
        for name in ("source", "event_id", "notice_id", "gps_ns", "ra_deg", "dec_deg", "error_radius_deg",
                     "containment", "search", "messenger", "alert_type", "systematic_included"):  # fmt: skip
            assert getattr(unified, name) == getattr(other, name), name
    assert (xml.raw_format, text.raw_format, xml.revision, text.revision) == ("voevent", "text", 57, 57)
    assert xml.ivorn.startswith("ivo://nasa.gsfc.gcn/Fermi#GBM_Gnd_Pos")
    assert text.issued_ns is not None
    assert gps_ns_to_iso(text.issued_ns) == "2017-08-17T12:41:31.000Z"
    assert text.classification == {"GRB": 0.97, "GENERIC_SGR": 0.02}


def test_an_alert_of_a_burst_has_no_place_though_it_has_coordinates() -> None:
    """Fermi's first notice says 0, 0: coordinates of type 0 are none."""
    alert = read_one(
        voevent(
            "nasa.gsfc.gcn/Fermi#GBM_Alert_x",
            {"Packet_Type": "110", "TrigID": "524666471", "Coords_Type": "0"},
            circle(0, 0, 0),
        )
    )
    assert (alert.alert_type, alert.ra_deg, alert.error_radius_deg) == ("initial", None, None)


def test_flight_positions_hold_the_systematic_error_and_what_they_are_taken_for() -> None:
    params = {"Packet_Type": "111", "TrigID": "792135758", "Flt_Generated": "true", "Most_Likely_Index": "8",
              "Most_Likely_Prob": "72", "Sec_Most_Likely_Index": "4", "Sec_Most_Likely_Prob": "25"}  # fmt: skip
    event = read_one(voevent("nasa.gsfc.gcn/Fermi#GBM_Flt_Pos_x", params, circle(163.8, -35.4, 13.2667)))
    assert event.systematic_included is True
    assert event.classification == {"SOLAR_FLARE": 0.72, "GRB": 0.25}
    submitted = read_one(voevent("x#y", params | {"Test_Submission": "true"}, circle(1, 2, 3)))
    assert submitted.tense == "test"
    no_burst = read_one(voevent("x#y", params | {"Def_NOT_a_GRB": "true"}, circle(1, 2, 3)))
    assert no_burst.classification == {"NOT_A_BURST": 1.0}


def test_a_neutrino_is_the_same_event_in_every_form_and_its_rate_is_in_hertz() -> None:
    """Classic notices have rates per year, and the unified one Hz; run and number make its identity."""
    xml = read_one(ICECUBE)
    assert (xml.source, xml.event_id, xml.search) == ("IceCube", "139279_10803235", "HEN")
    assert (xml.error_radius_deg, xml.containment) == (1.1537, 0.9), "the radius of 90 %, not that of 50 %"
    assert xml.far_hz == pytest.approx(3.4096 / YEAR_S)
    assert xml.p_astro == 0.3091
    assert (xml.alert_type, xml.revision) == ("initial", 0)
    later = read_one(ICECUBE.replace(b'name="Rev" value="0"', b'name="Rev" value="1"'))
    assert (later.alert_type, later.revision, later.event_id) == ("update", 1, xml.event_id)
    joined = voevent("nasa.gsfc.gcn/AMON#ICECUBE_Cascade_Event", {"Packet_Type": "176", "AMON_ID": "13688925590129"})
    assert read_one(joined).event_id == "136889_25590129"
    assert refusal(voevent("x#y", {"Packet_Type": "173", "run_id": "1", "event_id": "1e5"})) == "no_event_id"
    unit = voevent("x#y", {"Packet_Type": "173", "run_id": "1", "event_id": "2", "FAR": "3.4"})
    assert read_one(unit).far_hz is None, "a rate without unit is never guessed"


def test_a_text_of_icecube_gives_the_place_of_j2000(data_dir: Any) -> None:
    event = read_one((data_dir / "alerts/hop_client_tests/example_gcn.txt").read_bytes())
    assert (event.event_id, event.ra_deg, event.dec_deg) == ("139279_10803235", 103.7861, 5.8716)
    assert event.error_radius_deg == pytest.approx(69.22 / 60)
    assert (event.containment, event.systematic_included, event.tense) == (0.9, False, "current")
    assert event.far_hz == pytest.approx(3.4096 / YEAR_S)
    assert gps_ns_to_iso(event.gps_ns) == "2024-04-12T05:33:46.890Z"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("7.15 [deg radius, statistical plus systematic]", (7.15, 0.68, True)),
        ("429 [arcmin radius, statistical only]", (7.15, 0.68, False)),
        ("7.15 [deg radius, stat+sys, 90% containment]", (7.15, 0.9, True)),
        ("7.15 [deg radius]", (7.15, 0.68, None)),
        ("7.15 [furlongs]", (None, None, None)),
        ("Undefined", (None, None, None)),
    ],
)
def test_the_error_of_a_text_says_what_it_holds(told: str, expected: tuple[object, ...]) -> None:
    text = FERMI_TEXT.replace(b"11.60 [deg radius, statistical only]", told.encode())
    event = read_one(text)
    radius = None if event.error_radius_deg is None else round(event.error_radius_deg, 6)
    assert (radius, event.containment, event.systematic_included) == expected
    assert event.ra_deg == 176.8


def test_a_warning_of_a_supernova_has_no_place_where_its_error_is_the_whole_sky() -> None:
    xml = voevent(
        "nasa.gsfc.gcn/SNEWS#Event_x", {"Packet_Type": "149", "TrigID": "1000267"}, circle(0, 0, 360), role="test"
    )
    event = read_one(xml)
    assert (event.source, event.search, event.tense, event.ra_deg) == ("SNEWS", "SNEWS", "test", None)
    text = b"""TITLE:            GCN/SNEWS EVENT NOTICE
NOTICE_TYPE:      TEST COINCIDENCE
TRIGGER_NUM:      1000267
EVENT_RA:         0.000d {+00h 00m 00s} (J2000),
EVENT_DEC:        +0.000d {+00d 00' 00"} (J2000),
EVENT_ERROR:      360.0 [deg, radius, statistical plus systematic]
EVENT_DATE:       18883 TJD;    35 DOY;   20/02/04
EVENT_TIME:       61200.00 SOD {17:00:00.00} UT
"""
    event = read_one(text)
    assert (event.source, event.event_id, event.tense, event.ra_deg) == ("SNEWS", "1000267", "test", None)


def test_a_burst_of_swift_is_a_circle_of_90_percent_and_what_follows_up_is_refused() -> None:
    params = {"Packet_Type": "61", "TrigID": "1159327", "GRB_Identified": "true"}
    event = read_one(voevent("nasa.gsfc.gcn/SWIFT#BAT_GRB_Pos_1159327-805", params, circle(10, 20, 0.05)))
    assert (event.source, event.event_id, event.containment, event.systematic_included) == (
        "Swift-BAT",
        "1159327",
        0.9,
        False,
    )
    assert refusal(voevent("nasa.gsfc.gcn/SWIFT#XRT_Pos_1159327-1", params | {"Packet_Type": "67"})) == "follow_up"


def test_a_burst_of_svom_is_known_by_its_number() -> None:
    params = {"Packet_Type": "202", "Burst_Id": "sb26021102", "Instrument": "ECLAIRs"}
    event = read_one(voevent("org.svom/fsc#sb26021102_eclairs-wakeup", params, circle(86.9, -0.4, 0.1)))
    assert (event.source, event.event_id, event.alert_type) == ("SVOM-ECLAIRs", "sb26021102", "initial")
    assert refusal(voevent("org.svom/fsc#sb1_eclairs-catalog", params | {"Packet_Type": "203"})) == "known_source"
    assert refusal(voevent("org.svom/fsc#sb1_mxt-initial", params | {"Packet_Type": "209"})) == "follow_up"


def test_a_retraction_of_svom_finds_its_instruments_event() -> None:
    """One packet type for all of them, and no place: burst and instrument are named."""
    cites = (
        '<Citations><EventIVORN cite="retraction">ivo://org.svom/fsc#sb26021102_eclairs-wakeup</EventIVORN></Citations>'
    )
    params = {"Packet_Type": "219", "Burst_Id": "sb26021102", "Instrument": "ECLAIRs"}
    event = read_one(voevent("org.svom/fsc#sb26021102_retraction", params, rest=cites))
    assert (event.source, event.event_id, event.alert_type) == ("SVOM-ECLAIRs", "sb26021102", "retraction")


@pytest.mark.parametrize("text", ["1_000", "nan", "inf", "1e999", "0x10", "\u0661", "1 2", "", "--1"])
def test_what_is_no_number_in_plain_digits_is_none(text: str) -> None:
    event = read_one(voevent("x#y", {"Packet_Type": "110", "TrigID": "1"}, circle(1, 2, text)))
    assert (event.ra_deg, event.error_radius_deg) == (1.0, None)


def test_subthreshold_bursts_have_their_own_search_and_map() -> None:
    url = "https://gcn.gsfc.nasa.gov/notices_gbm_sub/gbm_subthresh_604671025.728000_healpix.fits"
    params = {"Packet_Type": "131", "Trans_Num": "604671025", "HealPix_URL": url, "FAR:Hz": "1e-5"}
    event = read_one(voevent("nasa.gsfc.gcn/Fermi#GBM_SubThresh_x", params))
    assert (event.search, event.event_id, event.skymap_url, event.far_hz) == ("SubGRB", "604671025", url, 1e-5)


def test_a_retraction_cites_what_it_takes_back() -> None:
    cites = '<Citations><EventIVORN cite="retraction">ivo://x</EventIVORN></Citations>'
    assert (
        read_one(voevent("x#y", {"Packet_Type": "173", "run_id": "1", "event_id": "2"}, rest=cites)).alert_type
        == "retraction"
    )
    text = FERMI_TEXT.replace(b"COMMENTS:        Fermi-GBM", b"COMMENTS:        RETRACTION: Fermi-GBM")
    assert read_one(text).alert_type == "retraction"


def test_other_xml_and_texts_have_a_word() -> None:
    wave = voevent("gwnet/LVC#S200302c-1-Preliminary", {"Packet_Type": "150", "GraceID": "S200302c"})
    assert refusal(wave) == "gravitational_wave"
    assert refusal(voevent("nasa.gsfc.gcn/LVC#x", {"Packet_Type": "150"})) == "gravitational_wave"
    assert refusal(b"<LIGO_LW><Table/></LIGO_LW>") == "not_a_notice"
    assert refusal(voevent("nasa.gsfc.gcn/HAWC#x", {"Packet_Type": "171"})) == "unknown_mission"
    assert refusal(voevent("nasa.gsfc.gcn/Fermi#GBM_x", {"Packet_Type": "110"})) == "no_event_id"
    assert (
        refusal(voevent("nasa.gsfc.gcn/Fermi#GBM_x", {"Packet_Type": "110", "TrigID": "1"}, role="utility"))
        == "not_a_transient"
    )
    assert refusal(voevent("nasa.gsfc.gcn/Fermi#GBM_x", {"TrigID": "1"}, role="rumour")) == "bad_value"
    assert refusal(b"TITLE: GCN CIRCULAR\nNUMBER: 1\nSUBJECT: GRB\nFROM: x\n\nWe observed") == "circular"
    assert refusal(b"TITLE: GCN/LVC NOTICE\nNOTICE_TYPE: LVC Preliminary\n") == "gravitational_wave"
    assert refusal(b"TITLE: GCN/HAWC NOTICE\nNOTICE_TYPE: HAWC Burst\n") == "unknown_mission"
    assert refusal(b"TITLE: a poem\n") == "not_a_notice"


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><VOEvent>&a;</VOEvent>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><VOEvent/>',
        b'<?xml version="1.0"?><!DOCTYPE VOEvent><VOEvent/>',
    ],
)
def test_document_types_are_refused_before_they_mean_anything(document: bytes) -> None:
    assert refusal(document) == "doctype"


@pytest.mark.parametrize(
    "document",
    [
        b"<a>" * 40 + b"</a>" * 40, b"<a>" + b"<b/>" * 20_001 + b"</a>", b"<a>" + b" " * (1 << 20) + b"</a>",
        b"<a", b"<a></b>", b"<a>\xff</a>", b"<a>&undefined;</a>", b"<a/><a/>",
        b'<?xml version="1.0" encoding="utf-7"?><a>',
        b"TITLE: GCN/FERMI NOTICE\n" + b"x" * (1 << 18), b"TITLE: GCN/FERMI NOTICE \xff",
    ],
)  # fmt: skip
def test_documents_are_bounded_and_sound(document: bytes) -> None:
    with pytest.raises(CodecError):
        read_notice(document, RECEIVED_NS)


def test_hop_wraps_documents_and_words() -> None:
    """SCiMMA's JSON around a VOEvent (as text or as objects), a notice, a circular; none within another."""
    event = read_one(json.dumps({"format": "voevent", "content": GROUND.decode()}).encode())
    assert (event.event_id, event.raw_format) == ("524666471", "json")
    assert read_one(json.dumps({"format": "blob", "content": FERMI_TEXT.decode()}).encode()).event_id == "524666471"
    assert read_one(json.dumps({"format": "json", "content": grb()}).encode()).event_id == "524666471"
    lines = dict(line.split(": ", 1) for line in FERMI_TEXT.decode().splitlines() if ": " in line)
    assert read_one(json.dumps({"format": "gcntextnotice", "content": lines}).encode()).event_id == "524666471"
    assert refusal(json.dumps({"format": "circular", "content": {"header": {}, "body": "x"}}).encode()) == "circular"
    assert refusal(json.dumps({"format": "blob", "content": "words"}).encode()) == "not_a_notice"
    assert refusal(json.dumps({"format": "blob", "content": 7}).encode()) == "not_a_notice"
    inner = json.dumps({"format": "json", "content": json.dumps(grb())})
    assert refusal(json.dumps({"format": "json", "content": inner}).encode()) == "not_a_notice"


def test_hop_writes_a_voevent_as_objects() -> None:
    event, plain = read_one(json.dumps({"format": "voevent", "content": AS_OBJECTS}).encode()), read_one(GROUND)
    for name in ("event_id", "gps_ns", "ra_deg", "dec_deg", "error_radius_deg", "alert_type", "containment"):
        assert getattr(event, name) == getattr(plain, name), name
    deep: Any = {}
    for _ in range(12):
        deep = {"a": deep}
    wrapped = {"format": "voevent", "content": {"ivorn": "ivo://x", "What": [deep] * 3000}}
    with pytest.raises(CodecError):
        read_one(json.dumps(wrapped).encode())


def test_an_inference_names_the_event() -> None:
    why = '<Why importance="0.95"><Inference probability="1.0"><Name>GRB 170817A</Name></Inference><Inference/></Why>'
    assert read_one(voevent("x#y", {"Packet_Type": "115", "TrigID": "1"}, rest=why)).names == ("GRB 170817A",)
