"""A subscription put together: its state, its sources, its rules and its actions; what the command and the API run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import structlog

from pipelines.sources import Source
from pipelines.subscribe.actions.worker import Doing, Workers
from pipelines.subscribe.database import Database, check_name, default_folder
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.hands import Hands
from pipelines.subscribe.opened import Begin, open_source
from pipelines.subscribe.queue import Queue
from pipelines.subscribe.routes import Route
from pipelines.subscribe.state import State
from stream.errors import ActionFailed, ConfigurationError, StateError
from stream.settings import Settings

log = structlog.get_logger()
_PUBLIC = ("gcn", "scimma")
_MOST_IN_MEMORY = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody subscribes to.

    Attributes
    ----------
    sources : tuple of str
    topics : tuple of str
        Instead of the usual ones; see :func:`pipelines.subscribe.opened.topics_of`.
    routes : tuple of Route
    doings : mapping of str to Doing
        Actions by name.
    start : str or int or None
        See :class:`pipelines.subscribe.opened.Begin`.
    name : str or None
    folder : Path or None
        Where subscriptions keep their state; the user's folder for that without it.
    tests : bool or None
        Whether test alerts are delivered; without an answer a broker of one's own delivers them, a public one not.
    written : str
        Rules and actions as they were written: a name is drawn from it where none is given.
    if_new : {"latest", "earliest"}
        See :class:`pipelines.subscribe.opened.Begin`.
    """

    sources: tuple[str, ...] = ("local",)
    topics: tuple[str, ...] = ()
    routes: tuple[Route, ...] = (Route(),)
    doings: Mapping[str, Doing] = field(default_factory=dict)
    start: str | int | None = None
    name: str | None = None
    folder: Path | None = None
    tests: bool | None = None
    written: str = ""
    if_new: str = "latest"

    @property
    def remembers(self) -> bool:
        """Whether a state file is kept: where a name is given, something is done, or a public broker is read."""
        kept = any(doing.action.kind != "file" for doing in self.doings.values())
        return self.name is not None or kept or any(source in _PUBLIC for source in self.sources)

    @property
    def keeping(self) -> frozenset[str]:
        """The actions that keep alerts."""
        return frozenset(name for name, doing in self.doings.items() if doing.action.kind == "file")

    def delivers_tests(self) -> dict[str, bool]:
        """Return whether test alerts are delivered, by source."""
        return {source: source not in _PUBLIC if self.tests is None else self.tests for source in self.sources}

    def named(self, settings: Settings) -> str:
        """Return the subscription's name; one that follows from sources, rules and actions where none is given."""
        if self.name is not None:
            return check_name(self.name)
        told = (self.sources, self.topics, self.written, settings.kafka.bootstrap_servers)
        return check_name(f"{'-'.join(self.sources)}-{sha256(repr(told).encode()).hexdigest()[:8]}")


def state_folder(asked: Asked, settings: Settings, environ: Mapping[str, str]) -> Path:
    """Return where the state of a subscription is."""
    return (asked.folder or default_folder(dict(environ))) / asked.named(settings)


@contextmanager
def opened(settings: Settings, asked: Asked, environ: Mapping[str, str], *, each: bool = False) -> Iterator[Engine]:
    """Open a subscription; leaving ends its actions in order and leaves the sources' groups.

    Parameters
    ----------
    settings : Settings
    asked : Asked
    environ : mapping
        Where credentials stand.
    each : bool
        Write every delivery by itself; see :class:`pipelines.subscribe.engine.Engine`.

    Raises
    ------
    ConfigurationError
        If the state is in use, or a source or its credentials are missing.
    ActionFailed
        On leaving, if something was not done and nothing is remembered that would do it later.
    """
    name = asked.named(settings) if asked.remembers else ""
    with ExitStack() as stack:
        database = Database(state_folder(asked, settings, environ) if name else None)
        stack.callback(database.close)
        # Whoever iterates by hand is done with an alert when it comes back: nothing of it may be left begun. Nor may it
        # where a restart begins elsewhere than where this process ends.
        queued = each or bool(name and asked.start is not None)
        hands = {} if queued else {action: Hands() for action in asked.doings}
        state = State(database, hands=hands) if name else State(database, _MOST_IN_MEMORY, hands)
        state.bury_orphans(time.time_ns())
        queue = Queue(database)
        begin = Begin(asked.start, f"tocsin-{name}-{state.once('group')}" if name else "", asked.if_new)
        sources = _sources(settings, asked, state, begin, environ, stack)
        workers = Workers(asked.doings, queue, hands=hands)
        if not name:
            stack.callback(_all_done, queue)
        stack.enter_context(workers)
        log.info("subscribed", name=name or None, sources=list(asked.sources), rules=[r.name for r in asked.routes])
        yield Engine(
            sources,
            state,
            Subscription(
                asked.routes,
                name,
                asked.delivers_tests(),
                in_order=bool(name),
                keeping=asked.keeping,
                actions=frozenset(asked.doings),
            ),
            workers.wake,
            ready=workers.ready,
            each=each,
        )


def _sources(
    settings: Settings, asked: Asked, state: State, begin: Begin, environ: Mapping[str, str], stack: ExitStack
) -> Sequence[Source]:
    found: list[Source] = []
    for source in dict.fromkeys(asked.sources):
        found.append(open_source(source, settings, state, begin, environ, asked.topics))
        stack.callback(found[-1].close)
    if not found:
        raise ConfigurationError("no source: name one with --source gcn, scimma or local")
    return found


def _all_done(queue: Queue) -> None:
    """Complain of what was not done, where it is forgotten with the process."""
    try:
        left, dead = queue.waiting(), queue.dead()
    except StateError:
        return
    if left or dead:
        raise ActionFailed(
            f"not done for {sum(left.values()) + len(dead)} alerts: {', '.join(sorted(left))}"
            f"{dead[-1].error if dead else ''}; with --name it is remembered, and tried again"
        )
