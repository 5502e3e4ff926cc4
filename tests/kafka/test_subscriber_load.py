"""A subscriber under load: reading beside its peer, and alert to action through a kill and a broker that was away."""

from __future__ import annotations

import pytest

from pipelines.show.load import Got, Plan, load
from pipelines.show.reading import reading

pytestmark = pytest.mark.kafka


def test_none_is_lost_or_doubled_through_a_kill_and_a_broker_that_was_away() -> None:
    """A few seconds of what ``tocsin bench load --kill-every 30`` does for minutes."""
    figures = load(Plan(seconds=12.0, per_s=15.0, kill_every_s=6.0))
    assert (figures["sent"], figures["acted_upon"]) == (180, 180)
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    assert figures["kills"] >= 1  # a slow machine is given time for more


def test_reading_is_measured_beside_its_peer() -> None:
    figures = reading(200)
    assert figures["alerts"] == 200
    assert figures["tocsin_per_s"] > 0 and figures["peer_json_per_s"] > 0


def test_the_comparison_can_fail() -> None:
    """An alert that came under two keys is one that was doubled."""
    got = Got()
    for key in (b"a" * 64, b"a" * 64, b"b" * 64):
        got(b"POST / HTTP/1.1\r\nIdempotence-Key: " + key + b"\r\n", b'{"superevent_id": "TS1a"}', 1.0)
    got(b"POST / HTTP/1.1\r\n", b"{}", 1.0)
    assert (got.posts, got.first_s, len(got.keys["TS1a"])) == (3, {"TS1a": 1.0}, 2)
