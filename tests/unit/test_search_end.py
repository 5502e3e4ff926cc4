"""How a search ends: an archive's last data are searched as they are, a live stream's are heard again whole."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pipelines import search as module
from pipelines.networks import Stopwatch
from pipelines.offline.report import Report
from pipelines.search import Stages, one_by_one, search
from stream.align import Aligner
from stream.records import AlignedSpan, DataQuality, StrainBlock
from stream.settings import AlignSettings, StrainSettings
from stream.timebase import HOP_NS, HOPS_PER_S

T0 = 1_400_000_000 * HOPS_PER_S
QUALITY = np.full(1, DataQuality.all_good(), dtype=np.uint32)


@pytest.mark.parametrize("to_the_end", [True, False])
def test_what_waits_for_another_detector_is_searched_without_it_only_at_the_end_of_all_data(
    to_the_end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L1 is two hops behind when the source ends: a merger there would be sent as H1's alone."""
    blocks = [
        StrainBlock(detector, f"{detector}:X", (T0 + hop) * HOP_NS, 4096, np.zeros(256), QUALITY)
        for hop in range(32)
        for detector in ("H1", "L1")
        if detector == "H1" or hop < 30
    ]
    spans: list[AlignedSpan] = []

    def step(span: AlignedSpan, *_: Any) -> None:
        spans.append(span)

    monkeypatch.setattr(module, "step", step)
    stages = cast("Stages", SimpleNamespace(align=Aligner(AlignSettings(), StrainSettings()), watch=Stopwatch()))
    search(one_by_one(blocks), stages, Report(), to_the_end=to_the_end)
    alone = sum(int((h1.valid & ~l1.valid).sum()) for span in spans for h1, l1 in [span.segments])
    assert alone == (2 if to_the_end else 0)
    assert sum(span.n_hops for span in spans) == (32 if to_the_end else 30)
