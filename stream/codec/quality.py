"""Data-quality words, one per hop, of the series that sites and archives send.

Sources: GWOSC's ``simple`` mask at 1 Hz; a site's state vector, as ``GDS-CALIB_STATE_VECTOR`` or
``DQ_ANALYSIS_STATE_VECTOR``, at 16 Hz or more, whose bit 0 says that the strain is good and bit 1
that the detector observes.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from stream.records import DataQuality
from stream.timebase import HOPS_PER_S
from stream.types import UIntArray

_STATE_STRAIN_OK = 1
_STATE_OBSERVING = 2


def words_per_hop(words: UIntArray, rate_hz: Fraction, hops: int) -> UIntArray | None:
    """Return one word per hop of a series at 1 … 16 Hz or a multiple of 16 Hz; None where it is too short.

    Of several words in one hop only the bits that all of them have remain.
    """
    if rate_hz < 1:
        return None
    if rate_hz <= HOPS_PER_S:
        repeat = HOPS_PER_S / rate_hz
        expanded = np.repeat(words, int(repeat)) if repeat.denominator == 1 else words[:0]
    else:
        per_hop = rate_hz / HOPS_PER_S
        whole = len(words) // int(per_hop) * int(per_hop) if per_hop.denominator == 1 else 0
        expanded = np.bitwise_and.reduce(words[:whole].reshape(-1, int(per_hop)), axis=1)
    return expanded[:hops].astype(np.uint32) if len(expanded) >= hops else None


def quality_of_state(state: UIntArray) -> UIntArray:
    """Return data-quality words of a state vector: DATA where the strain is good, every bit where it also observes."""
    good = (state & _STATE_STRAIN_OK) != 0
    observing = good & ((state & _STATE_OBSERVING) != 0)
    words = np.where(good, np.uint32(DataQuality.DATA), np.uint32(0))
    return np.where(observing, np.uint32(DataQuality.all_good()), words).astype(np.uint32)
