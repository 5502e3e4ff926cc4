"""What coincides with an event, set against what was told of it: when that is news, and what stays where nobody knows.

**News** is another event of another messenger, one that joined or left, one whose time moved, a joint false-alarm rate
with the sky where there was none, a rate or an overlap that moved by more than a hundredth, and the word "significant".
Another notice that says the same is none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from stream.records import GwEvent, Joined, Revision
from stream.superevent.sent import Sent
from stream.timebase import NS_PER_S

_MOVED = 0.01
"""So much of itself a rate, or an overlap, has to change to be told anew: maps are made of pixels, and of samples."""
_MOVED_NS = NS_PER_S // 10
"""Missions state the time of one event to a tenth of a second in their first notice, and better later."""


Change = Literal["joined", "left", "another", "moved"]


def change(now: Joined | None, told: Joined | None) -> Change | None:
    """Return how what coincides now is other than what was told; None where it is not."""
    if now is None or told is None:
        return "joined" if now is not None else None if told is None else "left"
    if (now.source, now.event_id) != (told.source, told.event_id):
        return "another"
    return "moved" if _is_other(now, told) else None


def _is_other(now: Joined, told: Joined) -> bool:
    if now.significant != told.significant or abs(now.time_difference_ns - told.time_difference_ns) > _MOVED_NS:
        return True
    values = (
        (now.time_far_hz, told.time_far_hz),
        (now.sky_far_hz, told.sky_far_hz),
        (now.overlap, told.overlap),
    )
    return any(_moved(one, other) for one, other in values)


def _moved(now: float | None, told: float | None) -> bool:
    if now is None or told is None:
        return now is not told
    return abs(now - told) > _MOVED * max(abs(now), abs(told))


def as_told(last: Sent | None, gps_ns: int) -> Joined | None:
    """Return what an alert goes on telling of a coincidence, where nobody can say what coincides now.

    Of another candidate of the event the time difference follows; the rates, which were those of the candidate before,
    are not known.
    """
    told = None if last is None else last.joined
    if last is None or told is None or last.gps_ns == gps_ns:
        return told
    difference_ns = told.time_difference_ns + last.gps_ns - gps_ns
    return replace(told, time_difference_ns=difference_ns, time_far_hz=None, sky_far_hz=None, overlap=None)


def gw_of(revision: Revision) -> GwEvent | None:
    """Return an event as coincidences see it, by what a revision says of it; None where that tells no rate."""
    candidate, event, localized = revision.candidate, revision.carried or {}, revision.localized
    far_hz = event.get("far") if candidate is None else candidate.far_hz
    if far_hz is None:
        return None
    skymap = event.get("skymap") if localized is None else localized.skymap_fits
    return GwEvent(revision.superevent_id, revision.gps_ns, float(far_hz), event.get("group", "CBC"), skymap)
