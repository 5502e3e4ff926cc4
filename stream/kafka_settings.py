"""Settings of the way in and out: how to reach Kafka, and what the topics are called. Read :mod:`stream.settings`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from stream.masking import SecretUrl


class Section(BaseModel):
    """What every section obeys: no unknown keys, no change, no value shown in an error."""

    # Pydantic's own text would show the value that is wrong, which may be a secret in the wrong place.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class KafkaSettings(Section):
    """How to reach Kafka."""

    bootstrap_servers: str = Field("localhost:9092", description="Comma-separated host:port of the brokers.")
    group_id: str = Field("tocsin", description="Consumer group of the daemon.")
    group_instance_id: str = Field(
        "daemon",
        min_length=1,
        max_length=249,
        description="The daemon's fixed name in its group: one that comes back gets its partitions at once; the "
        "younger of two with the same name ends the older.",
    )
    session_timeout_s: float = Field(
        60.0,
        ge=1,
        le=1800,
        description="How long the daemon keeps its partitions while no coordinator of its group answers: longer than "
        "the brokers need to replace a lost one (10 to 13 s).",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Transport security."
    )
    ssl_ca_location: Path | None = Field(None, description="File with the certificate authorities to trust.")
    ssl_certificate_location: Path | None = Field(None, description="Client certificate (mutual TLS).")
    ssl_key_location: Path | None = Field(None, description="Key of the client certificate.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        None, description="SASL mechanism; OAUTHBEARER is GCN's, SCRAM-SHA-512 SCiMMA's."
    )
    sasl_username: str | None = Field(None, description="User name for PLAIN and SCRAM.")
    sasl_password: SecretStr | None = Field(None, description="Password for PLAIN and SCRAM.")
    oauth_token_url: str | None = Field(None, description="OIDC token endpoint for OAUTHBEARER.")
    oauth_client_id: str | None = Field(None, description="OIDC client id for OAUTHBEARER.")
    oauth_client_secret: SecretStr | None = Field(None, description="OIDC client secret for OAUTHBEARER.")
    oauth_scope: str | None = Field(None, description="OIDC scope for OAUTHBEARER, where the server wants one.")
    schema_registry_url: SecretUrl | None = Field(
        None,
        description="Confluent Schema Registry; when set, messages carry its framing. Credentials in it are masked.",
    )
    operation_timeout_s: float = Field(30.0, gt=0, description="Deadline of one operation: flush, commit, look-up.")

    @field_validator("bootstrap_servers", "oauth_token_url")
    @classmethod
    def _no_credentials(cls, value: str | None) -> str | None:
        if value is not None and "@" in value:
            raise ValueError("credentials do not belong here: there are settings of their own for them")
        return value

    @field_validator("schema_registry_url")
    @classmethod
    def _is_url(cls, value: SecretUrl | None) -> SecretUrl | None:
        if value is not None and re.match(r"https?://[^/\s]", value.get_secret_value()) is None:
            raise ValueError("write a URL that begins with http:// or https://")
        return value


class TopicSettings(Section):
    """Names of the topics. The defaults are local and marked as test; public sending is opt-in."""

    strain_prefix: str = Field("strain.", description="Strain of detector D arrives on <prefix>D.")
    witness_prefix: str = Field("witness.", description="Witness channels of detector D arrive on <prefix>D.")
    external: str = Field("external.events", description="Normalised events of other messengers.")
    alerts: str = Field("alerts.gw", description="Alerts: Avro object container, one record.")
    alerts_json: str = Field("alerts.gw.json", description="The same alerts as GCN-style JSON.")
    decisions: str = Field("events.decisions", description="What people decided: alerts to withdraw or confirm.")
    heartbeat: str = Field("status.heartbeat", description="One heartbeat per second of each daemon.")
    replication: int | None = Field(
        None, ge=1, le=32, description="Copies of each topic; by default 3, or as many as there are brokers if fewer."
    )
    min_insync_replicas: int | None = Field(
        None,
        ge=1,
        le=32,
        description="Copies that must have a message before it counts as written; by default 2 where there are 3 or "
        "more, so that losing one broker stops and loses nothing, and 1 otherwise.",
    )
