"""Alerts that tell of another messenger: what is read of them, how it is said, and which of them are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alerts import EVIL, alert, beside

from pipelines.subscribe import ReceivedAlert, receive
from pipelines.subscribe.judging import RuleOptions
from pipelines.subscribe.messenger import OtherMessenger, difference_text, rate_text
from pipelines.subscribe.written import Options, written
from stream.errors import ConfigurationError, RuleError
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
    ((route,), doings) = written(Options(rules=options), {})
    assert doings == {}
    assert route.judge(received()).matched is passes
    assert route.judge(received(external_coinc=None)).matched is (options == RuleOptions())


def test_what_the_rule_says_is_told_part_by_part() -> None:
    ((route,), _) = written(Options(rules=RuleOptions(where="joint and area90 < 1 sr")), {})
    judged = route.judge(received())
    assert judged.reasons[0] == "yes: joint (yes)"
    assert [part["text"] for part in judged.parts] == ["joint", "area90 < 1 sr"]


@pytest.mark.parametrize("options", [RuleOptions(joint_far="often"), RuleOptions(messengers=("gravity",))])
def test_an_option_that_is_none_is_pointed_at(options: RuleOptions) -> None:
    with pytest.raises(RuleError, match="is not known"):
        written(Options(rules=options), {})


RULES = """
name = "mine"
[[rule]]
name = "close"
where = "far < 1/year"
actions = ["slew"]
[[rule]]
name = "rest"
[actions.slew]
command = ["./slew.sh"]
[actions.log]
file = "alerts"
"""


def test_a_file_of_rules_has_actions_of_its_own_beside_those_of_options(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    routes, doings = written(Options(rules=RuleOptions(preset=str(file)), out=tmp_path), {})
    assert [route.actions for route in routes] == [("slew", "file"), ("slew", "log", "file")]
    assert {name: doing.action.kind for name, doing in doings.items()} == {
        "slew": "command", "log": "file", "file": "file",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("commando = 3", "commando: is not known: did you mean command?"), ("give_up_s = 1", "name exactly one of"),
        ('webhook = "hunter2"\nfile = "x"', "name exactly one of"),
    ],
)  # fmt: skip
def test_an_action_that_is_none_is_refused_without_its_value(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(f'name = "x"\n[actions.slew]\n{text}')
    with pytest.raises(ConfigurationError) as raised:
        written(Options(rules=RuleOptions(preset=str(file))), {})
    assert said in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_two_actions_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('name = "x"\n[actions.file]\nfile = "x"')
    with pytest.raises(ConfigurationError, match="an action named file"):
        written(Options(rules=RuleOptions(preset=str(file)), out=tmp_path), {})
