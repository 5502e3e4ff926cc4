"""Detect: the coincidence head on embeddings, the ranking statistic, and its peaks.

Stands between ``infer`` and ``significance``.
"""

from stream.detect.head import Head, HeadStage, Ranked
from stream.detect.peaks import PeakFinder

__all__ = ["Head", "HeadStage", "PeakFinder", "Ranked"]
