"""Denoise: subtract from strain what a detector's witness channels predict, and say when nothing is subtracted.

Stands between ``align`` and ``condition``. Latency: none; see :mod:`stream.denoise.wiener`.
"""

from stream.denoise.kept import EngineState, SpectraState
from stream.denoise.wiener import LATENCY_S, DenoiseState, WitnessRegression

__all__ = ["LATENCY_S", "DenoiseState", "EngineState", "SpectraState", "WitnessRegression"]
