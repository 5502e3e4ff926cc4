"""What a lost or hung broker costs: its work moves to another, and nobody waits longer, loses or doubles anything.

The cluster calls a broker dead after 3 s here. A hung one stays hung until the end of its test: whoever waited for it
would wait for ever.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from broker import child
from broker.apache_kafka import ApacheKafka, KafkaCluster
from broker.node import free_ports
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from own_settings import settings_of

from pipelines.live import daemon
from pipelines.live.publisher import Published, Publisher
from pipelines.subscribe import receive
from stream.configuration import load_settings
from stream.errors import DeadlineExceeded, TransportError
from stream.kafka.checks import check
from stream.kafka.consumer import Consumer, Message
from stream.kafka.producer import Producer, TransactionalProducer
from stream.kafka.reading import read_all
from stream.kafka.topics import create
from stream.settings import KafkaSettings, Settings
from stream.timebase import SystemClock

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def until(there: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def read(consumer: Consumer, count: int, seconds: float = 60) -> list[Message]:
    found: list[Message] = []

    def enough() -> bool:
        found.extend(consumer.poll_batch(0.1))
        return len(found) >= count

    until(enough, seconds)
    return found


def on_one_broker(cluster: KafkaCluster, topic: str, node: int) -> None:
    """Make a topic of one copy where it is wanted, anew if it is there."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})

    def made() -> bool:
        """A broker that has not heard of the topic yet, or of its end, says nothing about whether it is there."""
        try:
            admin.create_topics([NewTopic(topic, 1, replica_assignment=[[node]])])[topic].result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            with suppress(KafkaException):  # being deleted already
                admin.delete_topics([topic])[topic].result(30)
            return False
        return True

    assert until(made)
    assert until(lambda: cluster.leader(topic) == node)


ROLES: dict[str, Callable[[KafkaCluster, str], int | None]] = {
    "leader": lambda cluster, name: cluster.leader(name),
    "group coordinator": lambda cluster, name: cluster.group_coordinator(name),
    "transaction coordinator": lambda cluster, name: cluster.transaction_coordinator(name),
    "controller": lambda cluster, _: cluster.controller(),
}


