"""A daemon in a thread of the test's own process, and waits for what it has searched."""

from __future__ import annotations

import threading
import time

from pipelines.follow import FOLLOW_UP
from pipelines.live import daemon
from pipelines.live.daemon import Hooks
from pipelines.live.observe import Observer
from stream.records import Candidate
from stream.settings import Settings


class Run:
    """A daemon in a thread, until told to stop."""

    def __init__(self, settings: Settings, follower: str = FOLLOW_UP) -> None:
        self.found: list[Candidate] = []
        self.times: list[float] = []
        self.stop, self.started = threading.Event(), threading.Event()
        self.observer: Observer | None = None
        hooks = Hooks(started=self._started, candidate=self._candidate, follower=follower)
        self.thread = threading.Thread(
            target=daemon.run, args=(settings,), kwargs={"stop": self.stop, "hooks": hooks}, daemon=True
        )
        self.thread.start()

    def _started(self, observer: Observer, port: int) -> None:
        self.observer = observer
        self.started.set()

    def _candidate(self, candidate: Candidate) -> None:
        self.times.append(time.monotonic())
        self.found.append(candidate)

    def wait_until_attended(self) -> None:
        """Wait until both topics are read: what is sent from then on is heard."""
        assert self.started.wait(60)
        deadline = time.monotonic() + 60
        while self.observer is None or len(self.observer.consumer.standing()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def wait_until_read(self, end_ns: int, timeout_s: float = 60.0) -> None:
        """Wait until the search has had both detectors' data up to a time."""
        assert self.started.wait(60)
        deadline = time.monotonic() + timeout_s
        while True:
            newest = self.observer.status.newest_ns if self.observer else {}
            if len(newest) == 2 and min(newest.values()) >= end_ns:
                return
            assert time.monotonic() < deadline, f"read up to {newest}, not {end_ns}"
            time.sleep(0.02)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()
