"""A broker that refuses who one is: told where only a person can mend it, passed over where it mends itself."""

from __future__ import annotations

import confluent_kafka
import pytest
from confluent_kafka import KafkaError

from stream.errors import TransportError
from stream.kafka.consumer import Consumer, Foreign
from stream.settings import KafkaSettings

TOKENS = KafkaSettings.model_validate(
    {
        "security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER", "oauth_token_url": "https://issuer.invalid/t",
        "oauth_client_id": "reader", "oauth_client_secret": "hunter2",
    }
)  # fmt: skip
PASSWORD = KafkaSettings.model_validate(
    {
        "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "jo",
        "sasl_password": "hunter3",
    }
)  # fmt: skip
FOREIGN = Foreign(lambda topic, why: None, {})


class Said:
    """What librdkafka hands out in place of a message."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code)

    def error(self) -> KafkaError:
        return self._error

    def topic(self) -> None: ...


class Answering:
    def __init__(self, code: int) -> None:
        self._code = code

    def subscribe(self, topics: list[str], **_: object) -> None: ...

    def poll(self, timeout_s: float) -> Said:
        return Said(self._code)

    def consume(self, most: int, timeout_s: float) -> list[Said]:
        return []


def consumer(
    monkeypatch: pytest.MonkeyPatch, code: int, settings: KafkaSettings, foreign: Foreign | None = None
) -> Consumer:
    monkeypatch.setattr(confluent_kafka, "Consumer", lambda config: Answering(code))
    return Consumer(settings, ["alerts"], foreign=foreign)


@pytest.mark.parametrize(("settings", "foreign"), [(TOKENS, FOREIGN), (PASSWORD, FOREIGN), (TOKENS, None)])
def test_a_token_that_ended_in_mid_handshake_ends_no_reader(
    monkeypatch: pytest.MonkeyPatch, settings: KafkaSettings, foreign: Foreign | None
) -> None:
    """The group's coordinator is asked with what the connection was refused with; the next connection has a new one."""
    reader = consumer(monkeypatch, KafkaError._AUTHENTICATION, settings, foreign)
    assert reader.poll_batch(0.0) == []
    assert reader.errors == 1


@pytest.mark.parametrize(
    ("code", "settings", "foreign"),
    [
        (KafkaError._AUTHENTICATION, PASSWORD, None),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, TOKENS, None),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, TOKENS, FOREIGN),
    ],
)
def test_what_only_a_person_can_mend_is_raised(
    monkeypatch: pytest.MonkeyPatch, code: int, settings: KafkaSettings, foreign: Foreign | None
) -> None:
    reader = consumer(monkeypatch, code, settings, foreign)
    with pytest.raises(TransportError, match=r"reading the group: .*credentials"):
        reader.poll_batch(0.0)
