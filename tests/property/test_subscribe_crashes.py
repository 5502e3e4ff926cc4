"""A subscription that is killed at any point, over and over: what was asked for is done, in order, and withdrawn.

The real engine, state file, hands and workers, run in one thread: drawn are what comes from which source, which action
goes on when (also while the other one runs, or the engine writes), what fails, and where the process is killed: before
a transaction, behind it, before an action did something, or behind that.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.message import SourceMessage
from pipelines.subscribe.actions.action import Call
from pipelines.subscribe.actions.worker import Doing, Worker
from pipelines.subscribe.database import Database
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.hands import Hands
from pipelines.subscribe.queue import Queue
from pipelines.subscribe.received import ReceivedAlert
from pipelines.subscribe.routes import Judged, Route
from pipelines.subscribe.state import State
from stream.codec.alert import encode_alert
from stream.errors import ActionFailed
from stream.kafka.consumer import Message

_NOW_NS = 1_800_000_000_000_000_000
_TABLE = ("INITIAL", "UPDATE", "UPDATE", "RETRACTION", "UPDATE", "RETRACTION")
_EVENT: dict[str, Any] = {
    "time": "2026-11-22T00:00:00.000Z", "far": 1e-9, "significant": True, "instruments": ["H1"], "group": "CBC",
    "pipeline": "x", "search": "AllSky", "properties": {}, "classification": {"BNS": 0.9}, "duration": None,
    "central_frequency": None, "skymap": b"FITS",
}  # fmt: skip


def _alert(event: str, second: int) -> bytes:
    kind = _TABLE[second]
    return encode_alert({
        "alert_type": kind, "time_created": f"2026-11-22T00:00:{second:02d}Z", "superevent_id": event,
        "event": None if kind == "RETRACTION" else _EVENT, "external_coinc": None, "urls": {},
    })  # fmt: skip


_ALERTS = [_alert(event, second) for event in ("S1a", "S2a") for second in range(len(_TABLE))]


class Killed(BaseException):
    """What ends the process; nothing is written behind it."""


@dataclass
class Told:
    """What an action did of an alert, in which life of the process."""

    life: int
    event: str
    second: int
    done: bool

    @property
    def retracts(self) -> bool:
        return _TABLE[self.second] == "RETRACTION"


@dataclass
class World:
    """What outlives the process."""

    random: Random
    folder: Path
    logs: dict[str, list[bytes]]
    kills: int
    life: int = 0
    now_ns: int = _NOW_NS
    calls: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))

    def may_die(self) -> None:
        if self.kills and self.random.random() < 0.06:
            self.kills -= 1
            raise Killed


class Mortal(Database):
    """A state file whose process is killed before a transaction, or behind it."""

    def __init__(self, world: World) -> None:
        super().__init__(world.folder)
        self._world, self.dead = world, False

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        if self.dead:
            raise Killed
        self._may_die()
        with super().transaction() as run:
            yield run
        self._may_die()

    def _may_die(self) -> None:
        try:
            self._world.may_die()
        except Killed:
            self.dead = True
            raise


class Acting:
    """An action that notes what it is called with, and fails now and then; meanwhile others go on."""

    def __init__(self, kind: str, life: Life) -> None:
        self.kind, self._life = kind, life

    def run(self, call: Call) -> None:
        world = self._life.world
        told = Told(world.life, call.alert.superevent_id, int(call.alert.record["time_created"][17:19]), False)
        world.may_die()
        world.calls[self.kind].append(told)
        if world.random.random() < 0.3:
            self._life.go_on()
        if world.kills and world.random.random() < 0.25:
            raise ActionFailed("not now")
        told.done = True
        world.may_die()

    def check(self) -> str:
        return ""

    def cancel(self) -> None:
        pass


class Life:
    """One process, from its start to its end."""

    def __init__(self, world: World, route: Route) -> None:
        self.world, self._stop, self._busy = world, threading.Event(), set[str]()
        self.database = Mortal(world)
        hands = {name: Hands() for name in ("slew", "file")}
        self.state = State(self.database, hands=hands)
        self.queue = Queue(self.database)
        self._workers = {
            name: Worker(name, Doing(Acting(name, self), 1e9), self.queue, lambda: world.now_ns, hands[name])
            for name in hands
        }
        self._sources = [Log(name, log, self.state) for name, log in world.logs.items()]
        asked = Subscription((route,), "x", keeping=frozenset({"file"}), actions=frozenset(hands))
        self._engine = Engine(self._sources, self.state, asked, unix_ns=lambda: world.now_ns)
        self._engine._commit_s = world.random.choice([0.0, 1e9])

    def go_on(self) -> None:
        """Let one part go on that is not in the middle of something."""
        name = self.world.random.choice([n for n in ("engine", *self._workers) if n not in self._busy] or ["none"])
        if name == "none":
            return
        self._busy.add(name)
        if name == "engine":
            source = self.world.random.choice(self._sources)
            batch = source.poll(0.0)
            list(self._engine._batch(source, batch, self._stop))
        else:
            self._workers[name].step()
            self._workers[name].hands.queued = True  # as when it rested
        self._busy.discard(name)

    def finish(self) -> None:
        """Go on until all is read and done."""
        self.state.bury_orphans(self.world.now_ns)
        while not all(s.at == len(s.log) for s in self._sources) or self.state.holds or self.queue.waiting():
            self.world.now_ns += 10**9
            self.go_on()


class Log:
    """A source that is read on from where the state file says."""

    ended = False

    def __init__(self, name: str, log: list[bytes], state: State) -> None:
        self.name, self.log = name, log
        self.at = state.places(name).get(("t", 0), 0)

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        begun, self.at = self.at, min(len(self.log), self.at + 3)
        return [
            SourceMessage(v, self.name, "t", "", 0, (), Message("t", 0, begun + k, None, v, (), 0))
            for k, v in enumerate(self.log[begun : self.at])
        ]

    def hold(self) -> None:
        pass

    def done(self, messages: Any) -> None:
        pass

    def close(self) -> None:
        pass


def _judged(alert: ReceivedAlert) -> Judged:
    return Judged(alert.record["alert_type"] == "INITIAL")


_RULES = (Route("rule", _judged, ("slew", "file")), Route("other", lambda _: Judged(False), ("slew", "file")))


def lived(random: Random, folder: Path, sources: int, change: bool) -> World:
    """Return what became of a subscription that was killed now and then, and at last ran to its end."""
    logs = {f"s{k}": [random.choice(_ALERTS) for _ in range(random.randint(1, 9))] for k in range(sources)}
    world = World(random, folder, logs, kills=random.randint(0, 8))
    while True:
        world.life += 1
        rule = _RULES[random.random() < 0.3] if change else _RULES[0]
        life = Life(world, rule)
        try:
            life.finish()
            return world
        except Killed:
            pass
        finally:
            life.database.close()


def check(world: World) -> None:
    """Compare with what is promised."""
    for name, calls in world.calls.items():
        done = Counter((told.event, told.second) for told in calls if told.done)
        assert all(count <= world.life for count in done.values()), f"{name}: doubled without a kill"
        for life in range(1, world.life + 1):
            of_life = [told for told in calls if told.life == life and told.done]
            for event in ("S1a", "S2a"):
                seconds = [told.second for told in of_life if told.event == event and not told.retracts]
                assert seconds == sorted(seconds), f"{name}: out of order"
    for event in ("S1a", "S2a"):
        _check_withdrawn(world.calls["slew"], event)


def _check_withdrawn(calls: list[Told], event: str) -> None:
    """Whoever was told of an event and what withdrew it hears of that last."""
    of_event = [told for told in calls if told.event == event]
    withdrawn = max((told.second for told in of_event if told.retracts and told.done), default=-1)
    begun = [k for k, told in enumerate(of_event) if told.second < withdrawn and not told.retracts]
    retracted = [k for k, told in enumerate(of_event) if told.retracts and told.done]
    assert not begun or begun[-1] < retracted[-1], "withdrawn, and done behind that"


@given(st.integers(0, 2**32), st.sampled_from([1, 2]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_killed_at_any_point_it_does_what_was_asked_for(seed: int, sources: int, change: bool) -> None:
    with TemporaryDirectory() as folder:
        random = Random(seed)
        world = lived(random, Path(folder), sources, change)
        check(world)
        if sources == 1 and not change:
            _check_nothing_lost(world)


def _check_nothing_lost(world: World) -> None:
    """Compare with one that was never killed and whose actions never fail."""
    with TemporaryDirectory() as folder:
        plain = World(Random(0), Path(folder), world.logs, 0)
        life = Life(plain, _RULES[0])
        life.finish()
        life.database.close()
    for name, calls in world.calls.items() or [(n, []) for n in plain.calls]:
        done = {(told.event, told.second) for told in calls if told.done}
        withdrawn = {told.event for told in calls if told.done and told.retracts and name != "file"}
        for told in plain.calls[name]:
            assert (told.event, told.second) in done or told.event in withdrawn, f"{name}: lost"
