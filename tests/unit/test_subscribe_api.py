"""``for alert in subscribe(…)``: typed alerts, their maps read when they are asked for."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest
from delivering import run_until_ended
from typer.testing import CliRunner

import schemas
from pipelines.cli.entry import app
from pipelines.show.reading import an_alert_each
from pipelines.subscribe import Alert, subscribe
from pipelines.subscribe.database import Database
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.kept import KeptSource, read_file
from pipelines.subscribe.state import State
from stream.codec.alert import decode_alert
from stream.errors import ConfigurationError
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.settings import KafkaSettings, Settings


def alerts_of(*paths: Path) -> list[Alert]:
    source = KeptSource([alert for path in paths for alert in read_file(path)])
    return [Alert(d) for d in run_until_ended(Engine([source], State(Database(None)), Subscription()))]


def test_an_alert_is_typed_and_its_map_can_be_pointed_at(data_dir: Path) -> None:
    [alert] = alerts_of(next((data_dir / "alerts/lvk_userguide").glob("**/*initial*.avro")))
    assert (alert.superevent_id, alert.alert_type, alert.is_test) == ("MS181101ab", "INITIAL", True)
    assert alert.classification["BNS"] == pytest.approx(0.95, abs=0.01)
    assert alert.far_hz is not None and alert.detectors == ("H1", "L1", "V1")
    assert alert.skymap.area90_deg2 == pytest.approx(30.98, abs=0.01)
    assert alert.skymap.area50_deg2 is not None and alert.skymap.area50_deg2 < 10
    places = alert.skymap.best(5, radius_deg=2.0)
    assert len(places) == 5
    assert places[0].probability >= places[-1].probability > 0.01
    where = alert.skymap.most_probable_deg
    assert where is not None and abs(places[0].dec_deg - where[1]) < 10
    assert alert.skymap and alert.skymap.fits[:9] == b"SIMPLE  ="
    assert alert.skymap.distance_mpc == pytest.approx(39.77, abs=0.01)
    assert "MS181101ab" in repr(alert)
    assert (alert.other, alert.matched, alert.because, alert.source) == (None, ("all",), (), "files")
    assert len(alert.key) == 64


def test_a_retraction_has_no_map_and_points_nowhere(data_dir: Path) -> None:
    [alert] = alerts_of(next((data_dir / "alerts/lvk_userguide").glob("**/*retraction*.json")))
    assert alert.is_retraction
    assert not alert.skymap
    assert (alert.skymap.why, alert.skymap.best(), alert.skymap.area50_deg2) == ("it withdraws the event", (), None)
    assert alert.classification == {}


def test_what_cannot_be_read_is_an_error_before_the_first_alert() -> None:
    with pytest.raises(ConfigurationError):
        next(subscribe("lvk"))
    with pytest.raises(ConfigurationError):
        next(subscribe("local", where="farr < 1/month"))


@pytest.mark.parametrize(
    "start", ["", "last", "last:", "last:0", "last:-1", "last:1000000", "last:ten", "Latest", "yesterday", "2026-13-01"]
)
def test_a_place_to_begin_that_is_none_is_named_with_what_is_allowed(start: str) -> None:
    """By the command's option and from Python, before anything is read or kept."""
    allowed = "use latest, earliest, last:N with N from 1 to 999999, or a"
    result = CliRunner().invoke(app, ["subscribe", "--check", "--from", start])
    assert isinstance(result.exception, ConfigurationError)
    assert f"--from {start!r}: {allowed} UTC time" in str(result.exception)
    with pytest.raises(ConfigurationError, match=re.escape(f"start {start!r}: {allowed} time")):
        next(subscribe("local", start=start))


def test_a_time_before_kafkas_is_no_word_of_its_own() -> None:
    """Kafka takes -1 ms for the end of a topic, and -2 ms for its beginning."""
    result = CliRunner().invoke(app, ["subscribe", "--check", "--from", "1969-12-31T23:59:59.999Z"])
    assert isinstance(result.exception, ConfigurationError)
    with pytest.raises(ConfigurationError, match="since 1970"):
        next(subscribe("local", start=datetime(1969, 12, 31, tzinfo=UTC)))


@pytest.mark.kafka
def test_it_is_committed_when_the_loop_comes_back(embedded: EmbeddedBroker, tmp_path: Path) -> None:
    """Whoever leaves the loop at an alert gets it again."""
    embedded.create_topic("api.alerts")
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers, session_timeout_s=2))
    producer = Producer(settings.kafka)
    for version in schemas.versions("alert"):
        producer.send("api.alerts", "k", schemas.example("alert", version))
    producer.flush()
    producer.close()
    seen: list[list[str]] = []
    for _ in range(2):
        stop = threading.Event()
        seen.append([])
        for alert in subscribe(
            "local", name="api", state=tmp_path, topics=["api.alerts"], start="earliest", settings=settings, stop=stop
        ):
            seen[-1].append(alert.superevent_id)
            break
    assert seen[0] == seen[1] != []


@pytest.mark.kafka
def test_the_last_ones_come_first_and_then_what_comes(embedded: EmbeddedBroker) -> None:
    """Whatever partition they are in, by the broker's time."""
    embedded.create_topic("last.alerts", 3)
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers, session_timeout_s=2))
    producer = Producer(settings.kafka)
    alerts = (value for _, value in an_alert_each())

    def send(count: int) -> None:
        for _ in range(count):
            value = next(alerts)
            producer.send("last.alerts", decode_alert(value)["superevent_id"], value)
            producer.flush()
            time.sleep(0.005)

    send(40)
    stop, seen = threading.Event(), []
    for alert in subscribe("local", topics=["last.alerts"], start="last:3", settings=settings, stop=stop):
        seen.append(alert.superevent_id)
        if len(seen) == 3:
            send(2)
        if len(seen) == 5:
            stop.set()
    producer.close()
    expected = [event for event, _ in islice(an_alert_each(), 42)][-5:]
    assert seen == expected
