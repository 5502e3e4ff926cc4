"""What tests of the subscriber share: alerts, a source, an engine run to its end, jobs in a queue."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import schemas
from pipelines.sources.message import SourceMessage
from pipelines.subscribe.accepted import Accepted, NewJob
from pipelines.subscribe.database import Database
from pipelines.subscribe.delivery import Delivery
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.identity import Identity
from pipelines.subscribe.received import ReceivedAlert, receive
from pipelines.subscribe.routes import Judged, Route
from pipelines.subscribe.state import State
from stream.codec.alert import encode_alert
from stream.kafka.consumer import Message

NOW_NS = 1_800_000_000_000_000_000


EVENT = {
    "time": "2026-11-22T00:00:00.000Z", "far": 1e-9, "significant": True, "instruments": ["H1", "L1"], "group": "CBC",
    "pipeline": "x", "search": "AllSky", "properties": {}, "classification": {"BNS": 0.9}, "duration": None,
    "central_frequency": None, "skymap": b"FITS",
}  # fmt: skip


def record(kind: str, second: int, event: str = "S261122a", **of_event: Any) -> dict[str, Any]:
    return {
        "alert_type": kind, "time_created": f"2026-11-22T00:{second // 60:02d}:{second % 60:02d}Z",
        "superevent_id": event, "event": None if kind == "RETRACTION" else EVENT | of_event, "external_coinc": None,
        "urls": {},
    }  # fmt: skip


def as_avro(alert: dict[str, Any]) -> bytes:
    return encode_alert(alert)


def as_json(alert: dict[str, Any]) -> bytes:
    event = alert["event"]
    if event is not None:
        event = event | {"skymap": base64.b64encode(event["skymap"]).decode()}
    return json.dumps(alert | {"event": event}).encode()


class Given:
    """A source that hands out what it was given, once; what is done with is remembered."""

    ended = False

    def __init__(self, name: str, values: Sequence[bytes], headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        self.name = name
        self._left = [
            SourceMessage(v, name, "t", f"t[0]@{k}", 0, headers, Message("t", 0, k, None, v, headers, 0))
            for k, v in enumerate(values)
        ]
        self.placed = self.held = 0

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        found, self._left, self.ended = self._left, [], True
        return found

    def hold(self) -> None:
        self.held += 1

    def done(self, messages: Sequence[SourceMessage]) -> None:
        self.placed += len(messages)

    def close(self) -> None:
        pass


def engine_of(
    *sources: Given, state: State | None = None, routes: tuple[Route, ...] = (Route(),), **more: Any
) -> Engine:
    state = state or State(Database(None))
    return Engine(sources, state, Subscription(routes, "x", **more), unix_ns=lambda: NOW_NS)


def run(*sources: Given, **more: Any) -> list[Delivery]:
    return list(engine_of(*sources, **more).deliveries(threading.Event()))


def kinds(deliveries: list[Delivery]) -> list[str]:
    return [delivery.alert.record["alert_type"] for delivery in deliveries]


def only(kind: str) -> Route:
    """Return a rule that matches one kind of alert, to an action."""

    def judge(alert: ReceivedAlert) -> Judged:
        matched = alert.record["alert_type"] == kind
        return Judged(matched, (f"alert type is {'' if matched else 'not '}{kind}",))

    return Route("rule", judge, ("slew",))


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


def script(folder: Path, text: str) -> str:
    path = folder / "act.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)
