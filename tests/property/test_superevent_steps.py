"""Superevents under any order of findings, restarts and recalls."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stream.errors import PublishError
from stream.records import Background, Candidate, Decision, Finding, Localized, Peak, Revision, SourceClass
from stream.superevent import SAME_EVENT_NS, Sent, Superevents

START_NS = 1_126_310_400_000_000_000  # some ten minutes before a UTC midnight
STEP_NS = 50_000_000
SETS = (("H1", "L1"), ("H1",), ("H1", "L1", "V1"), ("L1", "V1"))


def candidate(at: int, statistic: float, far_hz: float, detectors: tuple[str, ...]) -> Candidate:
    gps_ns = START_NS + at * STEP_NS
    peak = Peak(gps_ns, statistic, detectors, tuple((d, 1.0) for d in detectors), gps_ns + 170_000_000)
    return Candidate(peak, far_hz, False, Background("live", 1e6, detectors), "first-1")


CANDIDATES = st.builds(
    candidate,
    st.one_of(st.integers(0, 200), st.integers(0, 100_000)),
    st.floats(5, 50),
    st.sampled_from([4.9e-8, 1e-7, 1e-6, 1e-5]),
    st.sampled_from(SETS),
)
DECISIONS = st.builds(
    Decision,
    st.uuids().map(str),
    st.sampled_from(["TS150914a", "TS150914b", "TS150914c"]),
    st.sampled_from(["retract", "confirm"]),
    st.just("why"),
    st.just("who"),
    st.just(START_NS),
)
SOURCES = (None, SourceClass({"BBH": 1.0}, None, None), SourceClass({"BBH": 1.0}, {"HasNS": 0.0}, ((1.0, 2.0), (1.0,))))
LOCALIZED = st.builds(
    lambda candidate, fits, source, method: Localized(candidate, fits, source=source, method=method),
    CANDIDATES,
    st.sampled_from([None, b"map"]),
    st.sampled_from(SOURCES),
    st.sampled_from(["tocsin", "bayestar"]),
)
FINDINGS = st.lists(st.one_of(CANDIDATES, LOCALIZED, DECISIONS), max_size=40)


def merger_ns(finding: Finding) -> int:
    if isinstance(finding, Decision):
        return 0
    return finding.gps_ns if isinstance(finding, Candidate) else finding.candidate.gps_ns


def run(events: Superevents, findings: list[Finding]) -> list[Revision]:
    made: list[Revision] = []
    for k, finding in enumerate(findings):
        try:
            made += events.step(finding, START_NS + k)
        except PublishError:
            assert isinstance(finding, Decision)  # of an event that is not there, or was retracted
    return made


@given(FINDINGS)
def test_the_same_calls_give_the_same_answers(findings: list[Finding]) -> None:
    assert run(Superevents("test"), findings) == run(Superevents("test"), findings)


@given(FINDINGS)
def test_numbers_count_up_by_one_and_no_two_alerts_have_one_id(findings: list[Finding]) -> None:
    made = run(Superevents("test"), findings)
    numbers: dict[str, list[int]] = {}
    for revision in made:
        numbers.setdefault(revision.superevent_id, []).append(revision.number)
    assert all(n == list(range(len(n))) for n in numbers.values())
    assert len({revision.message_id for revision in made}) == len(made)
    assert [r.alert_type for r in made if r.number == 0] == ["PRELIMINARY"] * len(numbers)


@given(FINDINGS)
def test_no_superevent_begins_near_another(findings: list[Finding]) -> None:
    """In any order of candidates; in their order in time no two ever come near."""
    for order in (findings, sorted(findings, key=merger_ns)):
        made = run(Superevents("test"), order)
        for k, new in enumerate(made):
            for old in made[:k]:
                if new.superevent_id != old.superevent_id and (new.number == 0 or order is not findings):
                    assert abs(new.gps_ns - old.gps_ns) > SAME_EVENT_NS


@st.composite
def heard_and_followed(draw: st.DrawFn) -> list[Finding]:
    """Candidates of one run, which are never one peak, and what follow-ups found of them: late, in parts, again."""
    peaks = draw(st.lists(CANDIDATES, min_size=1, max_size=12, unique_by=lambda c: c.gps_ns))
    found = draw(st.lists(st.tuples(st.sampled_from(peaks), LOCALIZED), max_size=20))
    return draw(st.permutations([*peaks, *(replace(localized, candidate=peak) for peak, localized in found)]))


@given(st.one_of(st.lists(CANDIDATES, max_size=40), heard_and_followed()), st.randoms(use_true_random=False))
def test_after_any_recall_of_what_was_said_nothing_is_said_again(
    findings: list[Finding], shuffle: random.Random
) -> None:
    """A restart reads its alerts in any order, some twice, and hears any part of the data again in its order."""
    made = run(Superevents("test"), [*findings])
    after = Superevents("test")
    for revision in shuffle.sample(made * 2, 2 * len(made)):
        after.recall(replace(Sent.of(revision), localized=None))  # as its headers tell it
    assert run(after, [*findings, *findings]) == []


PEAKS = st.tuples(st.integers(0, 15), st.floats(5, 50), st.sampled_from(SETS))


@given(st.lists(PEAKS, min_size=1, max_size=12, unique_by=lambda peak: peak[0]))
def test_the_preferred_candidate_is_that_of_the_lowest_far(peaks: list[tuple[int, float, tuple[str, ...]]]) -> None:
    """Of what one background says at one time: for each set of detectors a FAR that never rises with the statistic."""
    fars = [max(1e-9, 10.0 ** -(statistic * (1 + len(detectors)) / 15)) for _, statistic, detectors in peaks]
    made = run(Superevents("test"), [candidate(at, s, far, d) for (at, s, d), far in zip(peaks, fars, strict=True)])
    assert len({revision.superevent_id for revision in made}) == 1
    preferred = made[-1].candidate
    assert preferred is not None
    assert preferred.far_hz <= min(fars) * 1.01  # statistics that differ by less than STATISTIC_STEP are the same


@given(FINDINGS)
def test_a_decision_that_was_said_is_not_said_again(findings: list[Finding]) -> None:
    made = run(Superevents("test"), findings)
    after = Superevents("test")
    for revision in made:
        after.recall(Sent.of(revision))
    assert run(after, [r.decision for r in made if r.decision is not None]) == []


@given(FINDINGS, FINDINGS, st.randoms(use_true_random=False))
def test_a_restart_at_any_place_changes_nothing_that_follows(
    before: list[Finding], after: list[Finding], shuffle: random.Random
) -> None:
    events, restarted = Superevents("test"), Superevents("test")
    made = run(events, before)
    for revision in shuffle.sample(made, len(made)):
        restarted.recall(Sent.of(revision))
    assert run(restarted, after) == run(events, after)


SENT = st.builds(
    Sent,
    st.sampled_from(["TS150914a", "TS150914b", "MS150914c", "TS150915zz", "S150914zzzz"]),
    st.integers(0, 4),
    st.sampled_from(["PRELIMINARY", "UPDATE", "INITIAL", "RETRACTION"]),
    st.integers(0, 100).map(lambda k: START_NS + k * STEP_NS),
    st.none() | st.floats(5, 50),
    st.none() | st.sampled_from([1e-7, 1e-6]),
    st.sampled_from([*SETS, ()]),
    st.integers(-5, 2**40),
    st.none() | st.just({"far": 1e-6}),
)


@given(st.lists(SENT, max_size=30), FINDINGS, st.randoms(use_true_random=False))
def test_the_order_in_which_alerts_are_recalled_does_not_matter(
    sent: list[Sent], findings: list[Finding], shuffle: random.Random
) -> None:
    one, other = Superevents("test"), Superevents("test")
    for alert in sent:
        one.recall(alert)
    for alert in shuffle.sample(sent, len(sent)):
        other.recall(alert)
    assert run(one, findings) == run(other, findings)
