"""The follow-up in line, as a replay has it: maps as live, and a failure is a reason."""

from __future__ import annotations

from typing import Any, cast

import followers
import pytest
from findings import heard, mapped
from followers import Scripted

from pipelines.follow import in_line
from pipelines.offline.report import Report
from stream.infer import ModelCard
from stream.records import Candidate, Snapshot
from stream.settings import Settings

CARD = cast("ModelCard", None)


def searched(*candidates: Candidate, maker: str = "followers:scripted") -> Report:
    report = Report(follow=in_line(Settings(), CARD, maker))
    for candidate in candidates:
        report.candidate(candidate, Snapshot(candidate, ()))
    return report


def test_a_replays_alerts_have_maps_and_each_event_one_revision_a_candidate() -> None:
    bump, peak, echo = heard(0, 8.0, 1e-6), heard(500_000_000, 20.0, 1e-9), heard(900_000_000, 9.0)
    report = searched(bump, peak, echo)
    assert [(r.alert_type, r.localized) for r in report.revisions] == [
        ("PRELIMINARY", mapped(bump)), ("UPDATE", mapped(peak)),
    ]  # fmt: skip
    told: Any = report.as_dict()["candidates"]
    assert [r["followed"]["area90_deg2"] for r in told[0]["revisions"]] == [501.25, 501.25]


def test_no_map_is_made_of_what_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []
    original = Scripted.follow

    def follow(self: Scripted, snapshot: Snapshot) -> Any:
        made.append(snapshot.candidate.peak.statistic)
        return original(self, snapshot)

    monkeypatch.setattr(Scripted, "follow", follow)
    searched(heard(0, 20.0), heard(500_000_000, 9.0), heard(0, 20.0))
    assert made == [20.0]


@pytest.mark.parametrize(
    ("maker", "statistic", "why"),
    [
        ("followers:scripted", Scripted.RAISES, "not made: ValueError('a matrix is singular')"),
        ("followers:unable", 9.0, "not made: network first has no templates"),
        ("followers.nothing:here", 9.0, "not made: No module named 'followers.nothing'; 'followers' is not a package"),
    ],
)
def test_a_follow_up_that_fails_is_a_reason_and_no_failure_of_the_replay(
    maker: str, statistic: float, why: str
) -> None:
    (revision,) = searched(heard(0, statistic), maker=maker).revisions
    assert revision.localized is not None
    assert (revision.localized.skymap_fits, set(revision.localized.reasons.values())) == (None, {why})


def test_a_follower_is_made_when_the_first_candidate_wants_it_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def scripted(*_: object) -> Scripted:
        made.append(1)
        return Scripted()

    monkeypatch.setattr(followers, "scripted", scripted)
    follow = in_line(Settings(), CARD, "followers:scripted")
    assert made == []
    for _ in range(2):
        follow(Snapshot(heard(), ()))
    assert made == [1]
