"""Superevents under any order of findings, restarts and recalls."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from messengers import burst, coincident

from stream.errors import PublishError
from stream.records import (
    Background,
    Candidate,
    Coincidence,
    Decision,
    ExternalEvent,
    Finding,
    GwEvent,
    Joined,
    Localized,
    Peak,
    Revision,
    SourceClass,
)
from stream.superevent import SAME_EVENT_NS, Sent, Superevents
from stream.timebase import NS_PER_S

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
COINCIDENCES = st.builds(
    lambda name, at, event_id, far_hz: Coincidence(
        GwEvent(name, START_NS, 1e-6),
        None if event_id is None else burst(event_id=event_id, gps_ns=START_NS + at * STEP_NS),
        at * STEP_NS,
        time_far_hz=far_hz,
        sky_far_hz=None if far_hz < 1e-10 else far_hz / 2,
    ),
    st.sampled_from(["TS150914a", "TS150914b", "TS150914c"]),
    st.integers(0, 100),
    st.sampled_from([None, "1", "2"]),
    st.sampled_from([1e-9, 1.001e-9, 2e-9, 1e-11]),
)
FINDINGS = st.lists(st.one_of(CANDIDATES, LOCALIZED, DECISIONS, COINCIDENCES), max_size=40)


def merger_ns(finding: Finding) -> int:
    if isinstance(finding, Decision | Coincidence):
        return 0
    return finding.gps_ns if isinstance(finding, Candidate) else finding.candidate.gps_ns


def run(events: Superevents, findings: list[Finding]) -> list[Revision]:
    made: list[Revision] = []
    for k, finding in enumerate(findings):
        try:
            made += events.step(finding, START_NS + k)
        except PublishError:
            assert isinstance(finding, Decision | Coincidence)  # of an event not there, not read, or retracted
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


class Sky:
    """A store's part: what was heard and not taken back, and which of it coincides with an event."""

    def __init__(self) -> None:
        self.heard: dict[str, ExternalEvent] = {}
        self.gone: set[str] = set()
        self.gws: dict[str, GwEvent] = {}

    def of(self, gw: GwEvent, told: Joined | None = None) -> Coincidence | None:
        self.gws[gw.superevent_id] = gw
        near = [
            external
            for name, external in self.heard.items()
            if name not in self.gone and -NS_PER_S <= external.gps_ns - gw.gps_ns <= 5 * NS_PER_S
        ]
        nearest = min(near, key=lambda external: abs(external.gps_ns - gw.gps_ns), default=None)
        return coincident(nearest, gw, gw.far_hz / 1000)

    def take(self, notice: ExternalEvent) -> list[Coincidence]:
        if notice.alert_type == "retraction":
            self.gone.add(notice.event_id)
        else:
            self.heard[notice.event_id] = notice
        return [found for gw in list(self.gws.values()) if (found := self.of(gw)) is not None]


NOTICES = st.builds(
    lambda event_id, at, kind: burst(event_id=event_id, gps_ns=START_NS + at * STEP_NS, alert_type=kind),
    st.sampled_from(["1", "2", "3"]),
    st.integers(0, 200),
    st.just("initial"),
)


@st.composite
def of_two_messengers(draw: st.DrawFn) -> list[Candidate | Localized | ExternalEvent]:
    """Candidates and maps in an order of theirs; notices in an order of theirs; both in whatever order."""
    findings = draw(heard_and_followed())
    notices = draw(st.lists(NOTICES, max_size=3, unique_by=lambda notice: notice.event_id))
    gone = draw(st.lists(st.sampled_from(notices), max_size=2)) if notices else []
    told = [*notices, *(replace(notice, alert_type="retraction") for notice in gone)]
    places = draw(st.permutations([True] * len(findings) + [False] * len(told)))
    left = {True: iter([f for f in findings if isinstance(f, Candidate | Localized)]), False: iter(told)}
    return [next(left[is_finding]) for is_finding in places]


def lives(mixed: list[Candidate | Localized | ExternalEvent], restarts: set[int]) -> list[Revision]:
    """Take all of it; after a restart the last things are heard again, as from a topic whose place had not moved."""
    sky, made = Sky(), list[Revision]()
    events = Superevents("test", sky.of)
    for k, one in enumerate(mixed):
        again = mixed[max(0, k - 3) : k] if k in restarts else []
        if k in restarts:
            events = Superevents("test", sky.of)
            for revision in made:
                events.recall(Sent.of(revision))
        for each in [*again, one]:
            findings: list[Finding] = [*sky.take(each)] if isinstance(each, ExternalEvent) else [each]
            made += run(events, findings)
    return made


def ends(made: list[Revision]) -> dict[str, tuple[object, ...]]:
    return {r.superevent_id: (r.candidate, r.localized, r.joined) for r in made}


@given(of_two_messengers(), st.sets(st.integers(0, 30), max_size=3), st.randoms(use_true_random=False))
def test_whenever_another_messenger_is_heard_the_last_alert_is_the_same_and_nothing_is_doubled(
    mixed: list[Candidate | Localized | ExternalEvent], restarts: set[int], shuffle: random.Random
) -> None:
    """Before the merger, between candidate and map, after both, across restarts: an alert says what is known then."""
    made = lives(mixed, restarts)
    findings = [one for one in mixed if not isinstance(one, ExternalEvent)]
    notices = [one for one in mixed if isinstance(one, ExternalEvent)]
    assert ends(made) == ends(lives([*notices, *findings], set())) == ends(lives([*findings, *notices], set()))
    told: dict[str, list[Revision]] = {}
    for revision in made:
        told.setdefault(revision.superevent_id, []).append(revision)
    for revisions in told.values():
        assert [r.number for r in revisions] == list(range(len(revisions)))
        said = [(r.candidate, r.localized, r.joined) for r in revisions]
        assert all(one != other for one, other in pairwise(said))
