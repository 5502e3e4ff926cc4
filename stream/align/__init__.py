"""Align: blocks of several detectors, in any order, onto one contiguous timeline with its gaps marked.

Stands between ``codec`` and ``denoise``. Latency: none of its own for data that came; see
:mod:`stream.align.aligner` for how long it waits for whom.
"""

from stream.align.aligner import Aligner
from stream.align.reasons import merge_masked
from stream.align.stats import AlignStats, DetectorStats

__all__ = ["AlignStats", "Aligner", "DetectorStats", "merge_masked"]
