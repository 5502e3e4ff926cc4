"""The alerts that are known: by event, and by time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace

from stream.records import AlertType
from stream.superevent.sent import Sent

ALERTS_KEPT = 4096
"""Alerts known at a time. They are bounded by number, not by age: one time far off on the topic must not make this
forget the others. At two events a day this is years."""
MAPS_KEPT = 16
"""Alerts whose map is known too, the newest: some hundred kB each. Those of others are read when they are needed."""
Key = tuple[int, str, int]


class Known:
    """Alerts as they were told, in any order, any number of times; forgotten first is the oldest in data time."""

    def __init__(self) -> None:
        self._events: dict[str, dict[int, Sent]] = {}
        self._by_time: list[Key] = []
        self._maps: deque[tuple[str, int]] = deque()

    def __len__(self) -> int:
        """Return how many alerts are known."""
        return len(self._by_time)

    def __iter__(self) -> Iterator[str]:
        """Yield the events that are known."""
        yield from self._events

    def alerts(self, superevent_id: str) -> Mapping[int, Sent]:
        """Return the alerts of an event by their numbers; none of one that is not known."""
        return self._events.get(superevent_id, {})

    def take(self, sent: Sent) -> None:
        """Take up an alert; of two accounts of one alert the fuller one is kept."""
        known = self.alerts(sent.superevent_id).get(sent.number)
        if known is not None:
            self._forget(known)
            sent = max(known, sent, key=_fullness)
        self._events.setdefault(sent.superevent_id, {})[sent.number] = sent
        if _has_map(sent) and (known is None or not _has_map(known)):
            self._note_map(sent)
        insort(self._by_time, _key(sent))
        if len(self._by_time) > ALERTS_KEPT:
            _, superevent_id, number = self._by_time[0]
            self._forget(self._events[superevent_id][number])

    def near(self, gps_ns: int, within_ns: int) -> list[Key]:
        """Return the alerts that lie so near, of one event or of several: time, event and number of each."""
        first = bisect_left(self._by_time, (gps_ns - within_ns, "", -1))
        return self._by_time[first : bisect_left(self._by_time, (gps_ns + within_ns + 1, "", -1))]

    def _note_map(self, sent: Sent) -> None:
        """Let go of the map that came first, if too many are known."""
        self._maps.append((sent.superevent_id, sent.number))
        if len(self._maps) > MAPS_KEPT:
            superevent_id, number = self._maps.popleft()
            alerts = self._events.get(superevent_id, {})
            if number in alerts:
                alerts[number] = replace(alerts[number], localized=None)

    def _forget(self, sent: Sent) -> None:
        del self._by_time[bisect_left(self._by_time, _key(sent))]
        alerts = self._events[sent.superevent_id]
        del alerts[sent.number]
        if not alerts:
            del self._events[sent.superevent_id]


def has(alerts: Mapping[int, Sent], alert_type: AlertType) -> bool:
    """Return whether one of an event's alerts is of a type."""
    return any(sent.alert_type == alert_type for sent in alerts.values())


def preferred(alerts: Mapping[int, Sent]) -> Sent | None:
    """Return the last alert that was about a candidate: each was louder than all before it, or told more."""
    about = [number for number, sent in alerts.items() if sent.alert_type != "RETRACTION"]
    return alerts[max(about)] if about else None


def _key(sent: Sent) -> Key:
    return sent.gps_ns, sent.superevent_id, sent.number


def _fullness(sent: Sent) -> tuple[object, ...]:
    """Order two accounts of one alert: the one that tells more is kept, whichever came first."""
    statistic, far_hz = (-1.0 if value is None else value for value in (sent.statistic, sent.far_hz))
    whole = (sent.event is not None, sent.localized is not None, sent.candidate is not None)
    told = (*whole, repr(sent.followed), repr(sent.joined), sent.gps_ns, statistic, far_hz)
    return *told, sent.alert_type, sent.detectors, sent.decision_id or ""


def _has_map(sent: Sent) -> bool:
    """Return whether what is large of an alert is kept: not of one that has reasons alone."""
    return sent.localized is not None and sent.localized.skymap_fits is not None
