"""Unified notices: whose they are, what identifies their event, when and where it was, whatever form values have."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from notices import RECEIVED_NS, grb, read_one
from skymaps import skymap

from stream.codec.skymap import encode_skymap
from stream.errors import CodecError, NoticeRefused
from stream.notices import MAX_NOTICE_BYTES, read_notice


def refusal(payload: bytes | dict[str, object], topic: str = "") -> str:
    """Return the word by which a notice is refused."""
    with pytest.raises(NoticeRefused) as refused:
        read_one(payload, topic)
    return refused.value.kind


SCHEMA = "https://gcn.nasa.gov/schema/v4.1.0/gcn/notices/"
FRB: dict[str, object] = {"alert_type": "initial", "trigger_time": "2024-09-18T07:19:10.765268Z", "id": "427325191"}


def test_ids_and_names_may_be_a_text_or_a_list() -> None:
    one = read_one(grb(id="524666471", event_name=["GRB 170817A", "GW170817"]))
    assert one.event_id == "524666471"
    assert one.names == ("GRB 170817A", "GW170817")
    many = read_one(grb(id=["bn170817529", "524666471"], event_name="GRB 170817A"))
    assert (many.event_id, many.notice_id) == ("524666471", "524666471"), "Fermi's trigger number, wherever it stands"
    assert many.names == ("GRB 170817A", "bn170817529")
    assert read_one(grb(id=524666471)).event_id == "524666471"
    assert read_one(grb(id=524666471.0)).event_id == "524666471"


def test_an_event_without_identity_is_refused() -> None:
    assert refusal(grb(id=None, event_name=None)) == "no_event_id"
    assert refusal(grb(id=[], event_name=[""])) == "no_event_id"
    assert refusal(grb(id=True, event_name=None)) == "no_event_id"
    assert refusal(grb(id="x" * 201, event_name=None)) == "no_event_id"
    assert read_one(grb(id=None)).event_id == "GRB 170817A"


def test_what_is_shown_holds_no_command_of_a_terminal() -> None:
    event = read_one(grb(id="1\x1b[2J\n2", event_name="GRB\u202e"))
    assert event.event_id.isprintable()
    assert all(name.isprintable() for name in event.names)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (5, (5.0, None, None)),
        ([5], (5.0, None, None)),
        ([5, 3], (5.0, 3.0, 0.0)),
        ([5, 3, 153], (5.0, 3.0, 153.0)),
        ([5, 3, -30], (5.0, 3.0, 150.0)),
        ([3, 5, 20], (5.0, 3.0, 110.0)),
        ([5, 5, 20], (5.0, None, None)),
        ([5, 3, "north"], (5.0, None, None)),
        ([5, 3, None], (5.0, None, None)),
        (0, (None, None, None)),
        (-1, (None, None, None)),
        (181, (None, None, None)),
        (1e300, (None, None, None)),
        (10**39, (None, None, None)),
        ("5", (None, None, None)),
        (True, (None, None, None)),
        ([], (None, None, None)),
        ([1, 2, 3, 4], (None, None, None)),
        ([5, None], (None, None, None)),
        ([[5], 3], (None, None, None)),
        ({}, (None, None, None)),
    ],
)
def test_an_error_is_a_circle_an_ellipse_or_nothing(error: object, expected: tuple[float | None, ...]) -> None:
    """The major axis comes first, also where a notice has it second; what is no size loses neither event nor place."""
    event = read_one(grb(ra_dec_error=error))
    assert expected == (event.error_radius_deg, event.error_minor_deg, event.error_angle_deg)
    assert (event.ra_deg, event.dec_deg) == (176.8, -39.8)
    assert (event.containment is None) == (expected[0] is None), "a containment belongs to a region"


@pytest.mark.parametrize(
    ("told", "expected"), [(0.5, 0.5), (None, 0.9), (0, None), (1, None), (90, None), ("0.9", None)]
)
def test_containment_is_what_is_told_or_nine_tenths(told: object, expected: float | None) -> None:
    assert read_one(grb(containment_probability=told)).containment == expected


@pytest.mark.parametrize(
    ("ra", "dec"), [(361, 0), (-1, 0), (10, 91), ("10", 0), (None, 5), (10, None), (True, 0), ([1], 0)]
)
def test_half_a_position_is_none(ra: object, dec: object) -> None:
    event = read_one(grb(ra=ra, dec=dec))
    assert (event.ra_deg, event.dec_deg, event.error_radius_deg, event.containment) == (None, None, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "2017-08-17T12:41:06.47Z", "2017-08-17T12:41:06.47", "2017-08-17 12:41:06.47",
        "2017-08-17 12:41:06.470000+00:00",
        "2017-08-17T14:41:06.47+02:00", "2017-08-17T12:41:06.470000000z", " 2017-08-17T12:41:06.47 UTC ",
        "2017-08-17T07:41:06.47-0500",
    ],
)  # fmt: skip
def test_times_are_read_in_each_form(text: str) -> None:
    assert read_one(grb(trigger_time=text)).gps_ns == 1_187_008_884_470_000_000


def test_a_leap_second_is_read_where_there_was_one() -> None:
    last = read_one(grb(trigger_time="2016-12-31T23:59:59.5Z")).gps_ns
    leap = read_one(grb(trigger_time="2016-12-31T23:59:60.5Z")).gps_ns
    first = read_one(grb(trigger_time="2017-01-01T00:00:00.5Z")).gps_ns
    assert (leap - last, first - leap) == (10**9, 10**9)
    assert refusal(grb(trigger_time="2017-08-17T12:41:60Z")) == "bad_value"


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-07-20T20:17:40Z", "2127-01-01T00:00:00Z",
        "2017-02-30T00:00:00Z", "2017-08-17T25:00:00Z", "2017-08-17", "12:41:06", "1187008884", "yesterday", "",
        "2017-08-17T12:41:06+99:99", "2017-08-1\u0667T12:41:06Z", "2017-08-17T12:41:06Z; rm -rf", 1187008884.47, True,
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_by_name(text: object) -> None:
    assert refusal(grb(trigger_time=text)) == "bad_value"


def test_an_event_that_was_not_yet_is_refused() -> None:
    """Else it would stand among the recent events for a hundred years."""
    assert refusal(grb(trigger_time="2100-01-01T00:00:00Z")) == "future"


def test_a_notice_without_time_is_refused_but_a_retraction_is_not() -> None:
    """A retraction is of its event whatever it leaves out; its time is then the notice's, or when that came."""
    assert refusal(grb(trigger_time=None)) == "no_event_time"
    gone: dict[str, object] = dict.fromkeys(("trigger_time", "ra", "dec", "ra_dec_error", "event_name"))
    taken_back = read_one(grb(alert_type="retraction", **gone))
    assert (taken_back.source, taken_back.event_id) == (read_one(grb()).source, read_one(grb()).event_id)
    assert taken_back.gps_ns == RECEIVED_NS
    later = read_one(grb(alert_type="Retraction", alert_datetime="2017-08-17T13:00:00Z", **gone))
    assert (later.alert_type, later.gps_ns) == ("retraction", later.issued_ns)
    assert read_one(grb(alert_type="retraction", **gone | {"trigger_time": 17})).event_id == "524666471"


