"""The simulator of the fault runs, a process of its own.

``python -m tests.broker.fault_feeder SETTINGS SEED FIRST_NS EVERY_S COUNT``
Noise and mergers follow from the seed and from absolute time: started again after it was killed, it goes on with the
present as a detector does, and the mergers that are still to come are the ones that its caller knows.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from pipelines.feeds.feed import feed
from pipelines.feeds.simulate import LEAD_NS, draw_injection
from stream.configuration import load_settings
from stream.log import configure_logging
from stream.records import Block
from stream.simulate.detector import DEFAULT_SPECTRA, Injection, NetworkConfig, SyntheticNetwork
from stream.simulate.glitches import optimal_snr
from stream.simulate.psds import psd
from stream.simulate.waveforms import project
from stream.timebase import NS_PER_S, SystemClock

_NETWORK_SNR = (20.0, 30.0)
_DETECTOR_SNR = 10.0
_RATE_HZ = 4096
_NO_SPIN = (0.0, 0.0, 0.0)
_AHEAD = 96
"""Blocks made before the first is sent: what is slow at first (tables, caches) is behind us when time counts."""


def merger_times(seed: int, first_ns: int, every_s: float, count: int) -> list[int]:
    """Return when the mergers are, GPS ns: at regular intervals, up to 1.5 s early or late."""
    early = np.random.default_rng((seed, 1)).uniform(-1.5, 1.5, count)
    return [first_ns + round((k * every_s + float(early[k])) * NS_PER_S) for k in range(count)]


def loud_injection(seed: int, number: int, merger_ns: int) -> Injection:
    """Draw a binary that both detectors hear well; the same one at every call.

    Without spins, which the templates of the network ``first`` do not have: a spin of 0.8 at network SNR 22 was missed
    with no fault at all. What is tried here are streams and brokers, not the search.
    """
    rng, spectrum = np.random.default_rng((seed, 2, number)), psd(DEFAULT_SPECTRA["H1"])
    while True:
        drawn = draw_injection(rng, merger_ns, _NETWORK_SNR)
        injection = replace(drawn, parameters=replace(drawn.parameters, spin1=_NO_SPIN, spin2=_NO_SPIN))
        assert injection.network_snr is not None
        seen = project(injection.parameters, ("H1", "L1"), _RATE_HZ).values()
        snrs = np.array([optimal_snr(signal.samples, spectrum, _RATE_HZ) for signal in seen])
        if snrs.min() / np.hypot(*snrs) * injection.network_snr >= _DETECTOR_SNR:
            return injection


def blocks(seed: int, mergers_ns: list[int], start_ns: int) -> Iterator[Block]:
    """Yield noise with the mergers in it, each added shortly before it can be heard."""
    network = SyntheticNetwork(NetworkConfig(seed=seed, witnesses=False))
    coming = [(k, m) for k, m in enumerate(mergers_ns) if m > start_ns - NS_PER_S]
    for block in network.blocks(start_ns, None, 1):
        while coming and coming[0][1] <= block.end_ns + LEAD_NS:
            network.inject(loud_injection(seed, *coming.pop(0)))
        yield block


def main(config: str, seed: str, first_ns: str, every_s: str, count: str) -> None:
    """Send in real time until SIGTERM."""
    configure_logging("info", "json")
    settings, clock, stop = load_settings(Path(config)), SystemClock(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    start_ns = (clock.now_ns() // NS_PER_S + 4) * NS_PER_S
    source = blocks(int(seed), merger_times(int(seed), int(first_ns), float(every_s), int(count)), start_ns)
    feed(chain([next(source) for _ in range(_AHEAD)], source), settings, clock, stop=stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
