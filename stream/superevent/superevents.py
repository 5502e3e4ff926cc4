"""Superevents: a finding in, the revisions that follow from it out."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from stream.errors import PublishError
from stream.records import (
    FOLLOWED_FIELDS,
    AlertType,
    Candidate,
    Decision,
    Finding,
    Followed,
    Localized,
    Revision,
)
from stream.superevent.ids import PREFIXES, DayCounts, day_of
from stream.superevent.retold import as_told
from stream.superevent.sameness import SAME_EVENT_NS, is_louder, is_same_peak, tells_more
from stream.superevent.sent import Sent

_ALERTS_KEPT = 4096
"""Alerts known at a time. They are bounded by number, not by age: one time far off on the topic must not make this
forget the others. At two events a day this is years."""
_MAPS_KEPT = 16
"""Alerts whose map is known too, the newest: some hundred kB each. Those of others are read when they are needed."""
_Key = tuple[int, str, int]


class Superevents:
    """Decide which findings are one event, and what is said of it.

    Every revision given out is taken as said: the caller puts it into the outbox before anything else happens. Known
    alerts are bounded; what is forgotten first is the oldest in data time.

    Parameters
    ----------
    kind : {"production", "mock", "test"}
        Prefix of the ids; alerts of another kind are counted, and are no events here.
    """

    def __init__(self, kind: Literal["production", "mock", "test"]) -> None:
        self._kind = kind
        self._prefix = PREFIXES[kind]
        self._days = DayCounts()
        self._events: dict[str, dict[int, Sent]] = {}
        self._by_time: list[_Key] = []
        self._maps: deque[tuple[str, int]] = deque()

    def step(self, finding: Finding, now_ns: int) -> tuple[Revision, ...]:
        """Return what follows from a finding: at present no revision, or one.

        * A candidate of no known event begins one: PRELIMINARY.
        * One that is louder than all that were alerted of its event, which is that of the nearest alert, is an UPDATE
          with its own time and FAR.
        * What the follow-up of a candidate found is a candidate with more to tell, where that was not alerted yet. Of
          the event's preferred candidate it is an UPDATE if it tells more than was told, whatever brought it late; of
          any other it is nothing.
        * A decision to retract gives RETRACTION, after which nothing more is said of the event; one to confirm gives
          INITIAL, once, with map and class. The same decision again, and what already holds, gives nothing.

        Parameters
        ----------
        finding : Candidate, Localized or Decision
        now_ns : int
            The present, GPS; it becomes the alert's time of creation and decides nothing.

        Raises
        ------
        PublishError
            If a decision names an unknown event or confirms a retracted one, or a candidate's time is no merger's.
        """
        if isinstance(finding, Decision):
            made = self._decided(finding, now_ns)
        elif isinstance(finding, Localized):
            made = self._followed(finding, now_ns)
        else:
            made = self._heard(finding, None, now_ns)
        if made is None:
            return ()
        self.recall(Sent.of(made))
        return (made,)

    def is_news(self, candidate: Candidate) -> bool:
        """Return whether a candidate, or what its follow-up finds, can lead to an alert now."""
        sent = self._alerted(candidate)
        if sent is None:
            return self._place(candidate) is not None
        return sent.followed is None or set(sent.followed.known) < set(FOLLOWED_FIELDS)

    def recall(self, sent: Sent) -> None:
        """Take up an alert that is on the topic or in the outbox, in any order, any number of times.

        One that is given again with its ``event`` is then known with it. Ids of another form are not ours and are
        left alone; those of another kind are only counted.
        """
        day = day_of(sent.superevent_id)
        if day is None:
            return
        self._days.note(sent.superevent_id)
        self._days.raise_to({day: sent.day_count, **sent.days})
        if day[:-6] != self._prefix:
            return
        known = self._events.get(sent.superevent_id, {}).get(sent.number)
        if known is not None:
            self._forget(known)
            sent = max(known, sent, key=_fullness)
        self._events.setdefault(sent.superevent_id, {})[sent.number] = sent
        if _has_map(sent) and (known is None or not _has_map(known)):
            self._note_map(sent)
        insort(self._by_time, _key(sent))
        if len(self._by_time) > _ALERTS_KEPT:
            _, superevent_id, number = self._by_time[0]
            self._forget(self._events[superevent_id][number])

    def find(self, gps_ns: int) -> str | None:
        """Return the event of this time, if there is one: that of the nearest alert within :data:`SAME_EVENT_NS`."""
        near = self._near(gps_ns)
        return min(near, key=lambda key: (abs(key[0] - gps_ns), key))[1] if near else None

    def is_retracted(self, superevent_id: str) -> bool:
        """Return whether an event was withdrawn; False for one that is not known."""
        return _has(self._events.get(superevent_id, {}), "RETRACTION")

    def unread(self, superevent_id: str) -> int | None:
        """Return the revision whose ``event`` must be recalled before a confirmation can repeat it.

        None where nothing need be read: then either all is known of the event's last candidate, map and class too, or
        nothing at all.
        """
        alerts = self._events.get(superevent_id)
        last = _preferred(alerts) if alerts else None
        return last.number if last is not None and not last.is_whole else None

    # -- what follows from a finding ----------------------------------------------------------------------------

    def _heard(self, candidate: Candidate, localized: Localized | None, now_ns: int) -> Revision | None:
        place = self._place(candidate)
        if place is None:
            return None
        superevent_id, number = place
        if superevent_id is None:
            ids = self._days.next_ids(self._kind, candidate.gps_ns)
            name = next(name for name in ids if name not in self._events)
            return self._about(name, 0, "PRELIMINARY", now_ns, candidate, localized)
        return self._about(superevent_id, number, "UPDATE", now_ns, candidate, localized)

    def _place(self, candidate: Candidate) -> tuple[str | None, int] | None:
        """Return which revision of which event a candidate would be; of None: of a new one. None: it says nothing."""
        superevent_id = self.find(candidate.gps_ns)
        if superevent_id is None:
            return None, 0
        alerts = self._events[superevent_id]
        near = {name for _, name, _ in self._near(candidate.gps_ns)}
        told = [sent for name in near for sent in self._events[name].values() if sent.statistic is not None]
        if _has(alerts, "RETRACTION") or any(is_same_peak(candidate, sent) for sent in told):
            return None
        if not told or not all(is_louder(candidate, sent) for sent in told):
            return None
        return superevent_id, max(alerts) + 1

    def _followed(self, localized: Localized, now_ns: int) -> Revision | None:
        candidate = localized.candidate
        sent = self._alerted(candidate)
        if sent is None:
            return self._heard(candidate, localized, now_ns)
        # The candidate stays as it was told: heard again after a restart its FAR is another one.
        told = sent.candidate or candidate
        localized = as_told(localized, told)
        if not tells_more(Followed.of(localized), sent.followed):
            return None
        number = max(self._events[sent.superevent_id]) + 1
        return self._about(sent.superevent_id, number, "UPDATE", now_ns, told, localized)

    def _alerted(self, candidate: Candidate) -> Sent | None:
        """Return the last alert of a candidate's event, if it is about that candidate and was not withdrawn."""
        superevent_id = self.find(candidate.gps_ns)
        alerts = self._events.get(superevent_id, {}) if superevent_id is not None else {}
        last = None if _has(alerts, "RETRACTION") else _preferred(alerts)
        return last if last is not None and is_same_peak(candidate, last) else None

    def _decided(self, decision: Decision, now_ns: int) -> Revision | None:
        alerts = self._events.get(decision.superevent_id)
        if alerts is None:
            raise PublishError(
                f"superevent {decision.superevent_id} is not known: name one that stands on the alert topic"
            )
        if any(sent.decision_id == decision.decision_id for sent in alerts.values()):
            return None
        make = self._retracted if decision.kind == "retract" else self._confirmed
        return make(decision, alerts, now_ns)

    def _retracted(self, decision: Decision, alerts: Mapping[int, Sent], now_ns: int) -> Revision | None:
        if _has(alerts, "RETRACTION"):
            return None
        number = max(alerts) + 1
        about = _preferred(alerts) or alerts[number - 1]
        made = self._revision(decision.superevent_id, number, "RETRACTION", now_ns, about.gps_ns)
        return replace(made, decision=decision)

    def _confirmed(self, decision: Decision, alerts: Mapping[int, Sent], now_ns: int) -> Revision | None:
        name = decision.superevent_id
        if _has(alerts, "RETRACTION"):
            raise PublishError(f"superevent {name} was retracted, which is final: it cannot be confirmed")
        if _has(alerts, "INITIAL"):
            return None
        last = _preferred(alerts)
        if last is None or not last.is_whole:
            raise PublishError(f"superevent {name}: its last alert has not been read, and cannot be repeated")
        made = self._revision(name, max(alerts) + 1, "INITIAL", now_ns, last.gps_ns)
        return replace(
            made, candidate=last.candidate, carried=last.event, decision=decision, localized=last.localized,
            followed=last.followed,
        )  # fmt: skip

    def _about(
        self, superevent_id: str, number: int, alert_type: AlertType, now_ns: int, candidate: Candidate,
        localized: Localized | None,
    ) -> Revision:  # fmt: skip
        made = self._revision(superevent_id, number, alert_type, now_ns, candidate.gps_ns)
        followed = None if localized is None else Followed.of(localized)
        return replace(made, candidate=candidate, localized=localized, followed=followed)

    def _revision(self, superevent_id: str, number: int, alert_type: AlertType, now_ns: int, gps_ns: int) -> Revision:
        self._days.note(superevent_id)
        day = day_of(superevent_id)
        assert day is not None, "only ids of our form are known"
        days = self._days.newest()
        return Revision(superevent_id, number, alert_type, now_ns, gps_ns, self._days[day], days=days)

    def _near(self, gps_ns: int) -> list[_Key]:
        """Return the alerts within :data:`SAME_EVENT_NS`, of one event or of several."""
        first = bisect_left(self._by_time, (gps_ns - SAME_EVENT_NS, "", -1))
        return self._by_time[first : bisect_left(self._by_time, (gps_ns + SAME_EVENT_NS + 1, "", -1))]

    def _note_map(self, sent: Sent) -> None:
        """Let go of the map that came first, if too many are known."""
        self._maps.append((sent.superevent_id, sent.number))
        if len(self._maps) > _MAPS_KEPT:
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


def _key(sent: Sent) -> _Key:
    return sent.gps_ns, sent.superevent_id, sent.number


def _fullness(sent: Sent) -> tuple[object, ...]:
    """Order two accounts of one alert: the one that tells more is kept, whichever came first."""
    statistic, far_hz = (-1.0 if value is None else value for value in (sent.statistic, sent.far_hz))
    whole = (sent.event is not None, sent.localized is not None, sent.candidate is not None)
    told = (*whole, repr(sent.followed), sent.gps_ns, statistic, far_hz)
    return *told, sent.alert_type, sent.detectors, sent.decision_id or ""


def _has_map(sent: Sent) -> bool:
    """Return whether what is large of an alert is kept: not of one that has reasons alone."""
    return sent.localized is not None and sent.localized.skymap_fits is not None


def _has(alerts: Mapping[int, Sent], alert_type: AlertType) -> bool:
    return any(sent.alert_type == alert_type for sent in alerts.values())


def _preferred(alerts: Mapping[int, Sent]) -> Sent | None:
    """Return the last alert that was about a candidate: each was louder than all before it."""
    about = [number for number, sent in alerts.items() if sent.alert_type != "RETRACTION"]
    return alerts[max(about)] if about else None