def test_a_missing_type_is_initial_and_an_unknown_one_refused() -> None:
    assert read_one(grb(alert_type=None, alert_tense=None)).alert_type == "initial"
    assert read_one(grb(alert_tense=None)).tense == "current"
    assert refusal(grb(alert_type="maybe")) == "bad_value"
    assert refusal(grb(alert_type=["initial"])) == "bad_value"
    assert refusal(grb(alert_tense="past")) == "bad_value"


def test_tests_are_told_apart_and_what_did_not_happen_is_refused() -> None:
    assert read_one(grb(alert_tense="test")).tense == "test"
    assert read_one(grb(alert_tense="injection")).tense == "injection"
    assert read_one(grb(**{"$schema": SCHEMA + "burstcube/test.schema.json"})).tense == "test"
    assert read_one(grb(), topic="gcn.notices.burstcube.test").tense == "test"
    drill: dict[str, object] = {"id": "1", "trigger_time": "2024-05-18T00:00:00Z"}
    tenses = [read_one(drill, topic=f"snews.alert{what}").tense for what in ("", "-test", "-firedrill")]
    assert tenses == ["current", "test", "test"], "a fire drill is no supernova"
    assert read_one(grb(alert_tense="injection"), topic="notices.test").tense == "injection"
    assert read_one(grb(), topic="gcn.notices.latest").tense == "current"
    assert refusal(grb(alert_tense="commanded")) == "commanded"
    assert refusal(grb(alert_tense="planned")) == "planned"


