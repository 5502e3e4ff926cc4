"""Superevents: a finding in, the revisions that follow from it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from stream.errors import PublishError
from stream.records import (
    FOLLOWED_FIELDS,
    AlertType,
    Candidate,
    Coincidence,
    Decision,
    Finding,
    Followed,
    GwEvent,
    Joined,
    Localized,
    Revision,
)
from stream.superevent import joining, retold
from stream.superevent.ids import PREFIXES, DayCounts, day_of
from stream.superevent.known import Known, has, preferred
from stream.superevent.sameness import SAME_EVENT_NS, is_louder, is_same_peak, tells_more
from stream.superevent.sent import Sent

Coincide = Callable[[GwEvent, Joined | None], Coincidence | None]
"""What coincides with an event now, given what was told of it before."""


class Superevents:
    """Decide which findings are one event, and what is said of it.

    Every revision given out is taken as said: the caller puts it into the outbox before anything else happens. Known
    alerts are bounded; what is forgotten first is the oldest in data time.

    Parameters
    ----------
    kind : {"production", "mock", "test"}
        Prefix of the ids; alerts of another kind are counted, and are no events here.
    coincide : callable, optional
        Says what of another messenger coincides with an event now, whose ``external`` is None where nothing does; or
        None, where nobody can say. Asked of each revision about a candidate before it is given out; without it what
        comes as a finding is taken at its word.
    """

    def __init__(self, kind: Literal["production", "mock", "test"], coincide: Coincide | None = None) -> None:
        self._kind = kind
        self._prefix = PREFIXES[kind]
        self._coincide = coincide
        self._days = DayCounts()
        self._known = Known()

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
        * What coincides with an event is an UPDATE, which repeats candidate, map and class, if it is other than what
          was told (:mod:`stream.superevent.joining`): it joined, it left, or its rate is another one. Each of the
          revisions above tells what coincides as well: what was heard before the merger stands in the first alert.

        Parameters
        ----------
        finding : Candidate, Localized, Coincidence or Decision
        now_ns : int
            The present, GPS; it becomes the alert's time of creation and decides nothing.

        Raises
        ------
        PublishError
            If a decision names an unknown event or confirms a retracted one, if the alert that would be repeated was
            not read (:meth:`unread`), or a candidate's time is no merger's.
        """
        if isinstance(finding, Decision):
            made = self._decided(finding, now_ns)
        elif isinstance(finding, Localized):
            made = self._followed(finding, now_ns)
        elif isinstance(finding, Coincidence):
            made = self._coincides(finding, now_ns)
        else:
            made = self._heard(finding, None, now_ns)
        if made is None:
            return ()
        if made.alert_type != "RETRACTION" and not isinstance(finding, Coincidence):
            made = self._joined(made, None)
        self.recall(Sent.of(made))
        return (made,)

    def knows(self, superevent_id: str) -> bool:
        """Return whether all is known that can be of an event: an alert of it, or that it is no event here."""
        day = day_of(superevent_id)
        return day is None or day[:-6] != self._prefix or bool(self._known.alerts(superevent_id))

    def change(self, coincidence: Coincidence) -> joining.Change | None:
        """Return what a coincidence changes in what was told of its event; None where it is nothing to tell."""
        last = self._last(coincidence.gw.superevent_id)
        return None if last is None else joining.change(Joined.of(coincidence), last.joined)

    def events(self) -> tuple[GwEvent, ...]:
        """Return the events that are known and were not withdrawn, as coincidences see them, without maps."""
        found = (self._last(name) for name in self._known)
        return tuple(GwEvent(s.superevent_id, s.gps_ns, s.far_hz) for s in found if s and s.far_hz is not None)

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
        self._known.take(sent)

    def find(self, gps_ns: int) -> str | None:
        """Return the event of this time, if there is one: that of the nearest alert within :data:`SAME_EVENT_NS`."""
        near = self._known.near(gps_ns, SAME_EVENT_NS)
        return min(near, key=lambda key: (abs(key[0] - gps_ns), key))[1] if near else None

    def is_retracted(self, superevent_id: str) -> bool:
        """Return whether an event was withdrawn; False for one that is not known."""
        return has(self._known.alerts(superevent_id), "RETRACTION")

    def unread(self, superevent_id: str) -> int | None:
        """Return the revision whose ``event`` must be recalled before another alert can repeat it.

        None where nothing need be read: then either all is known of the event's last candidate, map and class too, or
        nothing at all.
        """
        last = preferred(self._known.alerts(superevent_id))
        return last.number if last is not None and not last.is_whole else None

    # -- what follows from a finding ----------------------------------------------------------------------------

    def _heard(self, candidate: Candidate, localized: Localized | None, now_ns: int) -> Revision | None:
        place = self._place(candidate)
        if place is None:
            return None
        superevent_id, number = place
        if superevent_id is None:
            ids = self._days.next_ids(self._kind, candidate.gps_ns)
            name = next(name for name in ids if not self._known.alerts(name))
            return self._about(name, 0, "PRELIMINARY", now_ns, candidate, localized)
        return self._about(superevent_id, number, "UPDATE", now_ns, candidate, localized)

    def _place(self, candidate: Candidate) -> tuple[str | None, int] | None:
        """Return which revision of which event a candidate would be; of None: of a new one. None: it says nothing."""
        superevent_id = self.find(candidate.gps_ns)
        if superevent_id is None:
            return None, 0
        alerts = self._known.alerts(superevent_id)
        near = {name for _, name, _ in self._known.near(candidate.gps_ns, SAME_EVENT_NS)}
        told = [sent for name in near for sent in self._known.alerts(name).values() if sent.statistic is not None]
        if has(alerts, "RETRACTION") or any(is_same_peak(candidate, sent) for sent in told):
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
        localized = retold.as_told(localized, told)
        if not tells_more(Followed.of(localized), sent.followed):
            return None
        number = max(self._known.alerts(sent.superevent_id)) + 1
        return self._about(sent.superevent_id, number, "UPDATE", now_ns, told, localized)

    def _alerted(self, candidate: Candidate) -> Sent | None:
        """Return the last alert of a candidate's event, if it is about that candidate and was not withdrawn."""
        superevent_id = self.find(candidate.gps_ns)
        last = None if superevent_id is None else self._last(superevent_id)
        return last if last is not None and is_same_peak(candidate, last) else None

    def _last(self, superevent_id: str) -> Sent | None:
        """Return the last alert about an event's candidate; None of one that is not known, or was withdrawn."""
        alerts = self._known.alerts(superevent_id)
        return None if has(alerts, "RETRACTION") else preferred(alerts)

    def _coincides(self, coincidence: Coincidence, now_ns: int) -> Revision | None:
        last = self._last(coincidence.gw.superevent_id)
        if last is None or joining.change(Joined.of(coincidence), last.joined) is None:
            return None
        made = self._joined(self._again(last, "UPDATE", now_ns), coincidence)
        return None if joining.change(made.joined, last.joined) is None else made

    def _joined(self, made: Revision, found: Coincidence | None) -> Revision:
        """Return a revision with what coincides: as it was found, if that was with the event as it is told now.

        That nothing does any more is asked for again: what was told may only have been forgotten.
        """
        gw, last = joining.gw_of(made), self._last(made.superevent_id)
        as_found = found is not None and found.gw == gw and found.external is not None
        if self._coincide is not None and gw is not None and not as_found:
            found = self._coincide(gw, None if last is None else last.joined)
        if found is None:
            return replace(made, joined=joining.as_told(last, made.gps_ns))
        return replace(made, coincidence=None if found.external is None else found, joined=Joined.of(found))

    def _decided(self, decision: Decision, now_ns: int) -> Revision | None:
        alerts = self._known.alerts(decision.superevent_id)
        if not alerts:
            raise PublishError(
                f"superevent {decision.superevent_id} is not known: name one that stands on the alert topic"
            )
        if any(sent.decision_id == decision.decision_id for sent in alerts.values()):
            return None
        make = self._retracted if decision.kind == "retract" else self._confirmed
        return make(decision, alerts, now_ns)

    def _retracted(self, decision: Decision, alerts: Mapping[int, Sent], now_ns: int) -> Revision | None:
        if has(alerts, "RETRACTION"):
            return None
        number = max(alerts) + 1
        about = preferred(alerts) or alerts[number - 1]
        made = self._revision(decision.superevent_id, number, "RETRACTION", now_ns, about.gps_ns)
        return replace(made, decision=decision)

    def _confirmed(self, decision: Decision, alerts: Mapping[int, Sent], now_ns: int) -> Revision | None:
        name = decision.superevent_id
        if has(alerts, "RETRACTION"):
            raise PublishError(f"superevent {name} was retracted, which is final: it cannot be confirmed")
        if has(alerts, "INITIAL"):
            return None
        last = preferred(alerts)
        if last is None:
            raise PublishError(f"superevent {name}: none of its alerts that is known is about a candidate")
        return replace(self._again(last, "INITIAL", now_ns), decision=decision)

    def _again(self, last: Sent, alert_type: AlertType, now_ns: int) -> Revision:
        """Return a revision that repeats the last one's candidate, with map and class."""
        name = last.superevent_id
        if not last.is_whole:
            raise PublishError(f"superevent {name}: its last alert has not been read, and cannot be repeated")
        made = self._revision(name, max(self._known.alerts(name)) + 1, alert_type, now_ns, last.gps_ns)
        return replace(
            made, candidate=last.candidate, carried=last.event, localized=last.localized, followed=last.followed
        )

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
