"""Does what rings stay out of its own background? ``tocsin evaluate background --mergers-every S``.

The same noise is searched twice, without mergers and with one every so often. The live background of the second is
compared with that of the first: at the statistics that had a FAR of 1e-1 to 1e-5 Hz there, over the time that it has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.evaluate.poisson import START_NS, Events
from pipelines.feeds.simulate import injected_blocks
from pipelines.progress import Progress
from pipelines.search import Stages, compose, one_by_one, search
from stream.settings import Settings
from stream.significance import RollingCounts, set_name
from stream.significance.live_triggers import BLOCK_S
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import HOPS_PER_S, NS_PER_S

_GLITCH_RATE_HZ = 0.006
_FARS_HZ = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)


def compare(
    settings: Settings, hours: float, every_s: float, seed: int, progress: Progress | None = None
) -> dict[str, Any]:
    """Search the same noise without and with mergers; return both live backgrounds side by side.

    Returns
    -------
    dict
        ``mergers`` injected, ``events`` found, and for each set of detectors lists ``statistic``, ``expected`` (from
        the run without, over the time of the run with), ``observed``, ``error`` (Poisson, of events, not of slides).
    """
    without, _ = _search(settings, hours, None, seed, progress, 0)
    among, found = _search(settings, hours, every_s, seed, progress, 1)
    counted = among.network.slides.counts
    # A matched-filter network slides blocks by every second, either way.
    slides = settings.significance.slides if among.network.card.kind == "embedding" else 2 * BLOCK_S
    return {
        "mergers": round(hours * 3600 / every_s) - 1,
        "events": found,
        "sets": {
            set_name(names): _side_by_side(counts, counted[names], len(names), slides)
            for names, counts in without.network.slides.counts.items()
            if names in counted
        },
    }


def _side_by_side(without: RollingCounts, among: RollingCounts, detectors: int, slides: int) -> dict[str, Any]:
    ratio = among.duration_s / without.duration_s
    levels = [without.loudest(round(f * without.duration_s)) for f in _FARS_HZ if f * without.duration_s >= 1]
    expected = [without.count(level) * ratio for level in levels]
    # A loud glitch stands in as many slides as there are: they are not independent of each other.
    shared = slides if detectors > 1 else 1
    return {
        "duration_s": [round(without.duration_s, 1), round(among.duration_s, 1)],
        "statistic": [round(level, 4) for level in levels],
        "expected": [round(n, 2) for n in expected],
        "observed": [among.count(level) for level in levels],
        "error": [round(float(np.sqrt(n * min(shared, n))), 2) for n in expected],
    }


def _search(
    settings: Settings, hours: float, every_s: float | None, seed: int, progress: Progress | None, turn: int
) -> tuple[Stages, int]:
    stages, sink = compose(settings), Events()
    network = SyntheticNetwork(
        NetworkConfig(settings.strain.detectors, seed=seed, witnesses=False, glitch_rate_hz=_GLITCH_RATE_HZ)
    )
    stop_ns = START_NS + round(hours * 3600) * NS_PER_S
    every_ns = None if every_s is None else round(every_s * NS_PER_S)
    blocks = injected_blocks(
        network, START_NS, stop_ns, 4 * HOPS_PER_S, first_ns=START_NS + (every_ns or 0), every_ns=every_ns,
        rng=np.random.default_rng(seed),
    )  # fmt: skip

    def shown() -> Any:
        for block in blocks:
            if progress is not None:
                progress(turn * hours + (block.gps_ns - START_NS) / NS_PER_S / 3600, 2 * hours)
            yield block

    search(one_by_one(shown()), stages, sink)
    stages.network.close()
    return stages, len(sink.far_hz)
