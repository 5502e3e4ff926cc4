"""Significance: from a peak's ranking statistic to its false-alarm rate.

Stands between ``detect`` and ``superevent``. A background measured with the network on simulated and slid noise ships
with the model; the slides of this run join it as they accumulate; the larger rate counts.
"""

from stream.significance.background import BackgroundCounts
from stream.significance.classes import BackgroundClass, class_of
from stream.significance.far import Significance
from stream.significance.foreground import Foreground, load_foreground
from stream.significance.live_triggers import TriggerSlides
from stream.significance.rate import Rate
from stream.significance.rolling import RollingCounts
from stream.significance.shipped import Curve, Shipped, load_shipped, set_name
from stream.significance.slides import LiveSlides, SignalReach

__all__ = [
    "BackgroundClass",
    "BackgroundCounts",
    "Curve",
    "Foreground",
    "LiveSlides",
    "Rate",
    "RollingCounts",
    "Shipped",
    "SignalReach",
    "Significance",
    "TriggerSlides",
    "class_of",
    "load_foreground",
    "load_shipped",
    "set_name",
]