def test_whose_a_notice_is_say_schema_names_topic_and_shape_in_this_order() -> None:
    assert read_one(FRB | {"trigger_time_inf_freq": "2024-09-18 07:19:03.518831+00:00"}).source == "CHIME"
    assert read_one(FRB | {"dm": 300}, topic="gcn.notices.dsa110.frb").source == "DSA-110"
    assert read_one(FRB | {"instrument": "WXT"}).source == "EP-WXT"
    assert read_one(FRB | {"instrument": "ECLAIRs"}, topic="gcn.notices.dsa110.frb").source == "SVOM-ECLAIRs"
    assert read_one(grb(**{"$schema": SCHEMA + "swift/bat/Guano.schema.json"})).source == "Swift-BAT"
    assert read_one(grb(**{"$schema": None})).source == "Fermi-GBM"
    assert read_one(grb(**{"$schema": SCHEMA + "fermi/new/thing.schema.json"})).source == "Fermi-GBM"
    assert refusal(FRB) == "unknown_mission"
    assert refusal(grb(**{"$schema": "x", "mission": "Hubble", "instrument": None})) == "unknown_mission"


def test_searches_of_one_mission_are_told_apart() -> None:
    assert read_one(grb()).search == "GRB"
    assert read_one(grb(reliability="MED")).search == "SubGRB"
    assert read_one(grb(), topic="gcn.notices.fermi.gbm.subthresh").search == "SubGRB"
    assert read_one(grb(), topic="fermi.gbm.targeted.private.igwn").search == "SubGRBTargeted"
    assert read_one(grb(instrument="BAT-GUANO", mission="Swift", **{"$schema": None})).search == "SubGRBTargeted"


