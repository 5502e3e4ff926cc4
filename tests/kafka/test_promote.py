"""A running daemon goes over to another model: a merger before, at and after the swap rings once each."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from mergers import inject, is_of
from own_settings import settings_of
from running import Run
from structlog.testing import capture_logs

from pipelines.feeds.feed import send
from pipelines.live import promotion
from pipelines.live.promote import promote
from pipelines.show.demo import Background
from pipelines.subscribe import receive
from stream.errors import DeadlineExceeded, ModelError
from stream.infer import open_model
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.kafka.reading import read_all
from stream.kafka.topics import required_topics
from stream.settings import Settings
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import NS_PER_S, SystemClock

BEFORE_S, ASKED_S, AT_S, AFTER_S = 16.4, 20, 29.9, 36.3
"""From the start of the data; a network that is promoted listens for ten seconds, so that the swap is due at 30 s."""


@pytest.fixture
def second(tmp_path: Path) -> str:
    """Return a model of another name."""
    folder = Path(shutil.copytree(open_model("first").folder, tmp_path / "second"))
    card = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(card.replace('name = "first"', 'name = "second"'))
    return f"{folder}/"


class Sky:
    """Two detectors with three mergers, sent as far as is wished."""

    def __init__(self, settings: Settings) -> None:
        self.start_ns = (SystemClock().now_ns() // NS_PER_S - 60) * NS_PER_S
        self.mergers = [self.start_ns + int(s * NS_PER_S) for s in (BEFORE_S, AT_S, AFTER_S)]
        synthetic = inject(SyntheticNetwork(NetworkConfig(seed=11, witnesses=False)), *self.mergers, network_snr=25.0)
        self.blocks = list(synthetic.blocks(self.start_ns, self.start_ns + 44 * NS_PER_S, 1))
        self.settings, self.sent_ns = settings, self.start_ns

    def send_until(self, second: int, run: Run) -> None:
        """Send up to a second of the data, each second once the daemon has searched the one before."""
        producer = Producer(self.settings.kafka)
        while self.sent_ns < self.start_ns + second * NS_PER_S:
            self.sent_ns += NS_PER_S
            for block in self.blocks:
                if self.sent_ns - NS_PER_S < block.end_ns <= self.sent_ns:
                    send(block, producer, self.settings.topics, block.end_ns)
            producer.flush()
            run.wait_until_read(self.sent_ns)
        producer.close()


def test_a_merger_before_at_and_after_the_swap_rings_once_each(tmp_path: Path, second: str) -> None:
    """Then a broken model is refused, and a restart comes up with the promoted one."""
    with EmbeddedBroker() as broker:
        settings = settings_of(
            broker.bootstrap_servers, "promote", tmp_path,
            kafka={"session_timeout_s": 3.0}, publish={"transactions": False},
            align={"lateness_s": 2.0, "max_lateness_s": 2.0},
        )  # fmt: skip
        for topic in required_topics(settings):
            broker.create_topic(topic.name)
        sky, said = Sky(settings), list[str]()
        with Run(settings) as running:
            running.wait_until_attended()
            sky.send_until(ASKED_S, running)
            asked = Background("promote", lambda: promote(settings, second, "shift", 60.0, said.append))
            end_s = time.monotonic() + 60
            while not any("listens" in text for text in said):
                assert time.monotonic() < end_s and asked.running, asked.error
                time.sleep(0.05)
            sky.send_until(44, running)
            asked.join()
            assert asked.error is None
            assert running.observer is not None
            assert running.observer.heartbeat().model == "second-1"
            assert "second-1 is live (promoted" in running.observer.ready()["model"].detail

            (Path(second) / "head.onnx").rename(Path(second) / "away")
            with pytest.raises(ModelError, match=r"head\.onnx is missing"):
                promote(settings, second, "shift", 10.0, said.append)
            assert running.observer.heartbeat().model == "second-1"
        (Path(second) / "away").rename(Path(second) / "head.onnx")
        heard = [receive(message) for message in read_all(settings.kafka, settings.topics.alerts)]
        assert [alert.as_dict()["alert_type"] for alert in heard] == ["PRELIMINARY"] * 3
        told = [alert.as_dict()["tocsin"] for alert in heard]
        assert all(is_of(t["gps_ns"], at_ns) for t, at_ns in zip(told, sky.mergers, strict=True))
        assert [t["model"] for t in told][::2] == ["first-1", "second-1"]

        with capture_logs() as logs, Run(settings) as again:
            again.wait_until_attended()
            assert again.observer is not None
            assert again.observer.heartbeat().model == "second-1"
        assert [line["instead_of"] for line in logs if line["event"] == "promoted_model"] == ["first"]


def test_where_no_daemon_runs_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({"daemon": {"state_dir": tmp_path}})
    with pytest.raises(DeadlineExceeded, match="no daemon answers"):
        promote(settings, "first", "shift", 0.2, print)
    assert promotion.take_wish(tmp_path) is None
    with pytest.raises(ModelError, match="no model 'none-such'"):
        promote(settings, "none-such", "shift", 0.2, print)
