"""Tocsin's library: one room per stage of the pipeline, from bytes on Kafka to alerts on Kafka.

The rooms, in the order in which data flows through them: ``codec``, ``align``, ``denoise``, ``condition``,
``infer``, ``detect``, ``significance``, ``publish``; ``kafka`` is the edge to the outside, and ``simulate``
makes synthetic detectors. What passes between them is defined in :mod:`stream.records`.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tocsin")
except PackageNotFoundError:  # a checkout on PYTHONPATH that was never installed
    __version__ = "0+unknown"