def test_what_is_no_other_messenger_or_no_event_has_a_word() -> None:
    assert refusal({"superevent_id": "S230914ak", "alert_type": "INITIAL"}) == "gravitational_wave"
    assert refusal(grb(messenger="GW")) == "gravitational_wave"
    assert refusal({"circularId": 1, "body": "x", "subject": "y"}) == "circular"
    assert refusal({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Alert"}) == "schema"
    heartbeat: dict[str, object] = {
        "$schema": "https://gcn.nasa.gov/schema/v4.1.0/gcn/heartbeat.schema.json",
        "alert_datetime": "x",
    }
    assert refusal(heartbeat) == "heartbeat"
    assert refusal({"mission": "HEASARC"}) == "not_a_transient"
    assert refusal(grb(instrument="LAT", **{"$schema": None})) == "not_a_transient"
    assert refusal(grb(**{"$schema": SCHEMA + "maxi/gsc.known.schema.json"})) == "known_source"
    assert [refusal(b"[1, 2]"), refusal(b"{}"), refusal(b"hello"), refusal(b"")] == ["not_a_notice"] * 4


def test_a_radio_burst_is_timed_at_infinite_frequency() -> None:
    """Told, or reckoned from the dispersion measure; the trigger's own time is seconds late."""
    told = FRB | {"trigger_time_inf_freq": "2024-09-18 07:19:03.518831+00:00", "dm": 279.422607421875}
    reckoned = {key: value for key, value in told.items() if key != "trigger_time_inf_freq"}
    at_ns = read_one(told, "gcn.notices.chime.frb").gps_ns
    assert at_ns == 1_410_679_161_518_831_000
    assert abs(read_one(reckoned, "gcn.notices.chime.frb").gps_ns - at_ns) < 50_000
    late_ns = 1_410_679_168_765_268_000 - read_one(reckoned, "gcn.notices.dsa110.frb").gps_ns
    assert late_ns / 1e9 == pytest.approx(279.4226 / 2.41e-4 / 1530**2, rel=1e-6)


def test_a_radio_burst_may_have_no_other_time_than_that_at_infinite_frequency() -> None:
    alone = {"alert_type": "initial", "id": "1", "trigger_time_inf_freq": "2024-09-18 07:19:03.518831+00:00"}
    assert read_one(dict[str, object](alone)).gps_ns == 1_410_679_161_518_831_000


def test_an_update_of_a_radio_burst_that_tells_nothing_moves_it_nowhere() -> None:
    """CHIME's updates hold words alone: read as they stand they would move the event by seconds."""
    assert refusal(FRB | {"alert_type": "update", "update_message": "x"}, "gcn.notices.chime.frb") == "nothing_new"
    assert read_one(FRB | {"alert_type": "retraction"}, "gcn.notices.chime.frb").event_id == "427325191"


def test_each_neutrino_around_a_gravitational_wave_is_an_event_of_its_own() -> None:
    """At the wave's time plus event_dt, in a search of its own: it was looked for."""
    notice: dict[str, object] = {
        "$schema": SCHEMA + "icecube/lvk_nu_track_search.schema.json", "trigger_time": "2023-09-14T11:14:01Z",
        "n_events_coincident": 2, "coincident_events": [
            {"event_dt": 12.91, "id": ["138590_39138551"],
             "localization": {"ra": 17.48, "dec": 16.15, "ra_dec_error": 0.5}},
            {"event_dt": -222.46, "id": "138590_39164579", "localization": None},
        ],
    }  # fmt: skip
    first, second = read_notice(json.dumps(notice).encode(), RECEIVED_NS)
    assert (first.event_id, first.ra_deg, first.containment) == ("138590_39138551", 17.48, 0.9)
    assert first.gps_ns - second.gps_ns == 235_370_000_000
    assert {first.search, second.search} == {"HENTargeted"}
    assert second.ra_deg is None
    assert refusal(notice | {"coincident_events": []}) == "nothing_found"
    assert refusal(notice | {"coincident_events": [{"id": "1", "event_dt": "soon"}]}) == "no_event_time"
    assert refusal(notice | {"coincident_events": [{"id": str(n), "event_dt": 1} for n in range(65)]}) == "too_many"


def test_a_nested_localisation_is_the_events() -> None:
    event = read_one(
        grb(ra=None, dec=None, ra_dec_error=None, localization={"ra": 1, "dec": 2, "ra_dec_error": [3, 1, 9]})
    )
    assert (event.ra_deg, event.dec_deg, event.error_radius_deg, event.error_angle_deg) == (1.0, 2.0, 3.0, 9.0)


def test_an_optical_transient_is_at_its_first_magnitude() -> None:
    notice: dict[str, object] = {
        "mission": "Boom", "alert_datetime": "2025-11-30T10:28:57Z", "data": {
            "targets": [{"event_name": "ZTF25a", "ra": 1.0, "dec": 2.0, "classification_scores": {"Type II": 0.9}}],
            "photometry": [
                {"event_name": "ZTF25a", "observation_start": "2025-11-27T14:03:06Z", "limiting_mag": 19.5},
                {"event_name": "ZTF25a", "observation_start": "2025-11-29T10:07:08Z", "mag": 18.1},
                {"event_name": "ZTF25a", "observation_start": "2025-11-28T10:07:08Z", "mag": 18.2},
                {"event_name": "other", "observation_start": "2025-11-26T10:07:08Z", "mag": 18.2},
            ],
        },
    }  # fmt: skip
    event = read_one(notice)
    assert (event.source, event.event_id, event.gps_ns) == ("BOOM", "ZTF25a", 1_448_359_646_000_000_000)
    assert event.classification == {"Type II": 0.9}
    assert refusal({"mission": "Boom", "data": {"targets": [{"event_name": "ZTF25a"}]}}) == "no_event_time"
    assert refusal({"mission": "Boom", "data": 7}) == "nothing_found"
    assert refusal({"mission": "Boom", "data": {"photometry": [{}] * 5001}}) == "too_many"


def test_an_inline_map_is_kept_if_it_can_be_opened() -> None:
    fits = encode_skymap(skymap())
    for file in (fits, gzip.compress(fits)):
        assert read_one(grb(healpix_file=base64.b64encode(file).decode())).skymap == file


@pytest.mark.parametrize(
    "text", ["hhhh...", "stuff", "", "H4sIAAAAAAAAC.......", "U0lNUExFICA9", 7, ["U0lN"], "SIMPLE  ="]
)
def test_a_map_that_cannot_be_opened_loses_no_event(text: object) -> None:
    event = read_one(grb(healpix_file=text))
    assert event.skymap is None
    assert event.ra_deg == 176.8


def test_an_address_of_a_map_is_kept_as_words_if_it_is_one() -> None:
    url = "https://heasarc.gsfc.nasa.gov/map.fit"
    assert read_one(grb(healpix_url=url)).skymap_url == url
    for bad in (
        "file:///etc/passwd",
        "ftp://x/y",
        "https://",
        "https://a b",
        "https://x\nHost: y",
        7,
        "https://" + "x" * 3000,
    ):
        assert read_one(grb(healpix_url=bad)).skymap_url is None


def test_corners_are_a_region() -> None:
    corners = [[345.7, 19.5], [345.4, 19.2], [347.3, 17.6], [347.5, 17.8]]
    event = read_one(grb(rectangular_error_corners=corners, ra_dec_error=None))
    assert event.corners_deg == tuple((ra, dec) for ra, dec in corners)
    assert event.containment == 0.68
    for bad in (
        corners[:2],
        [*corners[:3], [361, 0]],
        [*corners[:3], [1]],
        "x",
        [[1, 2]] * 65,
        [*corners[:3], ["a", "b"]],
    ):
        assert read_one(grb(rectangular_error_corners=bad)).corners_deg == ()


def test_chances_and_rates_are_kept_where_they_are_such() -> None:
    event = read_one(
        grb(classification={"GRB": 0.85, "SGR": 14, "X": "y", "Z": True}, far=1e-5, p_astro=1.5, record_number=4.0)
    )
    assert event.classification == {"GRB": 0.85}
    assert (event.far_hz, event.p_astro, event.revision) == (1e-5, None, 4)
    assert read_one(grb(far=0)).far_hz is None, "zero says that none is known"
    assert read_one(grb(far=-1)).far_hz is None
    assert read_one(grb(classification=[1])).classification == {}
    assert len(read_one(grb(classification={str(n): 0.01 for n in range(100)})).classification) == 32


def test_what_fermi_takes_for_no_burst_is_read_and_told() -> None:
    """Whether it counts is for who judges coincidences."""
    assert read_one(grb(classification={"BELOW_HORIZON": 1})).classification == {"BELOW_HORIZON": 1.0}


def test_whether_the_systematic_error_is_in_a_radius_is_kept() -> None:
    assert read_one(grb(systematic_included=True)).systematic_included is True
    assert read_one(grb(systematic_included=None)).systematic_included is False, "the schema's default"
    assert read_one(grb(systematic_included="no")).systematic_included is None
    assert read_one(grb(ra=None)).systematic_included is None


def test_supernova_neutrinos_are_known_by_the_number_that_all_forms_have() -> None:
    notice: dict[str, object] = {
        "mission": "Super-Kamiokande", "id": "SN.095001.000001", "trigger_number": 10070, "alert_tense": "test",
        "trigger_time": "2023-08-01T00:00:01.000000Z",
    }  # fmt: skip
    event = read_one(notice)
    assert (event.event_id, event.notice_id, event.names) == ("10070", "10070", ("SN.095001.000001",))
    assert (event.search, event.tense) == ("SNEWS", "test")


def test_updates_and_retractions_share_the_identity_of_their_event() -> None:
    kinds = ("initial", "subsequent", "update", "retraction")
    assert {(e.source, e.event_id) for e in (read_one(grb(alert_type=kind)) for kind in kinds)} == {
        ("Fermi-GBM", "524666471")
    }


@pytest.mark.parametrize(
    "text",
    [
        b'{"mission": "Fermi", "mission": "Swift"}', b'{"ra": NaN}', b'{"ra": -Infinity}',
        b'{"ra": ' + b"9" * 50 + b"}",
        b"[" * 100 + b"]" * 100, b'{"ra": 1', b'{"a": "\xff"}', b"{'a': 1}", b'{"a": 1}{"b": 2}',
    ],
)  # fmt: skip
def test_damaged_json_is_an_error_of_its_own(text: bytes) -> None:
    with pytest.raises(CodecError):
        read_notice(text, RECEIVED_NS)


def test_a_notice_has_a_largest_size() -> None:
    assert refusal(b" " * (MAX_NOTICE_BYTES + 1)) == "too_large"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"SIMPLE  =", "fits"),
        (b"\x89HDF\r\n", "hdf5"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"%PDF", "pdf"),
    ],
)
def test_other_files_are_refused_by_what_they_are(head: bytes, kind: str) -> None:
    assert refusal(head + b"\x00" * 100) == kind
