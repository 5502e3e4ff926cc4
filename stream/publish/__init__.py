"""Publish: superevent ids, the alert as the community reads it, and the outbox that survives a crash.

Stands at the end of the search. This room knows no Kafka: ``pipelines/live/publisher.py`` joins it to the broker.
"""

from stream.publish.alert import Outgoing, make_alert
from stream.publish.outbox import Outbox
from stream.publish.superevent import SupereventRegistry

__all__ = ["Outbox", "Outgoing", "SupereventRegistry", "make_alert"]
