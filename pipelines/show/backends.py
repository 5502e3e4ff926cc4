"""``tocsin bench backends``: what the matched-filter network costs on each execution provider of this machine.

Wall clock of one detector's call, triggers included: a hop of 1/16 s as live, and stretches as in a replay. A provider
that is not here is named with the reason, and left out.
"""

from __future__ import annotations

import time
from itertools import product
from typing import Any

import numpy as np

from pipelines.evaluate.filterbank_card import call_times_s, taps_of
from pipelines.show.machine import machine
from stream.errors import ProviderError
from stream.infer import open_model
from stream.infer.filterbank.stage import FilterBank, FilterBankStage
from stream.settings import InferSettings
from stream.simulate.psds import psd
from stream.timebase import HOPS_PER_S

_BACKENDS = (("cpu", False), ("cuda", False), ("tensorrt", False), ("tensorrt", True))


def backends(
    model: str = "carillon", hops: tuple[int, ...] = (1, 4, 16, 64), runs: int = 100, threads: int = 1
) -> dict[str, object]:
    """Measure every provider of this build of ONNX Runtime.

    Parameters
    ----------
    model : str
        Name or folder of a matched-filter network.
    hops : tuple of int
        Lengths of segments, in hops of 1/16 s.
    runs : int
        Calls of each.
    threads : int
        On the CPU.
    """
    rows: list[dict[str, Any]] = []
    for (provider, half), length in product(_BACKENDS, hops):
        row: dict[str, Any] = {"provider": provider, "precision": "fp16" if half else "fp32", "hops": length}
        settings = InferSettings.model_validate({"provider": provider, "half": half, "threads": threads})
        try:
            p50_ms, p99_ms = np.percentile(_calls_ms(model, settings, length, runs), (50, 99))
            row |= {"p50_ms": round(float(p50_ms), 3), "p99_ms": round(float(p99_ms), 3)}
            row["detector_seconds_per_s"] = round(length / HOPS_PER_S / (float(p50_ms) * 1e-3), 1)
        except ProviderError as error:
            row["why_not"] = str(error)
        rows.append(row)
    return {"model": open_model(model).label, "calls": runs, "grid": rows, "machine": machine()}


def _calls_ms(model: str, settings: InferSettings, hops: int, runs: int) -> list[float]:
    shared = FilterBank.of(open_model(model), settings)
    try:
        stage = FilterBankStage("H1", shared)
        return [1e3 * s for s in call_times_s(stage, taps_of(psd("aLIGO_O4")), hops, runs, time.perf_counter)]
    finally:
        shared.close()
