"""A subscriber under load: alerts with maps at a stated rate, through a rule with area and visibility, to a webhook.

The subscriber is a process of its own on one core; broker, sender and the server that the webhook posts to share the
others. It may be killed every so often, and the broker taken down in between. What the server got is compared with what
was sent: none may be missing, and what came twice came under the same key.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipelines.show.machine import machine
from pipelines.show.reading import TOPIC, an_alert_each
from stream.configuration import load_settings
from stream.errors import TransportError
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer

RULE = "area90 < 5000 and visible(paranal) >= 0 and far < 1/day"
_PARTITIONS = 48
_DOWN_S = 2.0
_AFTER_S = 60.0
_EVENT = re.compile(rb'"superevent_id": ?"([A-Za-z0-9]{1,32})"')
_KEY = re.compile(rb"\r\nIdempotence-Key: ([0-9a-f]{64})\r\n")
_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]{1,9})\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done.

    Attributes
    ----------
    seconds : float
    per_s : float
        Alerts a second.
    kill_every_s : float
        How often the subscriber is killed, and in the middle between the embedded broker taken down; 0 never.
    broker : str or None
        Kafka to use instead of the embedded broker.
    core : int
        The subscriber's.
    topic : str
    """

    seconds: float = 300.0
    per_s: float = 250.0
    kill_every_s: float = 0.0
    broker: str | None = None
    core: int = 0
    topic: str = f"{TOPIC}.load"


class Breakable(Protocol):
    """A broker that can be taken down and brought up again with what it held."""

    def down(self) -> None:
        """Take it down."""
        ...

    def up(self) -> None:
        """Bring it up."""
        ...


@dataclass
class Got:
    """What the server got: when each event's alert came first, and how often under which keys."""

    first_s: dict[str, float] = field(default_factory=dict)
    keys: dict[str, set[bytes]] = field(default_factory=dict)
    posts: int = 0

    def __call__(self, head: bytes, body: bytes, now_s: float) -> None:
        """Take one request."""
        event, key = _EVENT.search(body[:2048]), _KEY.search(head)
        if event is None or key is None:
            return
        name = event[1].decode()
        self.posts += 1
        self.first_s.setdefault(name, now_s)
        self.keys.setdefault(name, set()).add(key[1])


def load(
    plan: Plan, progress: Callable[[int, int], None] = lambda done, of: None, breakable: Breakable | None = None
) -> dict[str, Any]:
    """Return what became of the alerts: how many came, how late, and how many not or twice.

    Parameters
    ----------
    plan : Plan
    progress : callable
    breakable : Breakable, optional
        The plan's broker, if it may be taken down too.
    """
    got, sent = Got(), {}
    with tempfile.TemporaryDirectory() as folder, _server(got) as url, _broker(plan) as (brokers, embedded):
        subscriber = _Subscriber(plan, brokers, url, Path(folder))
        producer = Producer(load_settings(None, {"kafka": {"bootstrap_servers": brokers}}).kafka)
        try:
            subscriber.start()
            subscriber.wait_until_it_reads()
            sent = _send(plan, producer, subscriber, embedded or breakable, progress)
            producer.flush()
            _wait(lambda: len(got.first_s) >= len(sent), _AFTER_S)
        finally:
            subscriber.end()
            producer.close()
        said = subscriber.said()
    return _figures(plan, sent, got, subscriber, said)


def _figures(plan: Plan, sent: dict[str, float], got: Got, subscriber: _Subscriber, said: str) -> dict[str, Any]:
    late_ms = 1e3 * np.array([got.first_s[event] - at for event, at in sent.items() if event in got.first_s])
    lost = [event for event in sent if event not in got.first_s]
    return {
        "seconds": plan.seconds, "per_s": plan.per_s, "sent": len(sent), "acted_upon": len(got.first_s),
        "lost": len(lost), "doubled": sum(len(keys) > 1 for keys in got.keys.values()),
        "posted_again_under_the_same_key": got.posts - len(got.first_s), "kills": subscriber.kills,
        "cpu_ms_an_alert": round(1e3 * subscriber.cpu_s / max(1, len(got.first_s)), 2),
        "p50_ms": round(float(np.percentile(late_ms, 50)), 1) if len(late_ms) else None,
        "p99_ms": round(float(np.percentile(late_ms, 99)), 1) if len(late_ms) else None,
        "rule": RULE, "broker": plan.broker or "embedded", "machine": machine(),
        **({"said": said[-2000:]} if lost else {}),
    }  # fmt: skip


