"""Rules of which alerts are wanted: what they mean, what they say, and what is wrong with those that mean nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alerts import EVIL, alert, beside
from told import NOW_UNIX_NS, STORY, facts, lvk_alert

from pipelines.subscribe import ReceivedAlert
from pipelines.subscribe.facts import Facts, facts_of
from pipelines.subscribe.readers import READERS
from pipelines.subscribe.where import NAMES, UNITS, Unknown, parse
from stream.errors import ConfigurationError, RuleError

ANSWERS = {True: "y", False: "n", None: "?"}


def own(extra: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """Return what an alert of our own tells."""
    record = alert(**changes)
    return facts_of(ReceivedAlert(record, extra or beside(), b"", "alerts.gw", 0, 0), NOW_UNIX_NS)


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        # early warning, preliminary, initial, update, update with a burst, retraction
        ("far < 1/month and p(BNS)+p(NSBH) > 0.5 and area90 < 500 and distance < 200", "yyyyy?"),
        ("far < 1/month and p(BNS)+p(NSBH) > 0.5 and area90 < 500 and distance < 30", "nnnnn?"),
        ("far < 2/day", "yyyyy?"),
        ("far > 1e-13 Hz", "nnnnn?"),
        ("far <= 9.11069936486e-14", "yyyyy?"),
        ("far < 1 per 400000 years", "nnnnn?"),
        ("far < 1 per 3000 century", "yyyyy?"),
        ("far < 1/10year", "yyyyy?"),
        ("significant", "yyyyy?"),
        ("not significant", "nnnnn?"),
        ("significant = true", "yyyyy?"),
        ("significant != yes", "nnnnn?"),
        ("test", "yyyyyy"),
        ("not test", "nnnnnn"),
        ("type = earlywarning", "ynnnnn"),
        ("type = 'EARLY_WARNING'", "ynnnnn"),
        ("type != retraction", "yyyyyn"),
        ("type in (initial, UPDATE)", "nnyyyn"),
        ("type not in (initial, update)", "yynnny"),
        ('superevent = "MS181101ab"', "yyyyyy"),
        ("superevent = S190814bv", "nnnnnn"),
        ("group = CBC", "yyyyy?"),
        ("group = burst", "nnnnn?"),
        ("search = MDC", "yyyyy?"),
        ("pipeline in (gstlal, pycbc)", "yyyyy?"),
        ('detectors has "V1"', "yyyyy?"),
        ("detectors has (H1, V1)", "yyyyy?"),
        ("detectors has K1", "nnnnn?"),
        ("L1 in detectors", "yyyyy?"),
        ("'K1' not in detectors", "yyyyy?"),
        ("count(detectors) >= 3", "yyyyy?"),
        ("has_ns > 0.5", "yyyyy?"),
        ("property(HasNS) >= 95 %", "yyyyy?"),
        ("has_remnant*has_ns > 0.87", "nnnnn?"),
        ("has_mass_gap < 0.05", "yyyyy?"),
        ("p_astro > 0.98", "yyyyy?"),
        ("p(terrestrial) = 0.01", "yyyyy?"),
        ('p("MassGap") > 0', "??????"),
        ("mchirp < 5", "??????"),
        ("not mchirp < 5", "??????"),
        ("mchirp < 5 or significant", "yyyyy?"),
        ("mchirp < 5 and not significant", "nnnnn?"),
        ("not (mchirp < 5 and not significant)", "yyyyy?"),
        ("duration > 1 s or central_frequency > 100", "??????"),
        ("revision > 1", "??????"),
        ("area90 < 31", "yyyyy?"),
        ("area(0.9) < 30.9 deg2", "nnnnn?"),
        ("area50 < 0.003 sr", "yyyyy?"),
        ("area(50 %) = area50", "yyyyy?"),
        ("area90/area50 > 3", "yyyyy?"),
        ("skymap", "yyyyy?"),
        ("distance between 30 and 50", "yyyyy?"),
        ("distance between 0.03 Gpc and 35 Mpc", "nnnnn?"),
        ("distance not between 30 Mpc and 50 Mpc", "nnnnn?"),
        ("distance + 2*distance_std < 60 Mpc", "yyyyy?"),
        ("ra > 194 deg and -dec < 18", "yyyyy?"),
        ("(ra - 194.304) between -1 arcmin and 1 arcmin", "yyyyy?"),
        ("time > 2018-11-01T22:22:46.6Z", "yyyyy?"),
        ("time < 2018-11-01", "nnnnn?"),
        ("time = 2018-11-01T23:22:46.654+01:00", "yyyyy?"),
        ("age < 10 min", "yyyyy?"),
        ("age > 133", "yyyyy?"),
        ("now - time > 2.3 min", "nnnnn?"),
        ("time + 2 h > now", "yyyyy?"),
        ("created - time < 12 min", "ynnnn?"),
        ("created > 2018-11-01T23:00Z", "nnnnny"),
        ("joint", "nnnny?"),
        ("not joint", "yyyyn?"),
        ("messenger = gamma", "????y?"),
        ("messenger = neutrino", "????n?"),
        ("joint and messenger in (neutrino, gamma)", "nnnny?"),
        ("joint_far < 1/year", "????y?"),
        ("joint_far > far", "????n?"),
        ("observatory = fermi", "????y?"),
        ("overlap > 3", "??????"),
        ("time_difference between -1 s and 5 s", "????y?"),
        ("combined", "nnnny?"),
        ("1/(far - far) > 2", "??????"),
        ("far*1e300*1e300*1e300 > 1", "??????"),
        ("time + 1e9 century > now", "??????"),
    ],
)
def test_lvks_example_event_alert_by_alert(text: str, answers: str, data_dir: Path) -> None:
    rule = parse(text)
    found = [rule.judge(facts(data_dir, name)).outcome for name in STORY]
    assert "".join(ANSWERS[outcome] for outcome in found) == answers


@pytest.mark.parametrize(
    ("text", "word", "said"),
    [
        ("", "", "an empty rule"),
        ("  ", "", "an empty rule"),
        ("far < 1/mnth", "mnth", "did you mean month?"),
        ("fra < 1", "fra", "There are age, area"),
        ("distanc < 200 and far < 1", "distanc", "did you mean distance?"),
        ("bns > 0.5", "bns", "write p(BNS)"),
        ("HasNS > 0.5", "HasNS", "write property(HasNS)"),
        ("p(BSN) > 0.5", "BSN", "did you mean BNS?"),
        ("type = retracton", "retracton", "did you mean retraction?"),
        ("group = 'CBS'", "'CBS'", "CBC"),
        ("messenger = gravity", "gravity", "There are gamma, neutrino"),
        ("detectors has H3", "H3", "did you mean H1?"),
        ("V9 in detectors", "V9", "did you mean V1?"),
        ("area90 < 10 Mpc", "<", "an area (deg2), 10 Mpc is a distance (Mpc)"),
        ("far < distance", "<", "not go together"),
        ("far + distance < 2", "+", "not go together"),
        ("area90 < 5 furlongs", "furlongs", "is no unit"),
        ("distance between 1 and 2 Gpc", "1", "has no unit"),
        ("time > 5", ">", "a point in time"),
        ("type > 5", ">", "compare it with = or !="),
        ("detectors = V1", "=", "write detectors has"),
        ("far", "far", "far is a rate (Hz): write far <"),
        ("significant and type", "type", "write type = "),
        ("visible > 0.5", "visible", "or give --site"),
        ("visible(rubn) > 0.5", "rubn", "is it rubin"),
        ("visible(rubin, 2.5) > 0.5", "2.5", "within is from"),
        ("visible(rubin, 240) > 0.5", "240", "within is from 300 to 864000 s"),
        ("visible(rubin, 11 d) > 0.5", "11", "within is from 300 to 864000 s"),
        ("field(10, 20) > 0.5", ")", "field asks for ra, dec, radius"),
        ("field(10, 91, 1) > 0.5", "91", "dec is from -90 to 90 deg"),
        ("p > 1", "p", "p asks for (class)"),
        ("p() > 1", ")", "p asks for class"),
        ("far(2) < 1", "(", "takes nothing"),
        ("area(0.5, 2) < 1", "2", "takes no more"),
        ("area(90) < 1", "90", "from 0 to 1"),
        ("area(far) < 1", "far", "a number"),
        ("area(0.9 Mpc) < 1", "0.9", "is a plain number"),
        ("area(0.9 < 1", "<", ", is missing"),
        ("far < ", "", "something is missing"),
        ("far < 1 and", "", "something is missing"),
        ("far < 1)", ")", "not expected"),
        ("(far < 1", "", ") is missing"),
        ("far < 1 distance < 2", "distance", "is no unit"),
        ("significant test", "test", "join two conditions"),
        ("1 < distance < 3", "<", "do not follow one another"),
        ("(far < 1) < 2", "far < 1", "true or false"),
        ("far in (1, 2)", "in", "write between"),
        ("type in initial", "initial", "( is missing"),
        ("type in (initial", "", ") is missing"),
        ("significant = 3", "3", "true or"),
        ("type = ", "", "a word or a text"),
        ("far < 1/0", "/", "division by zero"),
        ("far < 1e300*1e300", "*", "beyond"),
        ("far < 1e999", "1e999", "too large"),
        ("far < " + "1" * 31, "1" * 31, "at most 30"),
        ("time > 2026-13-01", "2026-13-01", "no time"),
        ("time > 2026-11-22T99:00", "2026-11-22T99:00", "no time"),
        ("far < 1 && test", "&", "write and"),
        ("!test", "!", "write not"),
        ("type = 'initial", "'", "close the quotes"),
        ("far < 1 \x1b[2J", "", "means nothing"),
        ("far < 1 \ud800", "", "this character means nothing"),
        ("far < 1 \u202e", "", "this character means nothing"),
        ("month > 3", "month", "is a unit"),
        ("x" * 70 + " > 1", "x" * 70, "at most 64"),
        ("distance*distance*distance*distance*distance*distance*distance > 1", "*", "power"),
        ("(" * 40 + "test" + ")" * 40, "(", "deeper than 32"),
        ("not " * 40 + "test", "not", "deeper than 32"),
        ("-" * 40 + "1 < far", "-", "deeper than 32"),
        ("test or " * 260 + "test", "test", "more than 500 words"),
        ("test " + " " * 4000, "", "at most 4000"),
        ("__import__('os').system('true')", ".", "means nothing"),
        ("type * 2 > 1", "type", "only numbers are multiplied"),
        ("far < 1/month or or test", "or", "not expected"),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, word: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(text)
    what, *where = str(raised.value).split("\n")
    assert said in what
    shown, mark = where
    assert shown.isprintable()
    assert set(mark.strip()) == {"^"}
    marked = shown[mark.index("^") : mark.index("^") + mark.count("^")]
    assert marked.startswith(word[: len(marked)])
    assert word or mark.count("^") == 1


def test_in_a_rule_of_several_lines_the_line_is_shown() -> None:
    with pytest.raises(RuleError) as raised:
        parse("far < 1/month\n  and p(BNS) > 0.5\n  and area9O < 500\n")
    assert str(raised.value).split("\n")[1:] == ["    and area9O < 500", "        ^^^^^^"]


def test_what_matched_and_what_did_not_is_told_with_its_values(data_dir: Path) -> None:
    rule = parse("far < 1/month and (p(BNS) + p(NSBH)) * 2 > 1 and not (test or area90 > 500) and mchirp < 5")
    verdict = rule.judge(facts(data_dir, "initial"))
    assert verdict.reasons == (
        "yes: far (9.111e-14 Hz) < 1/month",
        "yes: (p(BNS) (0.95) + p(NSBH) (0.01)) * 2 > 1",
        "no: not test (yes)",
        "unknown: mchirp (?) < 5 (mchirp: the alert does not tell it)",
    )
    assert not verdict.matched
    assert verdict.unknown == ("mchirp",)
    assert verdict.as_dict()["parts"][2] == {
        "text": "not test", "outcome": False, "values": {"test": "yes"}, "unknown": {},
    }  # fmt: skip


def test_what_is_unknown_is_decided_by_who_asks_and_not_by_accident(data_dir: Path) -> None:
    rule, told = parse("mchirp < 5"), facts(data_dir, "initial")
    assert (rule.judge(told, "reject").matched, rule.judge(told, "accept").matched) == (False, True)
    assert rule.judge(told, "accept").outcome is None
    assert not parse("mchirp < 5 and far > 1").judge(told, "accept").matched


def test_the_sky_map_is_decoded_only_where_it_decides(data_dir: Path) -> None:
    told = lvk_alert(data_dir, "initial")
    told.record["event"]["skymap"] = b"no map"
    assert parse("area90 < 500 and far > 1").judge(facts_of(told, NOW_UNIX_NS)).unknown == ()
    verdict = parse("area90 < 500 and far < 1").judge(facts_of(told, NOW_UNIX_NS))
    assert (verdict.outcome, verdict.unknown) == (None, ("area90",))
    assert "no FITS file" in verdict.reasons[0]


def test_the_combined_map_is_taken_where_it_is_asked_for(data_dir: Path) -> None:
    rule, joint = parse("area90 < 20"), lvk_alert(data_dir, "ext-update")
    own_map, combined = (rule.judge(facts_of(joint, NOW_UNIX_NS, combined=asked)) for asked in (False, True))
    assert own_map.parts[0].values == {"area90": "30.98 deg2"}
    assert combined.parts[0].values["area90"] != "30.98 deg2"
    single = facts_of(lvk_alert(data_dir, "initial"), NOW_UNIX_NS, combined=True)
    assert single.get("area90") == pytest.approx(30.98, abs=0.01)


def test_our_alerts_tell_more() -> None:
    told = own()
    assert told.get("mchirp") == pytest.approx(10 + 10 * 0.4 / 0.7)
    assert (told.get("revision"), told.get("test")) == (1.0, True)
    why = own(beside(unknown={"skymap": "the follow-up failed"}), skymap=None)
    assert why.get("area90") == Unknown("the follow-up failed")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("far", {"far": float("nan")}),
        ("far", {"far": -1.0}),
        ("far", {"far": 1e300}),
        ("far", {"far": float("inf")}),
        ("mchirp", {"mchirp_source": {"bin_edges": [1.0], "probabilities": []}}),
        ("mchirp", {"mchirp_source": {"bin_edges": [1.0, 1.0], "probabilities": [1.0]}}),
        ("mchirp", {"mchirp_source": {"bin_edges": [1.0, 2.0], "probabilities": [float("nan")]}}),
        ("time", {"time": "then"}),
        ("age", {"time": "0001-01-01"}),
        ("time", {"time": "9999-12-31T00:00:00Z"}),
        ("detectors", {"instruments": []}),
        ("count", {"instruments": []}),
        ("detectors", {"instruments": ["H1"] * 99}),
        ("has_ns", {"properties": {"HasNS": 1.5}}),
        ("has_ns", {"properties": {}}),
        ("p_astro", {"classification": {"Terrestrial": float("nan")}}),
        ("test", {"superevent_id": EVIL}),
        ("group", {"group": ""}),
        ("area90", {"skymap": b""}),
        ("created", {"time_created": "x" * 100_000}),
    ],
)
def test_an_absurd_value_is_unknown_with_a_reason(name: str, changes: dict[str, Any]) -> None:
    value = own(**changes).get(name, ("detectors",) if name == "count" else ())
    assert isinstance(value, Unknown)
    assert value.reason


@pytest.mark.parametrize("revision", [-1, "2", True, [], 10**400, float("nan")])
def test_so_is_one_that_is_told_beside(revision: object) -> None:
    assert isinstance(own(beside(revision=revision, unknown=[])).get("revision"), Unknown)


def test_a_verdict_on_a_strangers_texts_is_harmless() -> None:
    rule = parse("superevent = S190814bv or group = CBC or detectors has H1 or pipeline = gstlal")
    told = own(superevent_id=EVIL, group=EVIL, instruments=[EVIL], pipeline=EVIL)
    assert all(reason.isprintable() for reason in rule.judge(told).reasons)


def test_every_name_can_be_read_and_no_name_is_a_unit() -> None:
    assert set(READERS) == set(NAMES)
    assert set(NAMES) & set(UNITS) == set()


def number(told: Facts, name: str, *arguments: float | str) -> float:
    """Return a value that must be a number."""
    value = told.get(name, arguments)
    assert isinstance(value, float)
    return value


def test_what_a_site_sees_and_what_lies_in_a_field_is_asked_of_the_map() -> None:
    told = own()
    ra, dec = number(told, "ra"), number(told, "dec")
    assert number(told, "field", ra, dec, 180.0) == pytest.approx(1.0)
    assert 0 < number(told, "field", ra, dec, 5.0) < number(told, "field", ra, dec, 20.0) <= 1
    seen = number(told, "visible", "rubin")
    assert seen == number(told, "visible", "rubin", 86_400.0, 2.5, -18.0)
    assert 0 <= seen <= number(told, "visible", "rubin", 86_400.0, 10.0, 0.0) <= 1
    assert parse("visible = visible(rubin)", site="rubin").judge(told).matched
    assert parse('visible("-70.7,-30.2,2600") >= 0').judge(told).matched
    assert not parse("visible(cerro-tololo, 2 h, 1.2, -12 deg) > 1").judge(told).matched


def test_without_a_map_or_at_a_time_that_no_ephemeris_reaches_it_is_unknown() -> None:
    assert isinstance(own(skymap=None).get("visible", ("rubin",)), Unknown)
    assert isinstance(own(skymap=None).get("field", (0.0, 0.0, 1.0)), Unknown)
    late = facts_of(ReceivedAlert(alert(), beside(), b"", "alerts.gw", 0, 0), 1 << 62)
    assert isinstance(late.get("visible", ("rubin",)), Unknown)
