"""Who we are at GCN and at SCiMMA, as Kafka settings.

Both give a reader credentials of its own, which stand in the environment under the names that their own clients and
pages use, and never in a settings file, a log or an error. SCiMMA's may also stand in the file of ``hop auth``.

Sources: gcn-kafka 0.3 (brokers, token endpoint), hop-client 0.13 (mechanism, ``auth.toml``, groups that begin with the
user's name).
"""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from stream.errors import ConfigurationError
from stream.settings import KafkaSettings

SCIMMA_HOST = "kafka.scimma.org"
_OTHERS_MAY = 0o7077
_LONGEST_FILE = 1 << 20


def gcn_kafka(domain: str, environ: Mapping[str, str]) -> KafkaSettings:
    """Return how to reach GCN; librdkafka fetches the token, and a new one before it ends.

    Raises
    ------
    ConfigurationError
        If the environment lacks the credentials.
    """
    client_id, secret = environ.get("GCN_CLIENT_ID"), environ.get("GCN_CLIENT_SECRET")
    if not client_id or not secret:
        raise ConfigurationError(
            f"source gcn needs credentials: set GCN_CLIENT_ID and GCN_CLIENT_SECRET, from {domain}/quickstart"
        )
    return KafkaSettings(
        bootstrap_servers=f"kafka.{domain}:9092",
        security_protocol="SASL_SSL",
        sasl_mechanism="OAUTHBEARER",
        oauth_token_url=f"https://auth.{domain}/oauth2/token",
        oauth_client_id=client_id,
        oauth_client_secret=SecretStr(secret),
        ssl_ca_location=authorities(),
    )


def scimma_kafka(environ: Mapping[str, str]) -> KafkaSettings:
    """Return how to reach SCiMMA.

    Raises
    ------
    ConfigurationError
        If neither the environment nor hop's file has the credentials, or others may read that file.
    """
    user, password = environ.get("HOP_USERNAME"), environ.get("HOP_PASSWORD")
    if not user or not password:
        user, password = _of_hop(environ)
    return KafkaSettings(
        bootstrap_servers=f"{SCIMMA_HOST}:9092",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username=user,
        sasl_password=SecretStr(password),
        ssl_ca_location=authorities(),
    )


def authorities() -> Path | None:
    """Return the system's certificate authorities; without one librdkafka searches."""
    found = ssl.get_default_verify_paths().cafile
    return None if found is None else Path(found)


def _of_hop(environ: Mapping[str, str]) -> tuple[str, str]:
    folder = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/")) / ".config")
    file = Path(folder) / "hop" / "auth.toml"
    if not file.is_file():
        raise ConfigurationError(
            "source scimma needs credentials: set HOP_USERNAME and HOP_PASSWORD, from my.hop.scimma.org, or keep them "
            f"with `hop auth add` ({file} is not there)"
        )
    if file.stat().st_mode & _OTHERS_MAY:
        raise ConfigurationError(f"{file} may be read by others: chmod 600 it, as hop asks too")
    for entry in _entries(file):
        user, password, host = (entry.get(key, "") for key in ("username", "password", "hostname"))
        ours = host == "" or host.partition(":")[0] == SCIMMA_HOST
        if user and password and ours and entry.get("mechanism", "SCRAM-SHA-512").upper() == "SCRAM-SHA-512":
            return user, password
    raise ConfigurationError(f"{file} has no credentials for {SCIMMA_HOST}: add them with `hop auth add`")


def _entries(file: Path) -> list[dict[str, str]]:
    """Return the tables of hop's file, their texts alone; nothing of it is quoted in an error, for it holds secrets."""
    try:
        if file.stat().st_size > _LONGEST_FILE:
            raise ConfigurationError(f"{file} is too long for credentials")
        found: Any = tomllib.loads(file.read_text()).get("auth")
    except (OSError, ValueError, RecursionError):
        raise ConfigurationError(f"{file} cannot be read as TOML: make it anew with `hop auth add`") from None
    tables = found if isinstance(found, list) else [found]
    return [{k: v for k, v in table.items() if isinstance(v, str)} for table in tables if isinstance(table, dict)]
