"""Archived alerts and external events, joined as live: ``tocsin coincide``.

Alerts and notices pass, in the order in which they were told and received, through the same
:class:`~stream.coincide.coincidences.Coincidences` as in the daemon, over a store in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.offline.archived import ArchivedAlert
from stream.codec.alert import alert_record
from stream.coincide.coincidences import Coincidences
from stream.coincide.judge import weigh
from stream.coincide.store import Store
from stream.coincide.windows import widest_ns
from stream.records import Coincidence, ExternalEvent, GwEvent, Joined, Revision
from stream.settings import Settings
from stream.timebase import NS_PER_S

NEAR_NS = 1000 * NS_PER_S
"""What is so near to a merger, or within the widest window, is named even where it does not coincide."""
_MOST_NEAR = 20
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What was heard changed what coincides: from when on, GPS, and with which external event; None with none."""

    at_ns: int
    external: ExternalEvent | None


@dataclass(frozen=True, slots=True)
class Near:
    """An external event that is near to a merger and not told, and why not."""

    external: ExternalEvent
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one superevent.

    Attributes
    ----------
    alert : ArchivedAlert
        Its last one.
    coincidence : Coincidence
        As it stands at the end; ``external`` is None where nothing coincides.
    changes : tuple of Change
    near : tuple of Near
        The nearest in time first.
    """

    alert: ArchivedAlert
    coincidence: Coincidence
    changes: tuple[Change, ...]
    near: tuple[Near, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found of each superevent, in the order of their mergers; and which were retracted in the end."""

    found: tuple[Found, ...]
    retracted: tuple[str, ...]


def coincide(alerts: Sequence[ArchivedAlert], externals: Iterable[ExternalEvent], settings: Settings) -> Outcome:
    """Return what coincides with each superevent that is not retracted.

    Parameters
    ----------
    alerts : sequence of ArchivedAlert
        The last one of each superevent counts.
    externals : iterable of ExternalEvent
    settings : Settings
        ``publish.kind`` says whether tests and injections join, as live.

    Raises
    ------
    DataError
        If an alert's time is none.
    """
    last = {alert.superevent_id: alert for alert in sorted(alerts, key=lambda a: (a.told_ns, a.revision))}
    gws = {name: gw for name, alert in last.items() if (gw := alert.gw()) is not None}
    heard = sorted((replace(event, raw=b"") for event in externals), key=lambda event: event.received_ns)
    store = Store(None)
    try:
        told = [(last[name].told_ns, gw) for name, gw in gws.items()]
        now, changes = _run(Coincidences(settings.external, store, settings.publish.kind), told, heard)
        withdrawn = {_key(event): event for event in heard if event.alert_type == "retraction"}
        found = tuple(
            Found(last[name], now[name], tuple(changes[name]), _near(gw, now[name], store, withdrawn, settings))
            for name, gw in sorted(gws.items(), key=lambda item: (item[1].gps_ns, item[0]))
        )
        return Outcome(found, tuple(sorted(set(last) - set(gws))))
    finally:
        store.close()


def update_of(found: Found, settings: Settings) -> dict[str, Any] | None:
    """Return the record of the alert that tells of a coincidence, as live; None where nothing coincides.

    It is made when what it tells was heard: the same archive gives the same alert.
    """
    coincidence, alert = found.coincidence, found.alert
    joined = Joined.of(coincidence)
    if joined is None:
        return None
    revision = Revision(
        superevent_id=alert.superevent_id, number=alert.revision + 1, alert_type="UPDATE",
        created_ns=max(found.changes[-1].at_ns, alert.told_ns), gps_ns=coincidence.gw.gps_ns, day_count=0,
        carried=alert.record["event"], coincidence=coincidence, joined=joined,
    )  # fmt: skip
    made = alert_record(revision, settings.publish.pipeline, settings.significance)
    return {**made, "urls": dict(alert.record["urls"])}


def _run(
    coincidences: Coincidences, told: Sequence[tuple[int, GwEvent]], heard: Sequence[ExternalEvent]
) -> tuple[dict[str, Coincidence], dict[str, list[Change]]]:
    """Hand on all in its order; return what coincides at the end, and how that came."""
    steps: list[tuple[int, int, GwEvent | ExternalEvent]] = [(at_ns, 0, gw) for at_ns, gw in told]
    steps += [(event.received_ns, 1, event) for event in heard]
    now: dict[str, Coincidence] = {}
    changes: dict[str, list[Change]] = {gw.superevent_id: [] for _, gw in told}
    after: tuple[Coincidence, ...]
    for at_ns, _, step in sorted(steps, key=lambda step: step[:2]):
        if isinstance(step, GwEvent):
            found = coincidences.of(step)
            after = () if found is None else (found,)
        else:
            after = coincidences.heard(step)
        for coincidence in after:
            name = coincidence.gw.superevent_id
            before = now[name].external if name in now else None
            now[name] = coincidence
            if _key(before) != _key(coincidence.external):
                changes[name].append(Change(at_ns, coincidence.external))
    return now, changes


def _near(
    gw: GwEvent, coincidence: Coincidence, store: Store, withdrawn: Mapping[_Key, ExternalEvent], settings: Settings
) -> tuple[Near, ...]:
    """Return what is near and not told, and why."""
    low, high = widest_ns(settings.external)
    low, high = gw.gps_ns + min(low, -NEAR_NS), gw.gps_ns + max(high, NEAR_NS)
    told = {_key(coincidence.external)}
    there = [event for event in store.externals_between(low, high) if _key(event) not in told]
    there += [event for event in withdrawn.values() if low <= event.gps_ns <= high]
    there.sort(key=lambda event: abs(event.gps_ns - gw.gps_ns))
    found = []
    for event in there[:_MOST_NEAR]:
        why = weigh(gw, event if event.alert_type == "retraction" else store.with_map(event), settings.external)
        if isinstance(why, str):
            found.append(Near(event, why))
    return tuple(found)


def _key(external: ExternalEvent | None) -> _Key:
    return ("", "") if external is None else (external.source, external.event_id)