def _send(
    plan: Plan, producer: Producer, subscriber: _Subscriber, broken: Breakable | None,
    progress: Callable[[int, int], None],
) -> dict[str, float]:  # fmt: skip
    """Send alerts at their times, and break what the plan wants broken; return when each was sent."""
    sent: dict[str, float] = {}
    begun_s, total = time.monotonic(), round(plan.seconds * plan.per_s)
    breaks = _Breaks(plan, begun_s, subscriber, broken)
    for number, (event, value) in zip(range(total), an_alert_each(), strict=False):
        due_s = begun_s + number / plan.per_s
        breaks(time.monotonic())
        time.sleep(max(0.0, due_s - time.monotonic()))
        sent[event] = time.time()
        producer.send(plan.topic, event, value)
        if number % 500 == 0:
            progress(number, total)
    breaks.mend()
    return sent


class _Breaks:
    """Kills the subscriber every so often, and in the middle between takes the broker down."""

    def __init__(self, plan: Plan, begun_s: float, subscriber: _Subscriber, broken: Breakable | None) -> None:
        self._every_s = plan.kill_every_s
        self._kill_s = begun_s + plan.kill_every_s
        self._down_s = begun_s + plan.kill_every_s / 2
        self._up_s: float | None = None
        self._subscriber, self._broken = subscriber, broken

    def __call__(self, now_s: float) -> None:
        """Break what is due."""
        if self._every_s <= 0:
            return
        if now_s >= self._kill_s:
            self._kill_s += self._every_s
            self._subscriber.kill()
            self._subscriber.start()
        if self._broken is not None and now_s >= self._down_s:
            self._down_s += self._every_s
            self._broken.down()
            self._up_s = now_s + _DOWN_S
        if self._up_s is not None and now_s >= self._up_s:
            self.mend()

    def mend(self) -> None:
        """Bring the broker up."""
        if self._up_s is not None and self._broken is not None:
            self._broken.up()
        self._up_s = None


class _Subscriber:
    """``tocsin subscribe`` as a process on one core."""

    def __init__(self, plan: Plan, brokers: str, url: str, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self._command = [
            sys.executable, "-m", "pipelines.cli", "subscribe", "--broker", brokers, "--topic", plan.topic,
            "--name", "load", "--state", str(folder), "--where", RULE, "--webhook", url,
        ]  # fmt: skip
        self._log = (folder / "said").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._before_s = before.ru_utime + before.ru_stime
        self.kills, self.cpu_s = 0, 0.0

    def start(self) -> None:
        """Start it; it goes on where the one before was."""
        # The embedded broker knows no member by a fixed name, and waits until the killed one is missed.
        environ = {"TOCSIN_KAFKA__SESSION_TIMEOUT_S": "2"} if self._plan.broker is None else {}
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=self._log, env=os.environ | environ
        )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, {self._plan.core})

    def kill(self) -> None:
        """End it without a word."""
        self._signal(signal.SIGKILL)
        self.kills += 1

    def end(self) -> None:
        """Let it leave in order."""
        self._signal(signal.SIGTERM)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_s = after.ru_utime + after.ru_stime - self._before_s
        self._log.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def said(self) -> str:
        """Return its log."""
        return (self._folder / "said").read_text(errors="replace")

    def wait_until_it_reads(self) -> None:
        """Wait for its partitions: it begins with what comes."""
        if not _wait(lambda: "partitions_assigned" in self.said(), _AFTER_S):
            raise TransportError(f"the subscriber does not read: {self.said()[-500:]}")
        time.sleep(1.0)


def _wait(until: Callable[[], bool], longest_s: float) -> bool:
    end_s = time.monotonic() + longest_s
    while time.monotonic() < end_s:
        if until():
            return True
        time.sleep(0.05)
    return until()


@contextmanager
def _broker(plan: Plan) -> Iterator[tuple[str, EmbeddedBroker | None]]:
    if plan.broker is not None:
        yield plan.broker, None
        return
    with EmbeddedBroker() as embedded:
        embedded.create_topic(plan.topic, _PARTITIONS)
        yield embedded.bootstrap_servers, embedded


@contextmanager
def _server(got: Got) -> Iterator[str]:
    """Take posts on a free port of this machine, one after the other, and answer 200."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        threading.Thread(target=_serve, args=(listening, got), name="webhook", daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/alert"


def _serve(listening: socket.socket, got: Got) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # closed
            return
        threading.Thread(target=_keep_answering, args=(connection, got), name="webhook", daemon=True).start()


def _keep_answering(connection: socket.socket, got: Got) -> None:
    with connection, suppress(OSError):
        while _answer(connection, got):
            pass


def _answer(connection: socket.socket, got: Got) -> bool:
    """Take one request; whether another may come."""
    head = connection.recv(1 << 16)
    now_s = time.time()
    while b"\r\n\r\n" not in head:
        more = connection.recv(1 << 16)
        if not more:
            return False
        head += more
    head, _, body = head.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    left = (0 if length is None else int(length[1])) - len(body)
    while left > 0:
        more = connection.recv(1 << 18)
        if not more:
            return False
        body = body or more
        left -= len(more)
    got(head + b"\r\n", body, now_s)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return True
