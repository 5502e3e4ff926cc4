"""The page of an event: what it says, what it does not know, and that a message does nothing in it but be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from alerts import EVIL, FITS, alert, beside
from harmless import Tags, check_harmless
from heard import evidence

from pipelines.show.event_page import event_page, page_of_alerts
from pipelines.show.summary import Summary
from pipelines.subscribe.maps import read_kept


@pytest.fixture(scope="module")
def whole() -> str:
    return event_page(alert(), beside(), evidence("H1", "L1"), home="../index.html")[0]


def test_it_says_what_the_alert_says(whole: str) -> None:
    words = Tags(whole).words
    for text in (
        "TS150914a", "UPDATE", "revision 1", "GPS 1126259462.420", "BBH 98 %", "HasMassGap", "12 %", "430 ± 118 Mpc",
        "30.4 Msun", "3.36 years", "shipped", "carillon-1", "H1 18.80, L1 13.50", "0.9897", "H1+L1", "trials factor",
        "H1: whitened strain and Q-scan", "L1: whitened strain and Q-scan", "Ranking statistic", "Alerts of this event",
    ):  # fmt: skip
        assert text in words, text


def test_it_needs_nothing_else_and_is_small(whole: str) -> None:
    check_harmless(whole)
    assert len(whole) < 1_500_000
    assert whole.count("data:image/png;base64,") == 4
    assert all(attributes.get("alt") for tag, attributes in Tags(whole).tags if tag == "img")


def test_what_is_not_known_says_why() -> None:
    unknown = {
        "skymap": "the worker was killed",
        "classification": "no p_astro",
        "properties": "no p_astro",
        "p_astro": "one",
    }
    bare = alert(skymap=None, classification={}, properties={}, mchirp_source=None)
    words = Tags(event_page(bare, beside(unknown=unknown, p_astro=None))[0]).words
    for text in ("No sky map: the worker was killed", "unknown: no p_astro", "unknown: one", "does not say why"):
        assert text in words, text
    assert "The strain around the event is not here" in words


def test_a_map_that_cannot_be_read_is_named() -> None:
    page, told = event_page(alert(skymap=FITS[:5000]), beside())
    assert "the map that came cannot be read" in Tags(page).words
    assert told.area90_deg2 is None


def test_a_retraction_says_who_and_why_and_keeps_what_was_said() -> None:
    _, before = event_page(alert(skymap=None), beside())
    decided = {"gps_ns": 1, "revision": 2, "decision": {"kind": "retract", "why": "glitch in L1", "who": "me@here"}}
    page, told = event_page(alert(event=None, alert_type="RETRACTION"), decided, None, [before])
    words = Tags(page).words
    assert "Retracted." in words
    assert "glitch in L1 (me@here)" in words
    assert "UPDATE" in words
    assert (told.alert_type, told.far_hz, told.why) == ("RETRACTION", None, "glitch in L1 (me@here)")


def evil(value: Any) -> Any:
    """Return a value with every text in it, names too, made to harm."""
    if isinstance(value, str):
        return EVIL
    if isinstance(value, dict):
        return {key + EVIL if key in ("BNS", "HasNS", "H1") else key: evil(part) for key, part in value.items()}
    return [evil(part) for part in value] if isinstance(value, list) else value


COINCIDENCE = {
    "observatory": "x", "search": "x", "time_difference": 1.0, "combined_skymap": None, "gcn_notice_id": 1,
    "ivorn": "x", "time_coincidence_far": None, "time_sky_position_coincidence_far": None,
}  # fmt: skip


def test_texts_of_a_message_are_shown_and_do_nothing() -> None:
    record = evil(alert(external_coinc=COINCIDENCE, skymap=None)) | {"alert_type": "UPDATE"}
    extra = evil(beside(decision={"why": "x", "who": "y"}, unknown={"skymap": "x"}))
    page, told = event_page(record, extra, None, [Summary(EVIL, EVIL, EVIL, why=EVIL)], home="../index.html")
    check_harmless(page)
    assert "&lt;script&gt;" in page
    assert Summary.from_dict(told.as_dict()) == told


@pytest.mark.parametrize("wrong", [None, True, -1, 10**400, float("nan"), "x", [1], {"a": [1]}, [["x"]]])
def test_values_of_another_form_are_not_known(wrong: Any) -> None:
    """What stands beside the record is read without a schema."""
    extra = dict.fromkeys(beside(), wrong) | {"decision": wrong}
    check_harmless(event_page(alert(skymap=None), extra)[0])
    nested = {
        name: dict.fromkeys(("source", "duration_s", "detectors", "mchirp_msun", "why"), wrong) for name in beside()
    }
    check_harmless(event_page(alert(skymap=None), nested)[0])


@pytest.mark.parametrize(
    ("edges", "parts"), [([], []), ([1.0], [1.0]), ([float("nan")] * 3, [0.5, 0.5]), ([1.0, 2.0], [-1.0])]
)
def test_a_histogram_that_is_none_is_said_to_be_none(edges: list[float], parts: list[float]) -> None:
    record = alert(skymap=None, mchirp_source={"bin_edges": edges, "probabilities": parts})
    assert "cannot be drawn" in event_page(record, beside())[0]


@pytest.mark.parametrize(
    "name",
    ["MS181101ab-ext-update.avro", "MS181101ab-earlywarning.json", "MS181101ab-retraction.avro"],
)
def test_lvks_alerts_have_a_page(name: str, data_dir: Path) -> None:
    page = page_of_alerts(read_kept(data_dir / "alerts" / "lvk_userguide" / name))
    check_harmless(page)
    assert "MS181101ab" in page
    assert re.search(r"Fermi.*after the merger", Tags(page).words) or "ext-update" not in name
