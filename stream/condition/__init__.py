"""Condition: decimation, rolling PSD and minimum-phase whitening, all causal.

Stands between ``denoise`` and ``infer``. Latency: see :data:`stream.condition.conditioner.LATENCY_S`.
"""

from stream.condition.conditioner import LATENCY_S, Conditioner, ConditionerState
from stream.condition.psd import RollingMedianPsd

__all__ = ["LATENCY_S", "Conditioner", "ConditionerState", "RollingMedianPsd"]
