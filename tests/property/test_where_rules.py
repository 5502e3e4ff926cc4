"""No rule hangs, executes or raises anything but its own error, and none takes longer than in proportion."""

from __future__ import annotations

import copy
import functools
from typing import Any

from alerts import alert, beside
from hypothesis import given
from hypothesis import strategies as st
from told import NOW_UNIX_NS

from pipelines.subscribe import ReceivedAlert
from pipelines.subscribe.facts import facts_of
from pipelines.subscribe.where import NAMES, UNITS, Rule, parse
from stream.errors import RuleError

WORDS = (
    *NAMES,
    *UNITS,
    "and",
    "or",
    "not",
    "in",
    "between",
    "has",
    "per",
    "true",
    "no",
    "<",
    "<=",
    "=",
    "!=",
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "1",
    "0.5",
    "1e9",
    "1e-300",
    "2026-11-22T00:00Z",
    "BNS",
    "HasNS",
    "initial",
    "CBC",
    "gamma",
    "V1",
    "'H1'",
    "p(BNS)",
    "area(0.9)",
    "detectors has",
    "type =",
    "count(detectors)",
    "\n",
    "é",
    "\x00",
)


@functools.cache
def told() -> ReceivedAlert:
    return ReceivedAlert(alert(), beside(), b"", "alerts.gw", 0, 0)


def understood(text: str) -> Rule | None:
    try:
        return parse(text)
    except RuleError as error:
        assert len(str(error).split("\n")) == 3
        assert len(str(error)) < 3000
        return None


def judged(text: str, alert: ReceivedAlert) -> None:
    rule = understood(text)
    if rule is not None:
        known = facts_of(alert, NOW_UNIX_NS)
        verdict = rule.judge(known)
        assert all(reason.isprintable() for reason in verdict.reasons)
        assert verdict.as_dict()["outcome"] in (True, False, None)
        assert rule.judge(known, "accept").matched is (verdict.outcome is not False)
        contrary = understood(f"not ({text})")
        if contrary is not None:
            found = contrary.judge(known).outcome
            assert found is (None if verdict.outcome is None else not verdict.outcome)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    judged(text, told())


@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_any_words_of_the_language(text: str) -> None:
    judged(text, told())


NUMBERS = st.sampled_from(
    ["far", "p(BNS)", "area90", "distance", "has_ns", "mchirp", "overlap", "revision", "age", "joint_far"]
)
CLAIMS = st.one_of(
    st.tuples(
        NUMBERS, st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), st.floats(0, 1e6).map(lambda x: f"{x:.3g}")
    ).map(" ".join),
    st.sampled_from(
        [
            "significant",
            "test",
            "joint",
            "type = update",
            "messenger = gamma",
            "detectors has V1",
            "type in (initial, update)",
        ]
    ),
)
RULES = st.recursive(
    CLAIMS,
    lambda inner: st.one_of(
        inner.map(lambda a: f"not ({a})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
    ),
    max_leaves=12,
)


@given(RULES)
def test_the_contrary_of_any_rule_is_its_contrary(text: str) -> None:
    judged(text, told())


LEAVES = {
    "far < 1": 1.0,
    "area90 < 0": 0.0,
    "duration > 1": 0.5,
    "visible(rubin) >= 0": 1.0,
    "mchirp > 1e6": 0.0,
    "joint": 0.0,
}
"""Claims of every cost, and what they are of the alert: true, false, or unknown between them."""
TREES = st.recursive(
    st.sampled_from(sorted(LEAVES)).map(lambda text: (text, LEAVES[text])),
    lambda inner: st.one_of(
        inner.map(lambda a: (f"not ({a[0]})", 1.0 - a[1])),
        st.lists(inner, min_size=2, max_size=4).map(lambda some: (_joined(some, "and"), min(a[1] for a in some))),
        st.lists(inner, min_size=2, max_size=4).map(lambda some: (_joined(some, "or"), max(a[1] for a in some))),
    ),
    max_leaves=16,
)


def _joined(some: list[tuple[str, float]], word: str) -> str:
    return f" {word} ".join(f"({text})" for text, _ in some)


@given(TREES)
def test_whatever_is_looked_at_first_the_answer_is_that_of_the_logic(tree: tuple[str, float]) -> None:
    """Kleene's and is the lesser, his or the greater, his not what is left to 1."""
    text, expected = tree
    rule = understood(text)
    if rule is not None:  # deeper than a rule may be
        assert rule.judge(facts_of(told(), NOW_UNIX_NS)).outcome is {1.0: True, 0.0: False, 0.5: None}[expected]


ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.text(max_size=3), max_size=3),
    st.binary(max_size=20),
    st.dictionaries(st.sampled_from(["BNS", "HasNS", "Terrestrial", "x"]), st.floats(), max_size=3),
)
EVERYTHING = (
    "far < 0 or mchirp < 0 or duration > 1 or count(detectors) > 9 or age < 1 or p(BNS) > 2 or has_ns > 2 "
    "or area90 < 0 or revision < 0"
)


@given(
    st.sampled_from(["far", "time", "duration", "skymap"]),
    st.one_of(st.floats(), st.text(max_size=9), st.binary(max_size=9)),
    ODD,
)
def test_no_value_of_an_alert_raises(field: str, value: Any, extra: Any) -> None:
    record = copy.deepcopy(alert())
    kinds = {"far": float, "time": str, "duration": float, "skymap": bytes}
    if isinstance(value, kinds[field]):
        record["event"][field] = value
    judged(EVERYTHING, ReceivedAlert(record, {"unknown": extra, "revision": extra, "joined": extra}, b"", "", 0, 0))


@given(st.integers(1, 480))
def test_a_rule_of_many_words_is_read_in_proportion(count: int) -> None:
    assert understood(" or ".join(["test"] * (count // 2 + 1))) is not None
    assert understood("(" * count) is None
    assert understood("1+" * (count // 2)) is None
