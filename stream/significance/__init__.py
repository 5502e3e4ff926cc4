"""Significance: from a peak's ranking statistic to its false-alarm rate.

Stands between ``detect`` and ``publish``. First form: a background measured with the network on simulated and slid
noise ships with the model, and the live slides of this run replace it as they accumulate.
"""

from stream.significance.background import BackgroundCounts, load_shipped
from stream.significance.far import Significance
from stream.significance.slides import LiveSlides

__all__ = ["BackgroundCounts", "LiveSlides", "Significance", "load_shipped"]
