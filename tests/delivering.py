"""What tests of the subscriber share: an engine run to its end, an alert, jobs in a queue."""

from __future__ import annotations

import threading
from collections.abc import Callable

import schemas
from pipelines.subscribe.accepted import Accepted, NewJob
from pipelines.subscribe.database import Database
from pipelines.subscribe.delivery import Delivery
from pipelines.subscribe.engine import Engine
from pipelines.subscribe.identity import Identity
from pipelines.subscribe.received import ReceivedAlert, receive
from pipelines.subscribe.state import State
from stream.kafka.consumer import Message


def run_until_ended(engine: Engine, after: Callable[[], object] = lambda: None) -> list[Delivery]:
    """Return what an engine delivers; ``after`` is called when each was written."""
    found: list[Delivery] = []
    for delivery in engine.deliveries(threading.Event()):
        after()
        found.append(delivery)
    after()
    return found


def an_alert() -> ReceivedAlert:
    return receive(Message("alerts.gw", 0, 7, None, schemas.example("alert", schemas.versions("alert")[-1]), (), 0))


def queued(database: Database, *keys: str, event: str = "S1a", action: str = "act", now_ns: int = 0) -> None:
    state, alert = State(database), an_alert()
    for key in keys:
        identity = Identity(key, event, "INITIAL", None, 0)
        kept = {
            "extra": {},
            "topic": "t",
            "offset": 0,
            "source": "local",
            "place": "",
            "received_unix_ns": 0,
            "told": {},
        }
        state.accept(Accepted(None, identity, ("rule",), (NewJob(action, key),), alert.raw, kept))
    state.flush(now_ns)
