"""A curve of background as ``background.json`` keeps it: few numbers that never say too few events."""

from __future__ import annotations

from typing import Any

import numpy as np

from stream.types import FloatArray

_EXACT = 400
_STEP = 1.03


def curve(events: FloatArray, duration_s: float, complete_above: float = -np.inf) -> dict[str, Any]:
    """Return a curve's entries: the loudest events each, then ranks ever further apart.

    Statistics are rounded up and ranks to the larger, so that a rate errs upward.
    """
    loud = np.sort(events[events >= complete_above])[::-1]
    ranks, rank = list(range(1, min(_EXACT, len(loud)) + 1)), _EXACT
    while rank < len(loud):
        rank = min(max(rank + 1, int(rank * _STEP)), len(loud))
        ranks.append(rank)
    kept: dict[float, int] = {}
    for rank in ranks:
        kept[float(np.ceil(loud[rank - 1] * 1e4) / 1e4)] = rank
    entries = sorted(kept.items())
    return {
        "duration_s": round(duration_s, 1),
        "statistics": [statistic for statistic, _ in entries],
        "counts": [count for _, count in entries],
    }
