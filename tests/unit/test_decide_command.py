"""``tocsin retract`` and ``confirm`` without a broker: who decides, and how much is read to see the answer."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator

import make_schema_examples as made
import pytest

from pipelines.cli.common import whoever
from pipelines.live import truth
from pipelines.live.decide import await_alert
from stream.errors import DeadlineExceeded
from stream.kafka.consumer import Message
from stream.settings import Settings
from stream.timebase import gps_ns_to_unix_ns


def test_who_has_no_name_on_this_machine_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that is run under any number of a user."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert whoever().startswith("uid-54321@")


def test_the_answer_to_a_decision_is_looked_for_among_what_came_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not again and again among all since the event, which may be a month old."""
    begun: list[int] = []

    def read_since(_: object, __: str, since_unix_ns: int, *___: object) -> Iterator[Message]:
        begun.append(since_unix_ns)
        return iter(())

    monkeypatch.setattr(truth, "read_since", read_since)
    with pytest.raises(DeadlineExceeded):
        await_alert(Settings(), made.DECISION, -1.0)
    assert begun == [gps_ns_to_unix_ns(made.DECISION.made_ns) - truth.MARGIN_NS]
