"""``tocsin bench latency``: the latency of this pipeline, on this machine, printed by a command.

The daemon as it runs in production, a simulator in a process of its own that sends H1 and L1 with witnesses in real
time, an injection every few seconds, and the time from each merger to Kafka's acknowledgement of its alert, and of the
first that has sky map and class: the same one, where they were ready in the time that it waits for them.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from pipelines.feeds.feed import feed
from pipelines.feeds.simulate import draw_injection
from pipelines.live.daemon import Hooks, run
from pipelines.live.observe import Observer
from pipelines.live.publisher import Published
from pipelines.progress import Progress
from pipelines.show.local import FOUND_WITHIN_NS, await_maps, create_topics, local_settings
from pipelines.show.machine import machine
from stream.errors import TransportError
from stream.kafka.embedded import EmbeddedBroker
from stream.records import Candidate
from stream.settings import Settings
from stream.simulate.detector import Injection, NetworkConfig, SyntheticNetwork
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S, SystemClock, ns_to_gps_s
from stream.types import FloatArray

_WARM_UP_S = 16
_TAIL_S = 3
_NETWORK_SNR = (12.0, 40.0)


def percentiles(values: FloatArray) -> dict[str, float | int]:
    """Return p50, p99, the largest and the number of values."""
    p50, p99 = np.percentile(values, (50, 99))
    return {"p50": round(float(p50), 4), "p99": round(float(p99), 4), "max": round(float(values.max()), 4),
            "n": len(values)}  # fmt: skip


@dataclass(slots=True)
class _Ledger:
    """When what happened, by candidate."""

    found: list[tuple[Candidate, int]] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    observer: Observer | None = None
    started: threading.Event = field(default_factory=threading.Event)

    def hooks(self) -> Hooks:
        """Return the hooks that fill this."""
        clock = SystemClock()

        def started(observer: Observer, _: int) -> None:
            self.observer = observer
            self.started.set()

        return Hooks(started, lambda c: self.found.append((c, clock.now_ns())), self.published.append)


def latency(
    injections: int = 60, spacing_s: float = 4.0, seed: int = 11, broker: str | None = None,
    progress: Progress | None = None,
) -> dict[str, object]:  # fmt: skip
    """Measure merger to alert over many injections; without ``broker``, through the embedded one.

    Raises
    ------
    TocsinError
        If a part of the pipeline failed.
    """
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker() as embedded:
        settings = local_settings(broker or embedded.bootstrap_servers, Path(folder))
        if broker is None:
            create_topics(embedded, settings)
        ledger, stop = _Ledger(), threading.Event()
        conductor = _Conductor(settings, seed, injections, spacing_s, ledger, stop, progress)
        conductor.thread.start()
        try:
            run(settings, stop=stop, hooks=ledger.hooks())
        finally:
            stop.set()
            conductor.thread.join(30)
        if conductor.error is not None:
            raise conductor.error
        figures = _figures(conductor.mergers_ns, ledger)
    return figures | {
        "detectors": list(settings.strain.detectors), "block_s": 1 / HOPS_PER_S, "witnesses": True,
        "broker": broker or "embedded", "machine": machine(),
    }  # fmt: skip


class _Conductor:
    """Starts the simulator once the daemon listens, and ends the daemon once everything was sent."""

    def __init__(
        self, settings: Settings, seed: int, injections: int, spacing_s: float, ledger: _Ledger,
        stop: threading.Event, progress: Progress | None,
    ) -> None:  # fmt: skip
        self._settings, self._seed, self._ledger, self._stop = settings, seed, ledger, stop
        self._injections, self._spacing_s, self._progress = injections, spacing_s, progress
        self.mergers_ns: list[int] = []
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._conduct, name="conductor", daemon=True)

    def _conduct(self) -> None:
        try:
            self._send_all()
        except BaseException as error:
            self.error = error
        finally:
            self._stop.set()

    def _send_all(self) -> None:
        while not self._ledger.started.wait(0.1):
            if self._stop.is_set():
                return
        assert self._ledger.observer is not None, "told before the event is set"
        await_maps(self._ledger.observer, self._stop.is_set)
        # A simulator in a fresh process needs some seconds until it can send.
        start_ns = (SystemClock().now_ns() // NS_PER_S + 12) * NS_PER_S
        injected = plan(self._seed, start_ns, self._injections, self._spacing_s)
        self.mergers_ns = [i.parameters.geocent_ns for i in injected]
        end_ns = self.mergers_ns[-1] // NS_PER_S * NS_PER_S + _TAIL_S * NS_PER_S
        process = multiprocessing.get_context("spawn").Process(
            target=send_network, args=(self._settings, self._seed, injected, start_ns, end_ns), daemon=True
        )
        process.start()
        while process.is_alive():
            if self._stop.wait(0.5):
                process.terminate()
            if self._progress is not None:
                now_s = max(0.0, (SystemClock().now_ns() - start_ns) / NS_PER_S)
                self._progress(now_s, (end_ns - start_ns) / NS_PER_S)
        process.join()
        if process.exitcode and not self._stop.is_set():
            raise TransportError(f"the simulator ended with exit code {process.exitcode}: see its message above")
        time.sleep(1.0)


def plan(seed: int, start_ns: int, injections: int, spacing_s: float) -> list[Injection]:
    """Return injections of network SNR 12 to 40 at irregular times: their place in a block must not be always the same.

    None is left out, however little one of the detectors hears of it; any that is missed is counted.
    """
    rng = np.random.default_rng(seed)
    first_ns = start_ns + _WARM_UP_S * NS_PER_S
    return [
        draw_injection(rng, first_ns + round((k + rng.uniform(-0.2, 0.2)) * spacing_s * NS_PER_S), _NETWORK_SNR)
        for k in range(injections)
    ]


def send_network(settings: Settings, seed: int, injected: list[Injection], start_ns: int, end_ns: int) -> None:
    """Send a network with injections in real time; runs in a process of its own."""
    network = SyntheticNetwork(NetworkConfig(detectors=settings.strain.detectors, seed=seed))
    for injection in injected:
        network.inject(injection)
    blocks = network.blocks(start_ns, end_ns, 1)
    ahead = [next(blocks) for _ in range(64)]  # what is slow at first (tables, caches) is behind us when time counts
    feed(chain(ahead, blocks), settings, SystemClock())


def _figures(mergers_ns: list[int], ledger: _Ledger) -> dict[str, object]:
    """Match superevents to mergers, each by its first alert that names one."""
    alerts = _alerts_of(mergers_ns, ledger.published)
    found = {c.gps_ns: (c, at_ns) for c, at_ns in ledger.found}
    delays, steps = [], []
    for merger_ns, (first, *_) in alerts.items():
        delays.append((first.acknowledged_ns - merger_ns) / NS_PER_S)
        candidate, at_ns = found[first.candidate_ns]
        steps.append(_steps_ms(candidate, merger_ns, at_ns, first.acknowledged_ns))
    assert ledger.observer is not None
    watch = ledger.observer.stages.watch
    split = {k: round(float(np.median([s[k] for s in steps])), 2) for k in steps[0]} if steps else {}
    split |= {
        f"compute_{stage}_mean": round(1e3 * s / max(1, watch.calls[stage]), 3) for stage, s in watch.seconds.items()
    }
    true = {alert.superevent_id for of_merger in alerts.values() for alert in of_merger}
    return {
        "merger_to_alert_s": percentiles(np.array(delays)) if delays else None,
        **_map_figures(alerts),
        "stages_ms": split,
        "missed": len(mergers_ns) - len(alerts),
        "missed_gps": [ns_to_gps_s(m) for m in mergers_ns if m not in alerts],
        "false_alarms": len({alert.superevent_id for alert in ledger.published} - true),
    }


def _alerts_of(mergers_ns: list[int], published: list[Published]) -> dict[int, list[Published]]:
    """Return the alerts that name each merger, in their order."""
    found: dict[int, list[Published]] = {}
    for alert in published:
        merger_ns = min(mergers_ns, key=lambda m: abs(m - alert.candidate_ns))
        if abs(merger_ns - alert.candidate_ns) <= FOUND_WITHIN_NS:
            found.setdefault(merger_ns, []).append(alert)
    return found


def _map_figures(alerts: dict[int, list[Published]]) -> dict[str, object]:
    """Return how soon alerts had map and class, and how many had them with the first alert, later, or never."""
    delays, made, counts = [], [], {"with_first_alert": 0, "with_a_later_one": 0, "never": 0}
    for merger_ns, of_merger in alerts.items():
        mapped = next((alert for alert in of_merger if _has_map_and_class(alert)), None)
        if mapped is None or mapped.followed is None:
            counts["never"] += 1
            continue
        counts["with_first_alert" if mapped is of_merger[0] else "with_a_later_one"] += 1
        delays.append((mapped.acknowledged_ns - merger_ns) / NS_PER_S)
        made.append(mapped.followed.seconds)
    return {
        "merger_to_alert_with_map_s": percentiles(np.array(delays)) if delays else None,
        "maps": counts,
        "follow_up_s": percentiles(np.array(made)) if made else None,
    }


def _has_map_and_class(alert: Published) -> bool:
    return alert.followed is not None and {"skymap", "classification"} <= set(alert.followed.known)


def _steps_ms(candidate: Candidate, merger_ns: int, found_ns: int, acknowledged_ns: int) -> dict[str, float]:
    """Split one event's time: what the data must hold, what the block waits for, what is computed, what is sent."""
    needed_ns = candidate.peak.confirmed_ns
    block_end_ns = -(-needed_ns // HOP_NS) * HOP_NS
    return {
        "data_after_merger": (needed_ns - merger_ns) / 1e6,
        "block_fills": (block_end_ns - needed_ns) / 1e6,
        "travel_and_compute": (found_ns - block_end_ns) / 1e6,
        "publish": (acknowledged_ns - found_ns) / 1e6,
    }
