"""Simulated notices: each a mission's in form, the true ones near their merger, chance ones as many as asked for."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from stream.errors import ConfigurationError
from stream.simulate.external import MessengerConfig, MessengerNetwork
from stream.simulate.notices import TENSE, Seen, SimulatedNotice, gbm_notices, track_notices
from stream.timebase import NS_PER_S, gps_ns_to_utc

START_NS = 1_440_000_000 * NS_PER_S
MERGER = Seen(START_NS + 100 * NS_PER_S + 250_000_000, 1.0, 0.4)
HOUR_NS = 3600 * NS_PER_S


def told(notice: SimulatedNotice) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(notice.payload)
    return found


def away_deg(seen: Seen, notice: dict[str, Any]) -> float:
    ra, dec = math.radians(notice["ra"]), math.radians(notice["dec"])
    cosine = math.sin(dec) * math.sin(seen.dec_rad) + math.cos(dec) * math.cos(seen.dec_rad) * math.cos(
        ra - seen.ra_rad
    )
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def test_gbm_sends_an_alert_without_a_place_and_then_places_that_get_better() -> None:
    notices = [told(n) for n in gbm_notices(MERGER, np.random.default_rng(1))]
    assert [n["subtype"] for n in notices] == [
        "INITIAL_ALERT", *["FLIGHT_POSITION"] * 3, *["GROUND_POSITION"] * 2, "FINAL_POSITION",
    ]  # fmt: skip
    assert "ra" not in notices[0]
    assert notices[1]["ra_dec_error"] > notices[4]["ra_dec_error"] > notices[6]["ra_dec_error"]
    assert [n["record_number"] for n in notices] == list(range(1, 8))
    assert {n["alert_tense"] for n in notices} == {TENSE}
    assert len({tuple(n["id"]) for n in notices}) == 1


def test_gbm_names_a_burst_by_its_own_clock_and_day() -> None:
    """bn240812094 of GCN's example is GBM's trigger 745121685, 2024-08-12T02:14:40 UTC."""
    seen = Seen(1_407_464_098_430_000_000, 0.0, 0.0)
    first = told(next(gbm_notices(seen, np.random.default_rng(1))))
    assert first["id"] == ["745121685", "bn240812094"]
    assert first["trigger_time"] == "2024-08-12T02:14:40.430000Z"


def test_the_true_place_lies_within_the_flight_error_as_often_as_it_says() -> None:
    """Of 1000 bursts 0.68, but for the tail of the systematic error, which the notice does not tell."""
    rng = np.random.default_rng(3)
    flights = [told(list(gbm_notices(MERGER, rng))[1]) for _ in range(1000)]
    part = np.mean([away_deg(MERGER, n) <= n["ra_dec_error"] for n in flights])
    assert 0.58 < part < 0.70


def test_the_true_place_of_a_track_lies_within_its_error_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    tracks = [told(next(track_notices(MERGER, rng))) for _ in range(1000)]
    part = np.mean([away_deg(MERGER, n) <= n["ra_dec_error"] for n in tracks])
    assert 0.87 < part < 0.93
    assert all(n["messenger"] == "Neutrino" and 0 < n["far"] < 1e-7 for n in tracks)


def test_a_merger_has_a_burst_after_it_and_a_track_about_it() -> None:
    merger_s = gps_ns_to_utc(MERGER.gps_ns).timestamp()
    delays_s: dict[str, list[float]] = {"EM": [], "Neutrino": []}
    for seed in range(50):
        network = MessengerNetwork(MessengerConfig(seed=seed), START_NS)
        network.merger(MERGER)
        notices = list(network.until(START_NS + HOUR_NS))
        assert all(n.of_merger for n in notices)
        assert [n.sent_ns for n in notices] == sorted(n.sent_ns for n in notices)
        for messenger, found in delays_s.items():
            first = next(told(n) for n in notices if told(n)["messenger"] == messenger)
            found.append(datetime.fromisoformat(first["trigger_time"]).timestamp() - merger_s)
    assert 0.3 < min(delays_s["EM"]) < 1.4
    assert 2.0 < max(delays_s["EM"]) <= 4.51
    assert -5.01 <= min(delays_s["Neutrino"]) < 0 < max(delays_s["Neutrino"]) <= 5.01


def test_by_chance_come_as_many_as_are_asked_for_and_some_are_withdrawn() -> None:
    network = MessengerNetwork(MessengerConfig(("grb",), chance_hz=100 / 3600), START_NS)
    notices = list(network.until(START_NS + 4 * HOUR_NS))
    events = {n.event_id for n in notices}
    assert 330 < len(events) < 470
    withdrawn = {n.event_id for n in notices if told(n)["alert_type"] == "retraction"}
    assert 0.1 < len(withdrawn) / len(events) < 0.3
    assert all("ra" not in told(n) for n in notices if told(n)["alert_type"] == "retraction")
    assert not any(n.of_merger for n in notices)


def test_the_same_seed_sends_the_same_whatever_the_steps() -> None:
    config = MessengerConfig(chance_hz=1 / 60)
    whole, stepped = MessengerNetwork(config, START_NS), MessengerNetwork(config, START_NS)
    one = list(whole.until(START_NS + HOUR_NS))
    other = [n for k in range(3600) for n in stepped.until(START_NS + (k + 1) * NS_PER_S)]
    assert one == other
    assert len(one) > 100


def test_nothing_comes_from_before_the_start() -> None:
    network = MessengerNetwork(MessengerConfig(chance_hz=1.0), START_NS + 40 * NS_PER_S)
    assert all(n.sent_ns > START_NS + 40 * NS_PER_S for n in network.until(START_NS + HOUR_NS // 6))


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="there are grb, neutrino"):
        MessengerConfig(("axion",))
