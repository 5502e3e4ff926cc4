"""A daemon whose disk takes nothing: run by a test as ``python disk_child.py FAULT SETTINGS``.

It is handed a candidate as soon as it has started, and stops once that is published and a checkpoint has failed. What
it counted goes to stdout, its log to stderr.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import Counter

from pipelines.live import daemon
from pipelines.live.observe import Observer
from stream import metrics
from stream.configuration import load_settings
from stream.log import configure_logging
from stream.records import Background, Candidate, Peak

GPS_NS = 1_400_000_000_123_000_000
_CAPABILITY_VERSION_3 = 0x20080522
_GIVE_UP_S = 60.0


def no_large_files() -> None:
    """Writes of more than a few bytes fail with EFBIG."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))


def no_privileges() -> None:
    """Permissions count for root as well: give up its capabilities, before there are other threads."""
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        none = (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None, use_errno=True).capset(header, none) == 0


FAULTS: dict[str, Callable[[], None]] = {"full": no_large_files, "read-only": no_privileges, "none": lambda: None}


def candidate() -> Candidate:
    peak = Peak(GPS_NS, 9.0, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), GPS_NS + 180_000_000)
    return Candidate(peak, 1e-9, True, Background("shipped", 1e9, ("H1", "L1")), "test-1")


def total(counter: Counter) -> float:
    (family,) = counter.collect()
    return float(family.samples[0].value)


def main(fault: str, config: str) -> None:
    FAULTS[fault]()
    settings = load_settings(Path(config))
    configure_logging("info", "json")
    stop, published = threading.Event(), threading.Event()

    def end_when_done() -> None:
        published.wait(_GIVE_UP_S)
        end_s = time.monotonic() + _GIVE_UP_S
        while not total(metrics.CHECKPOINT_ERRORS) and time.monotonic() < end_s:
            time.sleep(0.05)
        stop.set()

    def started(observer: Observer, _: int) -> None:
        observer.publisher.publish(candidate())
        threading.Thread(target=end_when_done, daemon=True).start()

    daemon.run(settings, stop=stop, hooks=daemon.Hooks(started=started, published=lambda _: published.set()))
    counted = {"outbox": total(metrics.OUTBOX_ERRORS), "checkpoint": total(metrics.CHECKPOINT_ERRORS)}
    print(json.dumps(counted))


if __name__ == "__main__":
    main(*sys.argv[1:])
