"""Publish: the outbox, where an alert stands on disk until Kafka has it.

Stands at the end of the events' loop. This room knows no Kafka: ``pipelines/live/publisher.py`` joins it to the broker;
what an alert is made of is in :mod:`stream.codec.alert`.
"""

from stream.publish.outbox import Outbox

__all__ = ["Outbox"]
