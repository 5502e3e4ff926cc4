"""Confluent Schema Registry framing, on both sides, when a registry URL is set.

A framed message is a zero byte, the schema's id in the registry (big-endian, 4 bytes), the record. Framing is put
around and taken off the single objects of :mod:`stream.codec.single_object`, so that nothing else knows of it.
Alerts are object containers, carry their schema themselves, and are never framed.

A reader waits for a registry no longer than ``LOOK_UP_S``, and then does not ask again for ``PAUSE_S``: a live search
cannot stand still for one block's schema. What the registry answers is read like any stranger's schema.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import OAuthTokenError, SchemaRegistryError

import schemas
from stream.codec import single_object
from stream.codec.limits import check_size
from stream.codec.writer_schema import WriterSchema, writer_schema
from stream.errors import CodecError, ConfigurationError, SchemaError, TransportError
from stream.masking import mask_urls
from stream.settings import KafkaSettings

_FRAME = struct.Struct(">bI")
LOOK_UP_S = 2.0
"""Longest wait for an answer about an id that is new."""
PAUSE_S = 5.0
"""How long a registry that did not answer, or does not know an id, is not asked again."""
_MAX_WRITERS = 1024
_MAX_UNKNOWN = 16
_NOT_THERE = (404, 422)
# What the client raises on an answer that is none of a registry's, beside errors of the connection.
_NO_ANSWER = (httpx2.HTTPError, OSError, ValueError, TypeError, LookupError, AttributeError, OAuthTokenError)


def schema_registry(settings: KafkaSettings) -> SchemaRegistry | None:
    """Return the registry that the configuration names, or None."""
    if settings.schema_registry_url is None:
        return None
    return SchemaRegistry(settings.schema_registry_url.get_secret_value(), timeout_s=settings.operation_timeout_s)


class SchemaRegistry:
    """A Schema Registry, asked once per schema.

    Parameters
    ----------
    url : str
        Base URL; several, separated by commas, are tried in turn. Credentials may stand in it.
    timeout_s : float
        Longest wait for one answer, when a schema is registered.
    monotonic : callable
        Seconds that only count up.
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        try:
            self._url = httpx2.URL(url.split(",", maxsplit=1)[0]).host
            self._client = SchemaRegistryClient({"url": url, "timeout": timeout_s, "max.retries": 2})
            look_up_s = min(timeout_s, LOOK_UP_S)
            self._readers_client = SchemaRegistryClient({"url": url, "timeout": look_up_s, "max.retries": 0})
        except (ValueError, httpx2.InvalidURL):  # not chained and not quoted: credentials may stand in the URL
            raise ConfigurationError("kafka.schema_registry_url is no URL: write http(s)://host:port") from None
        self._monotonic = monotonic
        self._writers: dict[int, WriterSchema] = {}
        self._unknown: dict[int, tuple[float, str]] = {}
        self._away_until_s = 0.0
        self._ids: dict[tuple[str, bytes], int] = {}

    def frame(self, topic: str, message: bytes) -> bytes:
        """Return a single object as a framed message for ``topic``; its schema is registered as ``<topic>-value``.

        Raises
        ------
        CodecError
            If the message is no single object of ours.
        SchemaError
            If the registry refuses the schema, for example as incompatible with what the subject holds.
        TransportError
            If the registry does not answer.
        """
        if message[:2] != single_object.MARKER:
            raise CodecError("only single objects are framed: encode the record first")
        mark = message[2 : single_object.HEADER_SIZE]
        if (topic, mark) not in self._ids:
            self._ids[topic, mark] = self._register(f"{topic}-value", mark)
        return _FRAME.pack(0, self._ids[topic, mark]) + message[single_object.HEADER_SIZE :]

    def unframe(self, name: str, payload: bytes) -> bytes:
        """Return a framed message as a single object of schema ``name``; a single object passes as it is.

        A version that only the registry knows is resolved to our newest one, as Avro's rules allow.

        Raises
        ------
        CodecError
            If the payload is neither, or its record is damaged.
        SchemaError
            If the registry does not know the id, or knows it as another schema.
        TransportError
            If the registry does not answer within ``LOOK_UP_S``; at once while it is not asked again.
        """
        check_size(name, payload)
        if payload[:2] == single_object.MARKER:
            return payload
        if len(payload) < _FRAME.size or payload[0] != single_object.REGISTRY_MAGIC:
            raise CodecError(
                f"{len(payload)} bytes that start with {payload[:4].hex() or 'nothing'}: expected Schema Registry "
                f"framing; set kafka.schema_registry_url at the producer too"
            )
        schema_id = _FRAME.unpack_from(payload)[1]
        writer, body = self._writer(schema_id), payload[_FRAME.size :]
        if writer.mark in single_object.known_fingerprints():
            return single_object.MARKER + writer.mark + body
        return self._resolve(name, schema_id, body)

    def subjects(self) -> list[str]:
        """Return the registry's subjects.

        Raises
        ------
        TransportError
            If the registry does not answer.
        """
        try:
            return list(self._client.get_subjects())
        except (SchemaRegistryError, httpx2.HTTPError, OSError, ValueError) as error:
            raise self._away(error) from error

    def _resolve(self, name: str, schema_id: int, body: bytes) -> bytes:
        writer, ours = self._writer(schema_id), schemas.load(name)
        if writer.name != ours["name"]:
            raise SchemaError(f"schema {schema_id} of the registry is {writer.name!r}: expected {ours['name']!r}")
        return single_object.encode(name, single_object.read_body(name, writer, body))

    def _register(self, subject: str, mark: bytes) -> int:
        found = single_object.known_fingerprints().get(mark)
        if found is None:
            raise CodecError(f"unknown schema fingerprint {mark.hex()}: only schemas of this package are registered")
        try:
            return int(self._client.register_schema(subject, Schema(schemas.source(*found), "AVRO")))
        except SchemaRegistryError as error:
            raise SchemaError(
                f"registry {self._url} refuses schema {found[0]} {found[1]} for {subject} ({error.error_message}): "
                f"look at the subject's compatibility mode, or use another topic"
            ) from error
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise self._away(error) from error

    def _writer(self, schema_id: int) -> WriterSchema:
        """Return a schema, asked for once; what went wrong a moment ago goes wrong at once."""
        if schema_id in self._writers:
            return self._writers[schema_id]
        now_s = self._monotonic()
        if now_s < self._away_until_s:
            raise TransportError(f"registry {self._url} is away: not asked for schema {schema_id}")
        self._unknown = {known: entry for known, entry in self._unknown.items() if now_s < entry[0]}
        if schema_id in self._unknown:
            raise SchemaError(self._unknown[schema_id][1])
        if len(self._unknown) >= _MAX_UNKNOWN:
            raise SchemaError(f"{_MAX_UNKNOWN} unknown schema ids in {PAUSE_S:g} s: not asked for schema {schema_id}")
        try:
            writer = self._fetch(schema_id)
        except SchemaError as error:
            self._unknown[schema_id] = (self._monotonic() + PAUSE_S, str(error))
            raise
        except TransportError:
            self._away_until_s = self._monotonic() + PAUSE_S
            raise
        if len(self._writers) >= _MAX_WRITERS:
            del self._writers[next(iter(self._writers))]
        self._writers[schema_id] = writer
        return writer

    def _fetch(self, schema_id: int) -> WriterSchema:
        try:
            text = self._readers_client.get_schema(schema_id).schema_str
        except SchemaRegistryError as error:
            if error.http_status_code not in _NOT_THERE:
                raise self._away(error) from error
            raise SchemaError(
                f"registry {self._url} has no schema {schema_id} ({error.error_message}): "
                f"is the producer's registry another one?"
            ) from error
        except _NO_ANSWER as error:
            raise self._away(error) from error
        try:
            return writer_schema(str(text or "").encode())
        except SchemaError as error:
            raise SchemaError(f"schema {schema_id} of registry {self._url}: {error}") from error

    def _away(self, error: Exception) -> TransportError:
        return TransportError(
            f"registry {self._url} does not answer ({mask_urls(repr(error))}): check kafka.schema_registry_url"
        )
