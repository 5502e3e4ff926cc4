"""The stage of a fault run: three brokers, the simulator, the daemon under a supervisor, the referee's reader."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from confluent_kafka import ElectionType
from confluent_kafka.admin import AdminClient, NewTopic

from stream.configuration import load_settings, render_settings
from stream.kafka.topics import required_topics
from stream.settings import Settings

from .apache_kafka import KafkaCluster
from .fault_children import Child, Death
from .fault_feeder import merger_times
from .fault_reader import Reader, now_ns
from .referee import NS

EVERY_S = 12.0
_LEAD_S = 20.0
"""From the start of daemon and simulator to the first merger; what comes before the daemon hears is not asked for."""
_WARM_S = 6.0
"""From when the daemon says that it hears to the first merger that it is asked for: its PSD is of 8 s at first."""


def fault_settings(cluster: KafkaCluster, folder: Path, prefix: str = "") -> Settings:
    """Return the daemon's settings: its defaults, on names that start with a prefix."""
    return load_settings(
        None,
        {
            "kafka": {"bootstrap_servers": cluster.bootstrap_servers, "group_id": prefix + "tocsin"},
            "topics": {
                "strain_prefix": prefix + "strain.", "external": prefix + "external.events",
                "alerts": prefix + "alerts.gw", "alerts_json": prefix + "alerts.gw.json",
                "heartbeat": prefix + "status.heartbeat", "decisions": prefix + "events.decisions",
            },
            "infer": {"threads": 1},
            "publish": {"outbox": folder / "state" / "outbox", "transactional_id": prefix + "tocsin-alerts"},
            "daemon": {"state_dir": folder / "state", "http_port": 0},
        },
    )  # fmt: skip


def make_topics(settings: Settings) -> None:
    """Make the topics on three brokers, each led by another; alerts get the broker's time when it appends them."""
    new = []
    for k, spec in enumerate(required_topics(settings)):
        config = spec.config() | {"min.insync.replicas": "2"}
        if spec.name == settings.topics.alerts:
            config["message.timestamp.type"] = "LogAppendTime"
        replicas = [(k + i) % 3 + 1 for i in range(3)]
        new.append(NewTopic(spec.name, 1, replica_assignment=[replicas], config=config))
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    for future in admin.create_topics(new).values():
        future.result(30)


class Stage:
    """All that runs, from :meth:`__enter__` to :meth:`__exit__`; the cluster is its caller's.

    Parameters
    ----------
    cluster : KafkaCluster
    folder : Path
        Logs, state and settings of what runs.
    seed : int
    seconds : float
        For how long there are mergers.
    session_s : float
        After how much silence the cluster takes a broker for dead.
    prefix : str
        Of topics, group and transactional id.
    """

    def __init__(
        self, cluster: KafkaCluster, folder: Path, seed: int, seconds: float, session_s: float = 9.0, prefix: str = ""
    ) -> None:  # fmt: skip
        self.cluster, self.folder, self.session_s = cluster, folder, session_s
        self.tail_s = session_s + 6.0  # an alert has this long, failover and all, until the run ends
        self.settings = fault_settings(cluster, folder, prefix)
        self._seed, self._count = seed, round(seconds / EVERY_S)
        self.mergers_ns: list[int] = []
        self.heard_ns = 0

    def __enter__(self) -> Stage:
        make_topics(self.settings)
        config = (self.folder / "tocsin.toml").resolve()
        config.write_text(render_settings(self.settings))
        topics = self.settings.topics
        strain = {d: topics.strain_prefix + d for d in self.settings.strain.detectors}
        self.reader = Reader(self.cluster.bootstrap_servers, strain, topics.alerts, topics.heartbeat)
        first_ns = now_ns() + round(_LEAD_S * NS)
        self.mergers_ns = merger_times(self._seed, first_ns, EVERY_S, self._count)
        arguments = [str(v) for v in (config, self._seed, first_ns, EVERY_S, self._count)]
        self.daemon = Child("daemon", "pipelines.cli", ["run", "--config", str(config)], self.folder)
        self.simulator = Child("simulator", "tests.broker.fault_feeder", arguments, self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.simulator.close()
        self.daemon.close()
        self.reader.close()

    def wait_until_it_hears(self, timeout_s: float = 120.0) -> int:
        """Wait until the daemon can be asked for mergers; return from when on.

        Raises
        ------
        AssertionError
            If that takes too long.
        """
        if not wait(lambda: bool(self.reader.beats) and self.reader.beats[-1].state == "running", timeout_s):
            raise AssertionError(f"the daemon does not hear after {timeout_s:g} s: see {self.folder / 'daemon.log'}")
        self.heard_ns = now_ns() + round(_WARM_S * NS)
        return self.heard_ns

    def at(self, gps_ns: int) -> str:
        """Return a time as seconds since the daemon heard."""
        return f"{(gps_ns - self.heard_ns) / NS:+.2f} s"

    def lead_as_preferred(self) -> None:
        """Give each partition back to its first replica, as Kafka does every five minutes: leaders stay spread."""
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap_servers, "log_level": 0})
        admin.elect_leaders(ElectionType.PREFERRED).result(30)

    @property
    def deaths(self) -> list[Death]:
        """Ends of children, asked for or not."""
        return sorted(self.daemon.deaths + self.simulator.deaths, key=lambda d: d.at_ns)

    def searches_since(self, since_ns: int) -> bool:
        """Whether strain that was taken after a time has reached the daemon."""
        return self.reader.searched_ns() > since_ns

    def feeds_since(self, since_ns: int) -> bool:
        """Whether strain that was taken after a time is on Kafka."""
        return all(self.reader.newest_ns(d) > since_ns for d in self.settings.strain.detectors)


def wait(until: Callable[[], bool], timeout_s: float) -> bool:
    """Wait for something; return whether it came."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if until():
            return True
        time.sleep(0.1)
    return False


def sleep_until(gps_ns: int) -> None:
    """Wait for a time."""
    time.sleep(max(0.0, (gps_ns - now_ns()) / NS))
