"""The gamma-ray bursts of ``tocsin demo``: what is sent of them, and what the daemon's alerts tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipelines.live.publisher import Published
from pipelines.subscribe.messenger import OtherMessenger
from stream.codec.alert import decode
from stream.simulate.external import MessengerConfig, MessengerNetwork
from stream.simulate.notices import Seen, gbm_notices
from stream.timebase import NS_PER_S

BURST_S, OTHER_BURST_S = 1.7, -60.0
"""When two gamma-ray bursts are, from the merger: one that belongs to it, as GRB 170817A did, and one by chance."""
_NOTICES_S = {"INITIAL_ALERT": 0.3, "GROUND_POSITION": 1.2}
"""Which of GBM's notices come, and how long after the first burst; in life it is 14 s and a minute and a half."""


def bursts(merger_ns: int, place_rad: tuple[float, float], seed: int) -> MessengerNetwork:
    """Return what is seen in gamma rays: a burst just after the merger, and one of the same place a minute before."""
    network = MessengerNetwork(MessengerConfig(kinds=()), merger_ns)
    first_ns = merger_ns + round(BURST_S * NS_PER_S)
    for number, at_s in enumerate((BURST_S, OTHER_BURST_S)):
        seen = Seen(merger_ns + round(at_s * NS_PER_S), *place_rad)
        left = dict(_NOTICES_S)
        for notice in gbm_notices(seen, np.random.default_rng((seed, number))):
            after_s = left.pop(notice.stage, None)
            if after_s is not None:
                network.add(replace(notice, sent_ns=first_ns + round(after_s * NS_PER_S)))
    return network


def joined_after_s(published: Sequence[Published], received_ns: Mapping[str, int]) -> float | None:
    """Return the time from the first notice of the event that joined to the alert that told of it first."""
    for alert in published:
        told = told_of(alert)
        if told is not None and told.event_id in received_ns:
            return round((alert.acknowledged_ns - received_ns[told.event_id]) / NS_PER_S, 4)
    return None


def told_of(published: Published) -> OtherMessenger | None:
    """Return what an alert tells of another messenger."""
    if published.alert is None:
        return None
    return OtherMessenger.of(*decode(published.alert.avro, published.alert.headers))
