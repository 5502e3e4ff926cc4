"""librdkafka configuration from :class:`stream.settings.KafkaSettings`.

Settings that matter for latency, and why:

* ``fetch.wait.max.ms`` 10: how long a broker waits for ``fetch.min.bytes``; the default 500 is half of our budget on
  a broker that does not wake a waiting fetch (the embedded one).
* ``fetch.queue.backoff.ms`` 5: how long a full local queue stops fetching; the default 1000 turns every overrun
  into a second.
* ``linger.ms`` 0: a block is sent when it is there.
* ``message.max.bytes`` 8 MiB: an alert with its sky map is one message.

Settings that matter when a broker is lost. The controller calls a silent broker dead after 9 s
(``broker.session.timeout.ms``) and gives its work to others; whatever a client waits beyond that is our own fault.

* ``socket.timeout.ms`` 5 s: a broker that hangs keeps its connections open, so that only a request without an answer
  shows it. Shorter than those 9 s, so that the connection is given up, and brokers that live are asked, before the
  work moves; longer than 8 MiB take at 20 Mbit/s. A fetch has ``fetch.wait.max.ms`` more. A request that was only
  slow is sent again; idempotence keeps it single.
* ``socket.connection.setup.timeout.ms`` 2.5 s: the kernel of a hung broker still accepts connections; its silence in
  the handshake is ended by this (30 s by default). A transaction waits so long once its coordinator has moved (12.2 s
  with 5 s here, 9 to 11 s with 2.5); TLS and SASL across an ocean take one second.
* ``request.timeout.ms`` 4 s: how long a leader waits for copies before it says so. Below the socket's time-out, for
  an answer is better than a broken connection while one copy hangs and its leader is well.
* ``topic.metadata.refresh.interval.ms`` 1 s, ``coordinator.query.interval.ms`` 1 s: a leader or coordinator that
  moved is found even while the old one still holds a request. Both are answered from a broker's memory.
* ``session.timeout.ms`` 60 s (``kafka.session_timeout_s``) for a member with a fixed name (``group.instance.id``): a
  lost group coordinator takes 10 to 13 s to be replaced, in which no heartbeat is answered; a shorter session ends
  there, and the partitions are given back and asked for anew. A long one costs nothing: the name gets its partitions
  back at once after a restart. A member without a name must be missed before another gets its partitions: 20 s.
* back-offs of at most 1 s: what comes back is used at once.
"""

from __future__ import annotations

from typing import Any

from stream.errors import ConfigurationError
from stream.settings import KafkaSettings

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_NAMELESS_SESSION_S = 20.0


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
        "reconnect.backoff.max.ms": 1000,
        "retry.backoff.ms": 50,
        "retry.backoff.max.ms": 1000,
        "socket.timeout.ms": 5000,
        "socket.connection.setup.timeout.ms": 2500,
        "topic.metadata.refresh.interval.ms": 1000,
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
    if settings.ssl_ca_location is not None:
        config["https.ca.location"] = str(settings.ssl_ca_location)
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
        "request.timeout.ms": 4000,
    }


def consumer(settings: KafkaSettings, group_id: str | None = None, instance_id: str | None = None) -> dict[str, Any]:
    """Return the configuration of a consumer that stores offsets itself; ``instance_id`` is its fixed name."""
    static = {"group.instance.id": instance_id} if instance_id is not None else {}
    session_s = settings.session_timeout_s if static else min(settings.session_timeout_s, _NAMELESS_SESSION_S)
    tuned = {
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
        "coordinator.query.interval.ms": 1000,
        "heartbeat.interval.ms": min(2000, round(session_s * 250)),
        "session.timeout.ms": round(session_s * 1000),
        "max.poll.interval.ms": max(300_000, round(session_s * 1000)),
    }
    return common(settings) | static | tuned
