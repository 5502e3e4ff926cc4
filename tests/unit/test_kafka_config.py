"""Security of the Kafka clients by configuration: what librdkafka is told, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from stream.errors import ConfigurationError
from stream.kafka import config
from stream.settings import KafkaSettings


def test_latency_and_safety_settings_reach_the_clients() -> None:
    producer, consumer = config.producer(KafkaSettings()), config.consumer(KafkaSettings())
    assert producer["enable.idempotence"] is True
    assert (producer["compression.type"], producer["linger.ms"]) == ("zstd", 0)
    assert consumer["enable.auto.offset.store"] is False
    assert consumer["partition.assignment.strategy"] == "cooperative-sticky"
    assert consumer["isolation.level"] == "read_committed"
    assert consumer["fetch.wait.max.ms"] <= 10
    assert consumer["fetch.queue.backoff.ms"] <= 10


def test_a_lost_broker_is_given_up_before_its_work_moves() -> None:
    """The controller moves it after 9 s; a member with a name outlasts that, and the controller's own loss."""
    producer = config.producer(KafkaSettings())
    daemon = config.consumer(KafkaSettings(), instance_id="daemon")
    for client in (producer, daemon):
        assert client["socket.timeout.ms"] < 9000
        assert client["socket.connection.setup.timeout.ms"] < 3000
        assert client["topic.metadata.refresh.interval.ms"] <= 1000
        assert max(client["retry.backoff.max.ms"], client["reconnect.backoff.max.ms"]) <= 1000
    assert producer["request.timeout.ms"] < producer["socket.timeout.ms"]
    assert daemon["group.instance.id"] == "daemon"
    assert daemon["coordinator.query.interval.ms"] <= 1000
    assert daemon["session.timeout.ms"] > 2 * 13_000
    assert 3 * daemon["heartbeat.interval.ms"] <= daemon["session.timeout.ms"] <= daemon["max.poll.interval.ms"]


def test_a_member_without_a_name_is_missed_sooner() -> None:
    nameless, short = config.consumer(KafkaSettings()), config.consumer(KafkaSettings(session_timeout_s=3))
    assert "group.instance.id" not in nameless
    assert (nameless["session.timeout.ms"], short["session.timeout.ms"]) == (20_000, 3000)
    assert 3 * short["heartbeat.interval.ms"] <= short["session.timeout.ms"]


def test_scram_over_tls(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    made = config.common(
        KafkaSettings(
            security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", sasl_username="me",
            sasl_password=SecretStr("hush"), ssl_ca_location=authority,
        )
    )  # fmt: skip
    assert made["security.protocol"] == "SASL_SSL"
    assert made["sasl.mechanisms"] == "SCRAM-SHA-512"
    assert (made["sasl.username"], made["sasl.password"]) == ("me", "hush")
    assert made["ssl.ca.location"] == str(authority)


def test_oauthbearer_as_gcn_needs_it() -> None:
    made = config.common(
        KafkaSettings(
            security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", oauth_client_id="id",
            oauth_client_secret=SecretStr("hush"), oauth_token_url="https://auth.example/oauth2/token",
        )
    )  # fmt: skip
    assert made["sasl.oauthbearer.method"] == "oidc"
    assert made["sasl.oauthbearer.client.secret"] == "hush"
    assert made["sasl.oauthbearer.token.endpoint.url"] == "https://auth.example/oauth2/token"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (KafkaSettings(security_protocol="SASL_SSL"), "sasl_mechanism"),
        (KafkaSettings(sasl_mechanism="PLAIN"), "contradict"),
        (KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="me"), "sasl_password"),
        (KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER"), "oauth_token_url"),
        (KafkaSettings(ssl_ca_location=Path("none.pem")), r"none\.pem"),
    ],
)
def test_half_a_configuration_is_refused_by_name(settings: KafkaSettings, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        config.common(settings)


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(KafkaSettings(sasl_password=SecretStr("hush")))
