"""The engine of a subscription: messages of several sources in, each alert delivered once, in its event's order.

::

    sources ──▶ read ──▶ known? test? overtaken? withdrawn? ──▶ rules ──▶ delivered ──▶ written ──▶ place moves on
                                                                              │             └──▶ queues of the actions
                                                                              └ whoever iterates

What is delivered is written when whoever iterates comes back for the next: a process that is killed meanwhile gets it
again. Then its jobs stand in the state file or are done, and then only does the source's place move on.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import structlog

from pipelines.sources.message import Source, SourceMessage
from pipelines.subscribe.accepted import Accepted, NewJob
from pipelines.subscribe.delivery import Delivery
from pipelines.subscribe.identity import Identity, identity_of, is_test
from pipelines.subscribe.received import ReceivedAlert, received
from pipelines.subscribe.routes import Route, verdict_of
from pipelines.subscribe.state import State
from stream.errors import DataError, Fenced, TransportError
from stream.metrics import MESSAGES_REFUSED
from stream.text import clean

log = structlog.get_logger()
_POLL_S = 0.1
_POLL_ONE_OF_SEVERAL_S = 0.02
_HOLD_S = 0.02
_COMMIT_S = 0.02
"""Longest that an alert waits for those that came with it, before its actions begin."""
_SETTLE_S = 0.01
"""How long after what was begun it is looked at whether it is done."""


@runtime_checkable
class Placed(Protocol):
    """A source that knows where it is read on from."""

    @property
    def places(self) -> dict[tuple[str, int], int]:
        """Offsets by topic and partition, behind what it handed out."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is asked for.

    Attributes
    ----------
    routes : tuple of Route
    name : str
        Empty where nothing is remembered.
    tests : mapping of str to bool
        Whether test alerts of a source are delivered; of a source that is not named they are.
    in_order : bool
        Leave out what a newer alert of its event overtook, and what a retraction withdrew before it came.
    all_alerts : bool
        Hand on what no rule asks for too, for people to see why.
    keeping : frozenset of str
        Actions that keep alerts: they have those too whose event is withdrawn before it is their turn.
    actions : frozenset of str
        All that there are: one that was told of an event hears of its retraction though no rule names it any longer.
    """

    routes: tuple[Route, ...] = (Route(),)
    name: str = ""
    tests: Mapping[str, bool] = field(default_factory=dict)
    in_order: bool = True
    all_alerts: bool = False
    keeping: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()


class Engine:
    """Deliver alerts.

    Parameters
    ----------
    sources : sequence of Source
    state : State
    subscription : Subscription
    on_work : callable
        Told which actions have something to do.
    unix_ns : callable
        The present.
    ready : callable
        Whether more may be read.
    each : bool
        Write every delivery by itself, when whoever iterates comes back; else those that came together, together.
    """

    def __init__(
        self, sources: Sequence[Source], state: State, subscription: Subscription,
        on_work: Callable[[set[str]], None] = lambda actions: None,
        unix_ns: Callable[[], int] = time.time_ns,
        ready: Callable[[], bool] = lambda: True, each: bool = False,
    ) -> None:  # fmt: skip
        self._sources = sources
        self._state = state
        self._subscription = subscription
        self._on_work = on_work
        self._unix_ns = unix_ns
        self._ready = ready
        self._commit_s = 0.0 if each else _COMMIT_S
        self._behind: list[tuple[Source, Sequence[SourceMessage]]] = []
        self._placed: set[tuple[str, str, int]] = set()
        self._begun = {source.name: (source, 0) for source in sources if isinstance(source, Placed)}
        self.passed_over: Counter[str] = Counter()

    def deliveries(self, stop: threading.Event) -> Generator[Delivery, None, None]:
        """Yield what is delivered, until stopped or all sources have ended.

        Raises
        ------
        TransportError
            For an error of the only source that will not mend itself.
        StateError
            If the state file takes nothing.
        """
        wait_s = _POLL_S if len(self._sources) == 1 else _POLL_ONE_OF_SEVERAL_S
        try:
            while not stop.is_set():
                while not self._ready() and not stop.wait(_HOLD_S):
                    for source in self._sources:
                        source.hold()
                    self._commit()
                for source in self._sources:
                    if not source.ended:
                        batch = self._polled(source, _SETTLE_S if self._state.holds else wait_s)
                        self._place(source, batch)
                        yield from self._batch(source, batch, stop)
                if all(source.ended for source in self._sources):
                    return
        finally:
            self._commit(at_once=False)

    def _polled(self, source: Source, wait_s: float) -> list[SourceMessage]:
        """Return what a source has; of several, one that refuses us costs only its own alerts, and is asked again."""
        try:
            return source.poll(wait_s)
        except Fenced:
            raise
        except TransportError as error:
            if len(self._sources) == 1:
                raise
            log.error("source_refuses", source=source.name, error=str(error), effect="the others are read")
            return []

    def _place(self, source: Source, batch: Sequence[SourceMessage]) -> None:
        """Write down where a partition is begun, before anything of it is delivered: a restart begins there too."""
        placed, known = self._begun.get(source.name, (None, 0))
        if placed is None or len(places := placed.places) == known:
            return
        self._begun[source.name] = placed, len(places)
        begun = {(source.name, topic, number): offset for (topic, number), offset in places.items()}
        fresh = begun.keys() - self._placed
        if not fresh:
            return
        for message in reversed(batch):
            if message.origin is not None:
                begun[source.name, message.origin.topic, message.origin.partition] = message.origin.offset
        for partition in fresh:
            self._state.accept(Accepted((partition, begun[partition])))
        self._placed |= fresh
        self._state.flush(self._unix_ns())

    def _batch(self, source: Source, batch: Sequence[SourceMessage], stop: threading.Event) -> Iterator[Delivery]:
        """Deliver messages that came together; what is done with is written before the last, if they take long."""
        done: list[SourceMessage] = []
        begun_s = time.monotonic()
        for message in batch:
            if stop.is_set():
                break
            delivery, accepted = self._considered(message)
            if delivery is not None:
                try:
                    yield delivery
                except GeneratorExit:  # who iterated does not come back: this one is not done with
                    self._commit((source, done))
                    raise
            self._state.accept(accepted)
            done.append(message)
            if time.monotonic() - begun_s >= self._commit_s:
                self._commit((source, done))
                done, begun_s = [], time.monotonic()
        self._commit((source, done))

    def _commit(self, *done: tuple[Source, Sequence[SourceMessage]], at_once: bool = True) -> None:
        """Write what was considered; the places of sources move on behind what is written of it whole."""
        busy = self._state.flush(self._unix_ns(), at_once)
        behind, self._behind = self._behind, []
        (self._behind if self._state.holds else behind).extend(one for one in done if one[1])
        if busy:
            self._on_work(busy)
        for source, messages in behind:
            source.done(messages)

    def _considered(self, message: SourceMessage) -> tuple[Delivery | None, Accepted]:
        origin = message.origin
        place = None if origin is None else ((message.source, origin.topic, origin.partition), origin.offset + 1)
        alert = self._read(message)
        if alert is None:
            return None, Accepted(place)
        identity = identity_of(alert, self._unix_ns())
        test = is_test(alert.superevent_id, alert.headers)
        if test and not self._subscription.tests.get(message.source, True) and not self._follows(identity):
            self.passed_over["test"] += 1
            return None, Accepted(place)
        if self._state.knows(identity.key):
            self.passed_over["repeated"] += 1
            return None, Accepted(place)
        if self._subscription.in_order and not self._in_order(identity):
            return None, Accepted(place, identity)
        return self._delivered(alert, identity, place, test)

    def _read(self, message: SourceMessage) -> ReceivedAlert | None:
        """Return a message's alert; what is none is counted, named and passed over."""
        try:
            return received(message)
        except DataError as error:
            MESSAGES_REFUSED.labels(message.topic).inc()
            self.passed_over["refused"] += 1
            log.warning("not_an_alert", source=message.source, place=message.place, error=str(error))
            return None
        except Exception as error:  # a supervisor: one message that we stumble over must not silence all that follow
            MESSAGES_REFUSED.labels(message.topic).inc()
            self.passed_over["fault"] += 1
            log.error("message_not_read", source=message.source, place=message.place, error=clean(repr(error)))
            return None

    def _follows(self, identity: Identity) -> bool:
        """Whether it withdraws what was delivered: as a test of another source, or before tests were left out."""
        return bool(self._begun_before(identity)) or (
            identity.is_retraction and bool(self._state.told(identity.superevent_id))
        )

    def _begun_before(self, identity: Identity) -> frozenset[str]:
        """Return the actions that had begun it when a process was killed: they do it again, whatever the rules are."""
        return self._state.begun(identity.key) & self._subscription.actions

    def _in_order(self, identity: Identity) -> bool:
        """Whether an alert may still be acted upon: its event is not withdrawn, and nothing newer of it was delivered.

        A retraction always may: whoever was told must hear of it, however late.
        """
        standing = self._state.standing(identity.superevent_id)
        if standing is None or identity.is_retraction:
            return True
        if standing.withdrawn is not None and identity.place <= standing.withdrawn:
            why = "withdrawn"
        elif identity.place < standing.newest:
            why = "overtaken"
        else:
            return True
        self.passed_over[why] += 1
        log.info(f"alert_{why}", superevent_id=identity.superevent_id, alert_type=identity.alert_type)
        return False

    def _delivered(
        self, alert: ReceivedAlert, identity: Identity, place: tuple[tuple[str, str, int], int] | None, test: bool
    ) -> tuple[Delivery | None, Accepted]:
        told = self._told(identity)
        verdicts = tuple(verdict_of(route, alert, identity, route.name in told) for route in self._subscription.routes)
        rules = tuple(verdict.rule for verdict in verdicts if verdict.delivered)
        begun = self._begun_before(identity)
        if not (rules or begun or self._subscription.all_alerts):
            self.passed_over["not asked for"] += 1
            return None, Accepted(place, identity)
        actions = tuple(dict.fromkeys((*self._actions(identity, rules), *sorted(begun))))
        delivery = Delivery.of(alert, identity, self._subscription.name, verdicts, actions, test)
        jobs = tuple(NewJob(action, identity.key, action in self._subscription.keeping) for action in actions)
        if not jobs:
            return delivery, Accepted(place, identity, rules)
        return delivery, Accepted(place, identity, rules, jobs, alert.raw, delivery.to_keep(), alert)

    def _actions(self, identity: Identity, rules: tuple[str, ...]) -> tuple[str, ...]:
        """Return the actions of rules; of a retraction those that were told too, whatever the rules are by now."""
        actions = [a for r in self._subscription.routes if r.name in rules for a in r.actions]
        if identity.is_retraction:
            actions += sorted(self._state.told_actions(identity.superevent_id) & self._subscription.actions)
        return tuple(dict.fromkeys(actions))

    def _told(self, identity: Identity) -> frozenset[str]:
        """Return the rules that were told of an event; if a former one was, all hear of the retraction."""
        told = self._state.told(identity.superevent_id)
        names = frozenset(route.name for route in self._subscription.routes)
        return told | names if identity.is_retraction and not told <= names else told
