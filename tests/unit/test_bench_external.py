"""What ``tocsin bench external`` sends and makes of figures; the measurement itself is a command."""

from __future__ import annotations

import json

import numpy as np

from pipelines.show.bench_external import _burst, _superevent
from pipelines.show.bench_load import Memory, chance_notices
from stream.codec.skymap import decode_skymap
from stream.regions import pixels_at, probability
from stream.simulate.notices import SimulatedNotice
from stream.timebase import NS_PER_S, SystemClock


def test_the_load_is_as_many_notices_as_asked_for_of_events_long_ago() -> None:
    notices = list(chance_notices(500, seed=3))
    assert len(notices) == 500
    assert len({notice.event_id for notice in notices}) > 50
    assert max(notice.sent_ns for notice in notices) < SystemClock().now_ns() - 300 * 86_400 * NS_PER_S


def test_a_superevent_has_a_map_that_may_hold_its_burst() -> None:
    told = _superevent(0, 11, 1_440_000_000 * NS_PER_S)
    assert told.localized.skymap_fits is not None
    skymap = decode_skymap(told.localized.skymap_fits)
    at = pixels_at(skymap, np.array([told.seen.ra_rad]), np.array([told.seen.dec_rad]))
    assert probability(skymap)[at] > 0
    notice = _burst(told.seen, np.random.default_rng(1))
    assert isinstance(notice, SimulatedNotice)
    assert json.loads(notice.payload)["subtype"] == "GROUND_POSITION"


def test_memory_is_told_from_its_start_to_its_peak() -> None:
    watch = Memory()
    watch.start()
    watch.look()
    told = watch.as_dict()
    assert all(value is None or value > 1.0 for value in told.values())
    assert (told["rss_peak_mb"] or 0) >= (told["rss_start_mb"] or 0)
