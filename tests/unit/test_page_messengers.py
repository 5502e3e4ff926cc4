"""An event's page and the list of events, where another messenger coincides, no longer does, or may harm the page."""

from __future__ import annotations

from typing import Any

import pytest
from alerts import EVIL, FITS, alert, beside
from harmless import Tags, check_harmless

from pipelines.show.event_page import event_page
from pipelines.show.index_page import index_page
from pipelines.show.other_messengers import changes
from pipelines.show.summary import Summary

BURST = {
    "gcn_notice_id": "524666471", "ivorn": "ivo://x", "observatory": "Fermi-GBM", "search": "GRB",
    "time_difference": 1.7, "time_coincidence_far": 1e-9, "time_sky_position_coincidence_far": 2e-11,
    "combined_skymap": FITS,
}  # fmt: skip
JOINED = {"names": ["GRB 170817A"], "event_id": "bn170817529", "overlap": 30.2, "significant": True}
JOINED |= {"others": ["IceCube-170817A"]}


def page_of(coincidence: dict[str, Any] | None, joined: Any = None) -> tuple[str, Summary]:
    extra = beside() if joined is None else beside(joined=joined)
    return event_page(alert(external_coinc=coincidence, skymap=None), extra)


def test_the_page_names_both_and_shows_where_they_point_together() -> None:
    page, told = page_of(BURST, JOINED)
    check_harmless(page)
    words = Tags(page).words
    for text in (
        "Coincident with GRB 170817A (Fermi-GBM) 1.7 s after the merger, joint FAR 1 per 1,580 years",
        "Where, together with GRB 170817A", "Other messengers", "TS150914a", "Fermi-GBM, search GRB (gamma rays)",
        "bn170817529", "1 per 31.7 years (1e-09 Hz)", "1 per 1,580 years (2e-11 Hz)", "30.2: speaks for one source",
        "IceCube-170817A", "joined by GRB 170817A (Fermi-GBM), 1 per 1,580 years",
    ):  # fmt: skip
        assert text in words, text
    assert page.count("data:image/png;base64,") == 1
    assert (told.joined, told.joint_far_hz) == ("GRB 170817A (Fermi-GBM)", 2e-11)
    assert Summary.from_dict(told.as_dict()) == told


@pytest.mark.parametrize(
    ("combined", "said"), [(None, "No combined sky map"), (b"SIMPLE  = junk", "combined map that came cannot be read")]
)
def test_without_a_combined_map_it_says_so(combined: bytes | None, said: str) -> None:
    assert said in Tags(page_of({**BURST, "combined_skymap": combined}, JOINED)[0]).words


def test_why_there_is_no_combined_map_is_said() -> None:
    unknown = {"external_coinc.combined_skymap": "the notice tells of no place"}
    extra = beside(joined=JOINED | {"source": "Swift-BAT"}, unknown=unknown)
    words = Tags(event_page(alert(external_coinc={**BURST, "combined_skymap": None}, skymap=None), extra)[0]).words
    assert "No combined sky map: the notice tells of no place." in words
    assert "Swift-BAT, search GRB" in words


def test_what_is_not_told_is_not_known() -> None:
    bare = {**BURST, "time_coincidence_far": None, "time_sky_position_coincidence_far": None, "combined_skymap": None}
    words = Tags(page_of(bare)[0]).words
    assert words.count("unknown: the alert does not say why") == 2
    assert "Coincident with GRB 524666471 (Fermi-GBM) 1.7 s after the merger, joint FAR unknown" in words


def test_an_event_without_another_messenger_has_no_such_part() -> None:
    assert "Other messengers" not in page_of(None, JOINED)[0]


def test_texts_of_another_messenger_do_nothing() -> None:
    evil = {**BURST, "observatory": EVIL, "search": EVIL, "gcn_notice_id": EVIL, "ivorn": EVIL, "combined_skymap": None}
    page, told = page_of(evil, {"names": [EVIL] * 9, "event_id": EVIL, "others": [EVIL], "overlap": EVIL})
    check_harmless(page)
    check_harmless(index_page([[told]]))


def test_the_history_says_what_joined_changed_and_left() -> None:
    first = Summary("TS150914a", "PRELIMINARY", "t")
    burst = Summary("TS150914a", "UPDATE", "t", joined="GRB A (Fermi-GBM)", joint_far_hz=1 / 31_557_600)
    other = Summary("TS150914a", "UPDATE", "t", joined="GRB B (Swift-BAT)")
    gone = Summary("TS150914a", "RETRACTION", "t")
    assert list(changes([first, burst, burst, other, first, gone])) == [
        "", "joined by GRB A (Fermi-GBM), 1 per 1 years", "GRB A (Fermi-GBM), 1 per 1 years",
        "GRB B (Swift-BAT) for GRB A (Fermi-GBM)", "GRB B (Swift-BAT) left", "",
    ]  # fmt: skip


def test_the_list_marks_a_joint_event() -> None:
    words = Tags(index_page([[page_of(BURST, JOINED)[1]]])).words
    assert "joint" in words
    assert "GRB 170817A (Fermi-GBM)" in words
    assert "joint" not in Tags(index_page([[page_of(None)[1]]])).words