@pytest.mark.parametrize("role", ["leader", "group coordinator", "controller"])
def test_strain_flows_on_past_a_broker_that_hangs(
    role: str, cluster: KafkaCluster, fresh: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon keeps its partitions all the while."""
    cluster.create_topic(fresh)
    settings = KafkaSettings(bootstrap_servers=cluster.bootstrap_servers, group_id=fresh)
    producer = Producer(settings)
    with Consumer(settings, [fresh], "earliest", group_id=fresh, instance_id="daemon") as consumer:
        producer.send(fresh, "k", b"before")
        assert [m.value for m in read(consumer, 1)] == [b"before"]
        node = ROLES[role](cluster, fresh)
        assert node is not None
        cluster.pause(node)
        sent = [b"%d" % k for k in range(40)]
        found: list[bytes | None] = []
        for value in sent:
            producer.send(fresh, "k", value)
            found += [m.value for m in consumer.poll_batch(0.1)]
        found += [m.value for m in read(consumer, len(sent) - len(found))]
        assert sent == found
        assert until(lambda: (consumer.poll_batch(0.1), cluster.leader(fresh) not in (node, None))[1])
        producer.send(fresh, "k", b"after")
        assert [m.value for m in read(consumer, 1)] == [b"after"]
        assert "partitions_revoked" not in capsys.readouterr().out
    producer.close()


@pytest.mark.parametrize("role", ["leader", "transaction coordinator"])
@pytest.mark.parametrize("fault", ["pause", "kill"])
def test_an_alert_is_published_past_a_lost_broker(
    fault: str, role: str, cluster: KafkaCluster, fresh: str, tmp_path: Path
) -> None:
    settings = settings_of(cluster.bootstrap_servers, fresh, tmp_path)
    create(settings)
    told = threading.Event()
    publisher = Publisher(settings, SystemClock(), lambda _: told.set())
    assert until(lambda: publisher.ready)
    node = ROLES[role](cluster, settings.topics.alerts if role == "leader" else fresh)
    assert node is not None
    getattr(cluster, fault)(node)
    publisher.publish(child.candidate())
    assert told.wait(60)
    publisher.close()
    assert ids(settings) == ["TS240517a"]


def test_an_alert_waits_for_two_lost_brokers_and_is_single(cluster: KafkaCluster, fresh: str, tmp_path: Path) -> None:
    """With one of three left nothing can be written; once they are back the alert is there, once."""
    settings = settings_of(cluster.bootstrap_servers, fresh, tmp_path)
    create(settings)
    published: list[Published] = []
    publisher = Publisher(settings, SystemClock(), published.append)
    assert until(lambda: publisher.ready)
    cluster.kill(1)
    cluster.kill(2)
    publisher.publish(child.candidate())
    assert not until(lambda: bool(published), 4)
    assert publisher.safe  # it stands in the outbox
    cluster.heal()
    assert until(lambda: bool(published))
    publisher.close()
    assert ids(settings) == ["TS240517a"]


def ids(settings: Settings) -> list[str]:
    return [receive(m).superevent_id for m in read_all(settings.kafka, settings.topics.alerts)]


# -- a topic without a leader, no broker at all -------------------------------------------------------------------


@pytest.fixture
def headless(cluster: KafkaCluster, fresh: str, tmp_path: Path) -> Iterator[tuple[Settings, int]]:
    """Settings whose alert topic has its only copy on a broker that is down, and that broker."""
    settings = settings_of(cluster.bootstrap_servers, fresh, tmp_path)
    create(settings)
    node = next(i for i in cluster.brokers if i != cluster.controller())
    on_one_broker(cluster, settings.topics.alerts, node)
    cluster.kill(node)
    assert until(lambda: cluster.leader(settings.topics.alerts) is None)
    yield settings, node


def test_what_an_unreadable_topic_waits_for_is_named(headless: tuple[Settings, int]) -> None:
    settings, _ = headless
    with pytest.raises(DeadlineExceeded, match=rf"{settings.topics.alerts}, partition 0 has no leader"):
        list(read_all(settings.kafka, settings.topics.alerts, 2.0))


def test_a_daemon_starts_without_a_leader_for_its_alerts_and_sends_once_there_is_one(
    headless: tuple[Settings, int], cluster: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, node = headless
    told = threading.Event()
    with Running(settings, daemon.Hooks(published=lambda _: told.set())) as running:
        assert running.started.wait(60)
        assert running.answers("/healthz")
        assert running.publisher is not None
        running.publisher.publish(child.candidate())
        assert until(lambda: "waiting_for_alert_topic" in running.said(capsys))
        assert "waiting_for_leader" in running.said(capsys)
        cluster.start(node)
        assert told.wait(60)
    assert ids(settings) == ["TS240517a"]


def test_a_daemon_without_a_leader_for_its_alerts_ends_when_told(headless: tuple[Settings, int]) -> None:
    with Running(headless[0]) as running:
        assert running.started.wait(60)
    assert running.error is None


def test_a_daemon_waits_for_its_broker_and_says_so(
    fresh: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka, http = free_ports(2)
    settings = load_settings(
        None,
        {
            "kafka": {"bootstrap_servers": f"127.0.0.1:{kafka}"},
            "publish": {"outbox": tmp_path / "outbox"}, "daemon": {"state_dir": tmp_path, "http_port": http},
        },
    )  # fmt: skip
    with Running(settings) as running:
        assert until(lambda: "waiting_for_broker" in running.said(capsys))
        assert running.answers("/healthz", http)
        assert not running.started.is_set()
    assert running.error is None


class Running:
    """A daemon in a thread; leaving ends it, within bounds."""

    def __init__(self, settings: Settings, hooks: daemon.Hooks | None = None) -> None:
        hooks = hooks or daemon.Hooks()
        self.started, self.stop = threading.Event(), threading.Event()
        self.error: BaseException | None = None
        self.port, self.publisher = 0, None
        self._said = ""
        hooks = daemon.Hooks(self._start, hooks.candidate, hooks.published, hooks.tap)
        self._thread = threading.Thread(target=self._run, args=(settings, hooks), daemon=True)

    def _start(self, observer, port: int) -> None:  # type: ignore[no-untyped-def]
        self.publisher, self.port = observer.publisher, port
        self.started.set()

    def _run(self, settings: Settings, hooks: daemon.Hooks) -> None:
        try:
            daemon.run(settings, stop=self.stop, hooks=hooks)
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def answers(self, path: str, port: int | None = None) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=10) as answer:
            return int(answer.status) == 200

    def said(self, capsys: pytest.CaptureFixture[str]) -> str:
        found = capsys.readouterr()
        self._said += found.out + found.err
        return self._said


# -- two of one name ----------------------------------------------------------------------------------------------


def test_a_member_that_comes_back_has_its_partitions_at_once_and_ends_the_older(kafka: ApacheKafka, fresh: str) -> None:
    """The older one is told why; nobody waits for its session, which is a minute."""
    kafka.create_topic(fresh)
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group_id=fresh)
    older = Consumer(settings, [fresh], instance_id="daemon")
    assert until(lambda: bool(older.poll_batch(0.1) or older.assigned))
    with Consumer(settings, [fresh], instance_id="daemon") as younger:
        assert until(lambda: bool(younger.poll_batch(0.1) or younger.assigned), 20)
        with pytest.raises(TransportError, match=r"another daemon has this kafka\.group_id and kafka\.group"):
            until(lambda: bool(older.poll_batch(0.1)))
    older.close()


# -- topics as they must be ---------------------------------------------------------------------------------------


def test_topics_have_three_copies_where_there_are_three_brokers(
    cluster: KafkaCluster, fresh: str, tmp_path: Path
) -> None:
    settings = settings_of(cluster.bootstrap_servers, fresh, tmp_path)
    made = create(settings)
    assert settings.topics.alerts in made
    assert {3} == {len(cluster.replicas(name)) for name in made}
    TransactionalProducer(settings.kafka, fresh).close()
    found = {c.name: c.problem for c in check(settings)}
    assert dict.fromkeys([*made, "__transaction_state"]) == {n: found[n] for n in (*made, "__transaction_state")}


def test_a_topic_of_one_copy_is_found_and_a_lost_leader_too(headless: tuple[Settings, int]) -> None:
    settings, node = headless
    problem = next(c for c in check(settings) if c.name == settings.topics.alerts)
    assert "replication 1 (must be" in str(problem.problem)
    assert "partition 0 has no leader" in str(problem.problem)
    assert f"start the brokers that hold it: {node}" in str(problem.remedy)


def test_kafkas_own_topics_are_checked_too(kafka: ApacheKafka, fresh: str, tmp_path: Path) -> None:
    """One broker cannot keep three copies of anything: asked for them, all that is there is said to be wrong."""
    settings = settings_of(kafka.bootstrap_servers, fresh, tmp_path)
    create(settings)
    assert [c for c in check(settings) if c.problem is not None and c.name.startswith(fresh)] == []
    TransactionalProducer(settings.kafka, fresh).close()
    three = settings.model_copy(update={"topics": settings.topics.model_copy(update={"replication": 3})})
    problems = {c.name: (c.problem, c.remedy) for c in check(three)}
    problem, remedy = problems["__transaction_state"]
    assert "replication 1 (must be 3)" in str(problem)
    assert "min.insync.replicas=1 (must be 2)" in str(problem)
    assert "transaction.state.log.replication.factor" in str(remedy)
    assert "replication 1 (must be 3)" in str(problems[settings.topics.alerts][0])


def test_more_copies_than_brokers_is_refused_with_the_broker_s_reason(
    kafka: ApacheKafka, fresh: str, tmp_path: Path
) -> None:
    settings = settings_of(kafka.bootstrap_servers, fresh, tmp_path)
    three = settings.model_copy(update={"topics": settings.topics.model_copy(update={"replication": 3})})
    with pytest.raises(TransportError, match="could not be made"):
        create(three)
