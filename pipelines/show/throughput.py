"""``tocsin bench throughput``: seconds of archived data per second of work, straight through the search."""

from __future__ import annotations

import time

from pipelines.offline.report import Report
from pipelines.progress import Progress
from pipelines.search import compose, one_by_one, search
from pipelines.show.local import BILINEAR
from pipelines.show.machine import machine
from stream.configuration import load_settings
from stream.infer import open_model
from stream.records import Block
from stream.settings import Settings
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import HOPS_PER_S, NS_PER_S


def throughput(
    duration_s: int = 512, detectors: tuple[int, ...] = (1, 2, 3), strides_s: tuple[float, ...] = (1 / 16, 1 / 4, 1.0),
    progress: Progress | None = None, **infer: object,
) -> dict[str, object]:  # fmt: skip
    """Measure seconds of data per second of work, straight through the search, by detectors and stride.

    The stride is how much data is taken through the stages at once. The headline figure is two detectors without
    witnesses at the longest stride, as archived strain is replayed.
    """
    names = ("H1", "L1", "V1", "K1")
    grid = []
    cases = [(n, s, False) for n in detectors for s in strides_s] + [(2, s, True) for s in strides_s]
    for done, (count, stride_s, witnesses) in enumerate(cases):
        if progress is not None:
            progress(done, len(cases))
        settings = load_settings(
            None,
            {
                "strain": {"detectors": names[:count], "witnesses": witnesses},
                "denoise": {"bilinear": BILINEAR},
                "infer": infer,
            },
        )
        network = SyntheticNetwork(NetworkConfig(detectors=names[:count], seed=3, witnesses=witnesses))
        start_ns = 1_400_000_000 * NS_PER_S
        hops = round(stride_s * HOPS_PER_S)
        blocks = list(network.blocks(start_ns, start_ns + duration_s * NS_PER_S, hops))
        wall_s = _timed(settings, blocks)
        grid.append({
            "detectors": count, "stride_s": stride_s, "witnesses": witnesses,
            "x_realtime": round(duration_s / wall_s, 1),
        })  # fmt: skip
    headline = next(g for g in grid if (g["detectors"], g["stride_s"], g["witnesses"]) == (2, max(strides_s), False))
    return headline | {
        "duration_s": duration_s, "grid": grid, "model": open_model(Settings().infer.model).label,
        "machine": machine(),
    }  # fmt: skip


def _timed(settings: Settings, blocks: list[Block]) -> float:
    stages = compose(settings)
    report = Report(detectors=settings.strain.detectors)
    started = time.perf_counter()
    search(one_by_one(blocks), stages, report)
    return time.perf_counter() - started
