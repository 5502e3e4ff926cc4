"""What the aligner knows of a hop, as one byte, and its name.

``EMPTY``: nothing came yet. ``VALID``: good. Anything else: why the hop is not valid. The upper half of the
codes are vetoes: ``VETO + failed``, where ``failed`` are the required data-quality bits that are not set.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stream.records import DataQuality, Masked
from stream.timebase import HOP_NS

EMPTY = 0
VALID = 1
NOT_FINITE = 2
WRONG_RATE = 3
RATE_CHANGED = 4
MISSING = 5
ABSENT = 6
NOT_HEARD = 7
IMPLAUSIBLE = 8
VETO = 128

_NAMES = {
    NOT_FINITE: "not finite",
    WRONG_RATE: "wrong rate",
    RATE_CHANGED: "rate changed",
    MISSING: "missing",
    ABSENT: "absent",
    NOT_HEARD: "not heard yet",
    IMPLAUSIBLE: "implausible",
}
LATE = "late"
SKIPPED = "skipped"

Codes = NDArray[np.uint8]


def reason_name(code: int) -> str:
    """Return the words for a code, for example ``veto CBC_CAT2|CBC_CAT3``."""
    return f"veto {DataQuality(code - VETO).name}" if code > VETO else _NAMES[code]


def masked_runs(detector: str, start_hop: int, codes: Codes) -> list[Masked]:
    """Return one :class:`Masked` for each run of equal invalid codes; ``codes`` has shape (n_hops,)."""
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    return [
        Masked(detector, (start_hop + lo) * HOP_NS, (start_hop + hi) * HOP_NS, reason_name(int(codes[lo])))
        for lo, hi in itertools.pairwise(edges)
        if codes[lo] != VALID
    ]


def merge_masked(masked: Iterable[Masked]) -> list[Masked]:
    """Join stretches of one detector and reason that touch or overlap, in order of detector and time."""
    merged: list[Masked] = []
    for item in sorted(masked, key=lambda m: (m.detector, m.reason, m.gps_ns)):
        last = merged[-1] if merged else None
        if last and (last.detector, last.reason) == (item.detector, item.reason) and item.gps_ns <= last.end_ns:
            merged[-1] = Masked(last.detector, last.gps_ns, max(last.end_ns, item.end_ns), last.reason)
        else:
            merged.append(item)
    return sorted(merged, key=lambda m: (m.detector, m.gps_ns, m.end_ns))
