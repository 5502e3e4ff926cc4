"""librdkafka configuration from :class:`stream.settings.KafkaSettings`.

Settings that matter for latency, and why:

* ``fetch.wait.max.ms`` 10: how long a broker waits for ``fetch.min.bytes``; the default 500 is half of our budget on
  a broker that does not wake a waiting fetch (the embedded one).
* ``fetch.queue.backoff.ms`` 5: how long a full local queue stops fetching; the default 1000 turns every overrun
  into a second.
* ``linger.ms`` 0: a block is sent when it is there.
* ``message.max.bytes`` 8 MiB: an alert with its sky map is one message.
"""

from __future__ import annotations

from typing import Any

from stream.errors import ConfigurationError
from stream.settings import KafkaSettings

MAX_MESSAGE_BYTES = 8 * 1024 * 1024


def common(settings: KafkaSettings) -> dict[str, Any]:
    """Return what every client needs: brokers and security.

    Raises
    ------
    ConfigurationError
        If the security settings contradict each other or name a file that is not there.
    """
    _check(settings)
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "client.id": "tocsin",
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 2000,
        "socket.nagle.disable": True,
        # Errors reach our own log through error_cb; librdkafka's lines on stderr would repeat them many times.
        "log_level": 2,
    }
    files = {
        "ssl.ca.location": settings.ssl_ca_location,
        "ssl.certificate.location": settings.ssl_certificate_location,
        "ssl.key.location": settings.ssl_key_location,
    }
    config |= {key: str(path) for key, path in files.items() if path is not None}
    if settings.sasl_mechanism is not None:
        config["sasl.mechanisms"] = settings.sasl_mechanism
        config |= _credentials(settings)
    return config


def _credentials(settings: KafkaSettings) -> dict[str, Any]:
    if settings.sasl_mechanism != "OAUTHBEARER":
        assert settings.sasl_password is not None
        return {"sasl.username": settings.sasl_username, "sasl.password": settings.sasl_password.get_secret_value()}
    assert settings.oauth_client_secret is not None
    config = {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": settings.oauth_token_url,
        "sasl.oauthbearer.client.id": settings.oauth_client_id,
        "sasl.oauthbearer.client.secret": settings.oauth_client_secret.get_secret_value(),
    }
    return config | ({"sasl.oauthbearer.scope": settings.oauth_scope} if settings.oauth_scope else {})


def _check(settings: KafkaSettings) -> None:
    wants_sasl = settings.security_protocol.startswith("SASL")
    if wants_sasl != (settings.sasl_mechanism is not None):
        raise ConfigurationError(
            f"kafka.security_protocol={settings.security_protocol} and kafka.sasl_mechanism={settings.sasl_mechanism} "
            "contradict each other: set both for SASL, or neither"
        )
    for path in (settings.ssl_ca_location, settings.ssl_certificate_location, settings.ssl_key_location):
        if path is not None and not path.is_file():
            raise ConfigurationError(f"kafka: file {path} is not there: give the path of a PEM file")
    if settings.sasl_mechanism == "OAUTHBEARER":
        needed = {
            "kafka.oauth_token_url": settings.oauth_token_url,
            "kafka.oauth_client_id": settings.oauth_client_id,
            "kafka.oauth_client_secret": settings.oauth_client_secret,
        }
    elif wants_sasl:
        needed = {"kafka.sasl_username": settings.sasl_username, "kafka.sasl_password": settings.sasl_password}
    else:
        return
    missing = [key for key, value in needed.items() if not value]
    if missing:
        raise ConfigurationError(f"kafka.sasl_mechanism={settings.sasl_mechanism} needs {', '.join(missing)}")


def producer(settings: KafkaSettings) -> dict[str, Any]:
    """Return the configuration of an idempotent producer."""
    return common(settings) | {
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 0,
        "compression.type": "zstd",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "queue.buffering.max.messages": 20_000,
        "queue.buffering.max.kbytes": 262_144,
        "message.timeout.ms": 300_000,
    }


def consumer(settings: KafkaSettings, group_id: str | None = None) -> dict[str, Any]:
    """Return the configuration of a consumer that stores offsets itself."""
    return common(settings) | {
        "group.id": group_id or settings.group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "latest",
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "cooperative-sticky",
        "fetch.wait.max.ms": 10,
        "fetch.queue.backoff.ms": 5,
        "fetch.error.backoff.ms": 50,
        "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
        "fetch.max.bytes": 8 * MAX_MESSAGE_BYTES,
        "receive.message.max.bytes": 8 * MAX_MESSAGE_BYTES + 1024,
        "queued.min.messages": 2000,
        "allow.auto.create.topics": False,
        "topic.metadata.refresh.interval.ms": 5000,
        "session.timeout.ms": 10_000,
    }
