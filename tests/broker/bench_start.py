"""How long a daemon takes to start on an alert topic of years, on Apache Kafka of its own.

    python -m tests.broker.bench_start --alerts 200000 --size 80000

Twice: alerts spread evenly over half a year, and the same with the last thousand in the last hour. Timed is all from
the call to the alert topic being known: the network is loaded, PSDs are not. The payloads need 16 GB of the disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import threading
import time
from pathlib import Path

from pipelines.live.daemon import Hooks, run
from pipelines.live.observe import Observer
from stream.configuration import load_settings
from stream.kafka.reading import read_since
from stream.kafka.topics import create
from stream.log import configure_logging
from stream.settings import Settings

from .apache_kafka import ApacheKafka
from .archive import DAY_S, HOUR_S, fill

_SPREAD_S = 180 * DAY_S
_LATE = 1000
_WAIT_S = 300.0


def main() -> None:
    """Fill, start twice, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--alerts", type=int, default=200_000)
    options.add_argument("--size", type=int, default=80_000)
    options.add_argument("--folder", type=Path, default=None)
    chosen = options.parse_args()
    configure_logging("warning", "json")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        kafka = ApacheKafka(Path(folder) / "kafka")
        try:
            print(json.dumps(measured(kafka, Path(folder), chosen.alerts, chosen.size)))
        finally:
            kafka.close()


def measured(kafka: ApacheKafka, folder: Path, alerts: int, size: int) -> dict[str, float]:
    """Return seconds to start on each form of the topic, and how many alerts were read."""
    settings = load_settings(
        None,
        {
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers},
            "publish": {"outbox": folder / "outbox"},
            "daemon": {"state_dir": folder, "http_port": 0},
        },
    )
    create(settings)
    now_s, even, began_s = int(time.time()), alerts - _LATE, time.monotonic()
    fill(settings, (now_s - _SPREAD_S + k * _SPREAD_S // even for k in range(even)), size)
    figures = {"alerts": float(alerts), "bytes": float(alerts * size), "filled_s": time.monotonic() - began_s}
    figures["start_s"], figures["read"] = started(settings)
    fill(settings, (int(time.time()) - HOUR_S + k * HOUR_S // _LATE for k in range(_LATE)), size)
    figures["start_after_busy_hour_s"], figures["read_after_busy_hour"] = started(settings)
    figures["most_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def started(settings: Settings) -> tuple[float, float]:
    """Return how long a daemon takes to know the alert topic, and how many alerts that were."""
    stop, up = threading.Event(), threading.Event()
    seen: list[Observer] = []

    def told(observer: Observer, _: int) -> None:
        seen.append(observer)
        up.set()

    began_s = time.monotonic()
    daemon = threading.Thread(target=run, args=(settings,), kwargs={"stop": stop, "hooks": Hooks(started=told)})
    daemon.start()
    try:
        assert up.wait(_WAIT_S)
        while not seen[0].publisher.ready:
            assert time.monotonic() < began_s + _WAIT_S
            time.sleep(0.01)
        took_s = time.monotonic() - began_s
    finally:
        stop.set()
        daemon.join()
    truth = seen[0].publisher._drain.truth
    read = sum(1 for _ in read_since(settings.kafka, settings.topics.alerts, truth._since_ns))
    return took_s, float(read)


if __name__ == "__main__":
    main()
