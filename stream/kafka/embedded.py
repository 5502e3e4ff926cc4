"""A broker inside the process: librdkafka's mock cluster, spoken to over real sockets on the loopback.

For ``tocsin demo``, ``bench`` and fast tests; no Java, no installation. Its limits: a partition keeps 5 MiB and forgets
the oldest beyond it, everything is gone when the process ends, transactions are accepted but not enforced (an
aborted message is read), time look-up finds nothing, and a waiting fetch is not woken by a new message (so
``fetch.wait.max.ms`` is its latency). For everything else there is Apache Kafka.

The confluent-kafka wheel ships librdkafka with its mock interface (``rdkafka_mock.h``); it is called through ctypes.
"""

from __future__ import annotations

import ctypes
from importlib import resources
from pathlib import Path
from types import TracebackType

from stream.errors import TransportError

_PRODUCER = 0
_BROKER_ID = 1


def _library() -> ctypes.CDLL:
    package = Path(str(resources.files("confluent_kafka")))
    found = sorted(package.parent.glob("confluent_kafka.libs/librdkafka*.so*")) + sorted(
        package.glob(".dylibs/librdkafka*")
    )
    if not found:
        raise TransportError("the embedded broker needs librdkafka from the confluent-kafka wheel: install that wheel")
    library = ctypes.CDLL(str(found[0]))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_broker_set_down": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_up": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class EmbeddedBroker:
    """One broker on a free port of the loopback, from ``with`` to its end."""

    def __init__(self) -> None:
        self._library = _library()
        error = ctypes.create_string_buffer(256)
        configuration = self._library.rd_kafka_conf_new()
        # This client only carries the cluster; that it has no servers of its own is no news.
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"2", error, len(error))
        self._client = self._library.rd_kafka_new(_PRODUCER, configuration, error, len(error))
        if not self._client:
            raise TransportError(f"the embedded broker did not start: {error.value.decode()}")
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, 1)
        if not self._cluster:
            raise TransportError("the embedded broker did not start: no port free on the loopback")
        # The default of 3 s is for groups whose members start together.
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    @property
    def bootstrap_servers(self) -> str:
        """Address for ``kafka.bootstrap_servers``."""
        address: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Make a topic; one that is there already is left alone."""
        self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)

    def down(self) -> None:
        """Take the broker down: connections close, new ones are refused."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, _BROKER_ID)

    def up(self) -> None:
        """Bring it up again with what it held."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, _BROKER_ID)

    def close(self) -> None:
        """End it; what it held is gone."""
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._library.rd_kafka_destroy(self._client)
            self._cluster = self._client = None

    def __enter__(self) -> EmbeddedBroker:
        """Return itself, running."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.close()
