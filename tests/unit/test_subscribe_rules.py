"""Alerts that tell of another messenger: what is read of them, how it is said, and which of them are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from alerts import EVIL, alert, beside

from pipelines.subscribe import ReceivedAlert, receive
from pipelines.subscribe.judging import RuleOptions, rules_of
from pipelines.subscribe.messenger import OtherMessenger, difference_text, rate_text
from pipelines.subscribe.rules import Chosen
from stream.errors import RuleError
from stream.kafka.consumer import Message

COINCIDENCE = {
    "gcn_notice_id": 524666471, "ivorn": "ivo://nasa.gsfc.gcn/Fermi", "observatory": "Fermi-GBM", "search": "GRB",
    "time_difference": 1.7, "time_coincidence_far": 1e-9, "time_sky_position_coincidence_far": 2e-11,
    "combined_skymap": None,
}  # fmt: skip
JOINED = {"names": ["GRB 170817A"], "event_id": "bn170817529", "overlap": 30.0, "significant": True, "others": []}


def received(extra: dict[str, Any] | None = None, **changes: Any) -> ReceivedAlert:
    """Return an alert of our own that tells of a gamma-ray burst; ``external_coinc=None`` of none."""
    record = alert(**{"external_coinc": COINCIDENCE, **changes})
    return ReceivedAlert(record, beside(joined=JOINED) if extra is None else extra, b"", "alerts.gw", 0, 0)


def test_the_line_names_the_other_event_and_says_how_rarely_by_chance() -> None:
    line = received().as_line()
    assert "with GRB 170817A (Fermi-GBM) 1.7 s after the merger, joint FAR 1 per 1,580 years" in line


def test_lvks_alert_of_a_burst_is_told_too(data_dir: Path) -> None:
    file = data_dir / "alerts/lvk_userguide/MS181101ab-ext-update.avro"
    line = receive(Message("igwn.gwalert", 0, 0, None, file.read_bytes(), (), 0)).as_line()
    assert "with GRB 524666471 (Fermi) 2.02 s after the merger, joint FAR 1 per 49.4 million years" in line


def test_what_a_stranger_made_of_it_is_shown_harmless_or_not_at_all() -> None:
    wrong = {"names": [EVIL, 3, None], "others": "x" * 9, "overlap": "1", "significant": 1, "event_id": EVIL}
    coincidence = {**COINCIDENCE, "observatory": EVIL, "time_difference": 1e300, "time_coincidence_far": -1.0}
    told = OtherMessenger.of(alert(external_coinc=coincidence), beside(joined=wrong))
    assert told is not None
    assert (told.others, told.overlap, told.significant, told.time_difference_s) == ((), None, None, None)
    assert told.time_far_hz is None
    assert told.as_words().isprintable()
    assert "at a time not told" in told.as_words()


def test_where_the_record_has_none_there_is_none() -> None:
    assert OtherMessenger.of(alert(), beside(joined=JOINED)) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1.7, "1.7 s after the merger"), (-600.0, "600 s before the merger"), (0.001, "at the merger")],
)
def test_a_time_difference_has_its_sign_in_words(seconds: float, said: str) -> None:
    assert difference_text(seconds) == said


@pytest.mark.parametrize(
    ("rate_hz", "said"),
    [(1 / 86_400, "1 per 1 days"), (1e-14, "1 per 3.17 million years"), (0.0, "0"), (float("nan"), "unknown")],
)
def test_a_rate_is_said_in_the_unit_that_people_compare_in(rate_hz: float, said: str) -> None:
    assert rate_text(rate_hz) == said


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        (RuleOptions(), True), (RuleOptions(joint=True), True), (RuleOptions(joint_far="1e-10"), True),
        (RuleOptions(joint_far="1/10year"), True), (RuleOptions(joint_far="1e-12"), False),
        (RuleOptions(messengers=("gamma",)), True), (RuleOptions(messengers=("neutrino", "radio")), False),
        (RuleOptions(joint_far="1", messengers=("neutrino",)), False),
        (RuleOptions(where="far > 1/s", joint=True), False),
    ],
)  # fmt: skip
def test_a_rule_asks_for_a_messenger_and_a_rate(options: RuleOptions, passes: bool) -> None:
    assert bool(Chosen(rules_of(options), lambda: 0)(received())) is passes
    assert bool(Chosen(rules_of(options), lambda: 0)(received(external_coinc=None))) is (options == RuleOptions())


def test_who_was_told_that_it_joined_hears_that_it_left_and_was_withdrawn() -> None:
    chosen = Chosen(rules_of(RuleOptions(joint=True)), lambda: 0)
    left, withdrawn = received(external_coinc=None), received(event=None, alert_type="RETRACTION", external_coinc=None)
    assert [bool(chosen(a)) for a in (left, received(), left, withdrawn)] == [False, True, True, True]
    assert not chosen(received(superevent_id="TS150914b", external_coinc=None))


def test_what_the_rules_say_is_told_beside_the_alert() -> None:
    (said,) = Chosen(rules_of(RuleOptions(where="joint and area90 < 1 sr")), lambda: 0)(received())
    assert (said["rule"], said["matched"]) == ("rule", True)
    assert json.loads(received().as_json({"rules": [said]}))["rules"][0]["parts"][0]["text"] == "joint"


@pytest.mark.parametrize("options", [RuleOptions(joint_far="often"), RuleOptions(messengers=("gravity",))])
def test_an_option_that_is_none_is_pointed_at(options: RuleOptions) -> None:
    with pytest.raises(RuleError, match="is not known"):
        rules_of(options)
