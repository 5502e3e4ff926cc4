"""A person decides: the decision onto its topic, and the alert that follows from it awaited."""

from __future__ import annotations

import time
import uuid
from typing import Literal

import structlog

from pipelines.live.truth import alerts_of
from stream.codec.avro import encode_decision
from stream.errors import ConfigurationError, DeadlineExceeded, PublishError, SchemaError
from stream.kafka.consumer import Message
from stream.kafka.producer import Producer
from stream.records import Decision
from stream.settings import Settings
from stream.superevent import PREFIXES, is_superevent_id
from stream.timebase import Clock, gps_ns_to_unix_ns

log = structlog.get_logger()
_LOOK_S = 0.3


def decide(
    settings: Settings, kind: Literal["retract", "confirm"], superevent_id: str, why: str, who: str, clock: Clock
) -> Decision:
    """Send a decision; it stands on the topic of decisions when this returns.

    Raises
    ------
    ConfigurationError
        If the id has not the form of one of this configuration, or a text cannot be sent.
    PublishError
        If there is nothing to decide: the event is not on the alert topic, or was withdrawn or confirmed before.
    TransportError
        If the topics cannot be read or written.
    """
    prefix = PREFIXES[settings.publish.kind]
    if not is_superevent_id(superevent_id) or superevent_id.rstrip("abcdefghijklmnopqrstuvwxyz")[:-6] != prefix:
        raise ConfigurationError(
            f"{superevent_id} is no superevent of publish.kind={settings.publish.kind}: "
            f"expected the form {prefix}261122a"
        )
    decision = Decision(str(uuid.uuid4()), superevent_id, kind, why, who, clock.now_ns())
    try:
        message = encode_decision(decision)
    except SchemaError as error:
        raise ConfigurationError(str(error)) from error
    _may_be(settings, decision)
    producer = Producer(settings.kafka)
    producer.send(settings.topics.decisions, superevent_id, message)
    producer.flush()
    producer.close()
    return decision


def _may_be(settings: Settings, decision: Decision) -> None:
    said = {sent.alert_type: sent.number for _, sent in alerts_of(settings, decision.superevent_id)}
    name = decision.superevent_id
    if not said:
        raise PublishError(f"superevent {name} is not on topic {settings.topics.alerts}: look at tocsin subscribe")
    if "RETRACTION" in said:
        raise PublishError(f"superevent {name} was withdrawn by its revision {said['RETRACTION']}, which is final")
    if decision.kind == "confirm" and "INITIAL" in said:
        raise PublishError(f"superevent {name} was confirmed by its revision {said['INITIAL']}")


def await_alert(settings: Settings, decision: Decision, wait_s: float) -> Message:
    """Return the alert of a decision once it stands on the alert topic.

    Raises
    ------
    DeadlineExceeded
        If no daemon carried it out in time.
    """
    end_s, made_ns = time.monotonic() + wait_s, gps_ns_to_unix_ns(decision.made_ns)
    while True:
        for message, sent in alerts_of(settings, decision.superevent_id, made_ns):
            if sent.decision_id == decision.decision_id:
                return message
        if time.monotonic() > end_s:
            raise DeadlineExceeded(
                f"no daemon has answered within {wait_s:g} s: the decision to {decision.kind} {decision.superevent_id} "
                f"stands on topic {settings.topics.decisions} and is carried out when a daemon runs; if one does, its "
                "log says why not (decision_refused)"
            )
        time.sleep(_LOOK_S)
