"""The source between Kafka and the search: backlogs merged, brokers that are away, clocks that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from pipelines.live.source import KafkaBlocks
from stream.codec import strain_codec
from stream.codec.avro import encode_strain, encode_witness
from stream.errors import TransportError
from stream.kafka.consumer import Message
from stream.kafka.standing import Standing
from stream.records import Block, DataQuality, StrainBlock, WitnessBlock, WitnessGroup
from stream.settings import Settings
from stream.timebase import HOP_NS, NS_PER_S, gps_ns_to_unix_ns

T0_NS = 1_400_000_000 * NS_PER_S
TURN_NS = 50_000_000
ANSWERS = Standing(0.0, 60.0, at_end=True)


def block(detector: str, hop: int, shift_ns: int = 0, hops: int = 1) -> StrainBlock:
    samples = np.zeros(256 * hops, dtype=np.float32)
    quality = np.full(hops, DataQuality.all_good(), dtype=np.uint32)
    return StrainBlock(detector, f"{detector}:X", T0_NS + hop * HOP_NS + shift_ns, 4096, samples, quality, hop)


@dataclass
class Broker:
    """Plays a broker and a clock: each poll takes 50 ms and returns what the script has for that turn."""

    script: dict[int, list[Message]] = field(default_factory=dict)
    now: int = T0_NS
    turn: int = 0
    stored: list[tuple[str, int]] = field(default_factory=list)
    skips: int = 0
    standings: Callable[[int, str], Standing | None] = lambda turn, topic: ANSWERS
    offsets: dict[str, int] = field(default_factory=dict)

    def now_ns(self) -> int:
        return self.now

    def send(self, turn: int, sent: StrainBlock, age_ns: int = 0) -> None:
        """Have a block read at a turn, with a time stamp ``age_ns`` older than that."""
        topic = f"strain.{sent.detector}"
        offset = self.offsets[topic] = self.offsets.get(topic, -1) + 1
        stamp_ns = gps_ns_to_unix_ns(T0_NS + (turn + 1) * TURN_NS - age_ns)
        message = Message(topic, 0, offset, None, encode_strain(sent), (), stamp_ns)
        self.script.setdefault(turn, []).append(message)

    def poll_batch(self, timeout_s: float, max_messages: int) -> list[Message]:
        self.now += TURN_NS
        found = self.script.get(self.turn, [])
        self.turn += 1
        return found

    def standing(self) -> dict[str, Standing]:
        known = {f"strain.{d}": self.standings(self.turn, f"strain.{d}") for d in ("H1", "L1", "V1")}
        return {topic: standing for topic, standing in known.items() if standing is not None}

    def store(self, message: Message) -> None:
        self.stored.append((message.topic, message.offset))

    def seek_to_end(self) -> None:
        self.skips += 1


def listen(broker: Broker, turns: int, detectors: tuple[str, ...] = ("H1", "L1")) -> tuple[KafkaBlocks, list[Block]]:
    """Run a source for some turns; return it and the blocks in the order in which they went on."""
    settings = Settings(strain={"detectors": detectors})
    source = KafkaBlocks(broker, strain_codec(settings.strain), settings, broker, lambda: broker.turn >= turns)
    return source, [b for batch in source for b in batch]


def order(blocks: list[Block]) -> list[tuple[str, int]]:
    return [(b.detector, (b.gps_ns - T0_NS) // HOP_NS) for b in blocks]


def merged(hops: range) -> list[tuple[str, int]]:
    return [(detector, hop) for hop in hops for detector in ("H1", "L1")]


def test_a_backlog_read_topic_after_topic_is_merged_by_data_time() -> None:
    """All of H1's 14 s are read before the first block of L1, with empty polls between."""
    broker = Broker()
    for hop in range(-224, 0):
        broker.send(0, block("H1", hop), age_ns=-hop * HOP_NS)
        broker.send(20, block("L1", hop), age_ns=-hop * HOP_NS)
    _, blocks = listen(broker, 30)
    assert sorted(order(blocks), key=lambda o: (o[1], o[0])) == merged(range(-224, 0))
    assert all(abs(a[1] - b[1]) <= 1 for a, b in zip(order(blocks), order(blocks)[1:], strict=False))


def test_a_backlog_waits_for_a_silent_detector_three_seconds_and_no_longer() -> None:
    broker = Broker()
    for hop in range(-224, 0):
        broker.send(0, block("H1", hop), age_ns=-hop * HOP_NS)
    source, blocks = listen(broker, 58)
    assert blocks == []
    assert source.status.waiting_for == ("strain.L1",)
    broker.turn, broker.now = 0, T0_NS
    _, blocks = listen(broker, 64)
    assert len(blocks) == 224


def test_live_a_silent_detector_holds_nobody() -> None:
    broker = Broker()
    for hop in range(32):
        broker.send(round((hop + 1) * 1.25), block("H1", hop))
    _, blocks = listen(broker, 42)
    assert len(blocks) == 32


def test_a_detector_that_never_sent_is_not_awaited_once_the_others_have_gone_on() -> None:
    """V1's leader has never answered; after its wait at the start it holds nobody."""
    broker = Broker(standings=lambda turn, topic: None if topic == "strain.V1" else ANSWERS)
    for hop in range(-40, 0):
        for detector in ("H1", "L1"):
            broker.send(0, block(detector, hop))
    for turn in (1300, 1301, 1302):
        for detector in ("H1", "L1"):
            broker.send(turn, block(detector, turn - 1000))
    _, blocks = listen(broker, 1303, ("H1", "L1", "V1"))
    assert len(blocks) == 86


def test_blocks_wait_for_the_failover_of_another_detectors_broker() -> None:
    """L1's leader is away from turn 20 to 160 (7 s); its blocks of that time come late and are still merged."""

    def standings(turn: int, topic: str) -> Standing:
        if topic == "strain.H1" or turn <= 20:
            return ANSWERS
        return Standing((turn - 20) / 20, 60.0, True) if turn < 160 else Standing(0.0, (turn - 160) / 20, True)

    broker = Broker(standings=standings)
    for k in range(200):
        hop, turn = k - 1, round(k * 1.25)
        broker.send(turn, block("H1", hop))
        arrives = turn if turn < 20 else max(turn, 180)
        broker.send(arrives, block("L1", hop), age_ns=(arrives - turn) * TURN_NS)
    _, blocks = listen(broker, 252)
    assert sorted(order(blocks), key=lambda o: (o[1], o[0])) == merged(range(-1, 199))
    behind, worst = {"H1": -2, "L1": -2}, 0
    for detector, hop in order(blocks):
        behind[detector] = hop
        worst = max(worst, behind["H1"] - behind["L1"])
    assert worst <= 8  # what the aligner's lateness bears


def test_after_an_outage_producers_get_longer_to_connect_anew() -> None:
    """H1's leader is back at turn 160 and its strain at turn 280 (6 s later); L1's backlog waits for it."""

    def standings(turn: int, topic: str) -> Standing:
        if topic == "strain.L1" or turn <= 20:
            return ANSWERS
        away = Standing((turn - 20) / 20, 60.0, True)
        return away if turn < 160 else Standing(0.0, (turn - 160) / 20, at_end=True, returned=True)

    broker = Broker(standings=standings)
    for hop in range(16):
        for detector in ("H1", "L1"):
            broker.send(round((hop + 1) * 1.25), block(detector, hop))
    for hop in range(16, 120):
        due = round((hop + 1) * 1.25)
        broker.send(max(due, 155), block("L1", hop), age_ns=max(0, 155 - due) * TURN_NS)
        broker.send(280, block("H1", hop), age_ns=(280 - due) * TURN_NS)
    _, blocks = listen(broker, 300)
    assert sorted(order(blocks), key=lambda o: (o[1], o[0])) == merged(range(120))
    assert all(abs(a[1] - b[1]) <= 1 for a, b in zip(order(blocks), order(blocks)[1:], strict=False))


def test_a_leader_that_has_just_moved_is_no_silent_detector() -> None:
    """H1's leader moves at turn 40 without a pause; four blocks later nothing new stands on it for a second."""

    def standings(turn: int, topic: str) -> Standing:
        if topic == "strain.L1" or turn < 40:
            return ANSWERS
        return Standing(0.0, (turn - 40) / 20, at_end=True, returned=True)

    broker = Broker(standings=standings)
    for hop in range(80):
        due = round((hop + 1) * 1.25)
        broker.send(due, block("L1", hop))
        broker.send(max(due, 65) if hop >= 35 else due, block("H1", hop), age_ns=0)
    _, blocks = listen(broker, 110)
    assert sorted(order(blocks), key=lambda o: (o[1], o[0])) == merged(range(80))
    behind, worst = {"H1": -1, "L1": -1}, 0
    for detector, hop in order(blocks):
        behind[detector] = hop
        worst = max(worst, behind["L1"] - behind["H1"])
    assert worst <= 8  # what the aligner's lateness bears


def test_a_broker_that_stays_away_is_not_awaited_longer_than_the_setting() -> None:
    broker = Broker(standings=lambda turn, topic: ANSWERS if topic == "strain.H1" else None)
    broker.send(0, block("H1", -1))
    assert listen(broker, 1199)[1] == []
    broker.turn, broker.now = 0, T0_NS
    assert len(listen(broker, 1202)[1]) == 1


def test_a_block_from_the_future_is_refused_counted_and_named_and_holds_back_no_offset() -> None:
    broker = Broker()
    for hop in range(160):
        turn = round((hop + 1) * 1.25)
        broker.send(turn, block("L1", hop))
        if hop == 40:
            broker.send(turn, block("H1", hop, shift_ns=3600 * NS_PER_S))
        broker.send(turn, block("H1", hop))
    source, blocks = listen(broker, 210)
    assert len(blocks) == 320
    assert source.status.refused_blocks == {("H1", "ahead of the clock"): 1}
    assert source.status.newest_ns["H1"] == T0_NS + 160 * HOP_NS
    assert max(offset for topic, offset in broker.stored if topic == "strain.H1") >= 90


def test_a_fast_clock_silences_its_own_site_and_no_other() -> None:
    broker = Broker()
    for hop in range(32):
        turn = round((hop + 1) * 1.25)
        broker.send(turn, block("L1", hop))
        broker.send(turn, block("H1", hop, shift_ns=3 * NS_PER_S))
    source, blocks = listen(broker, 42)
    assert {detector for detector, _ in order(blocks)} == {"L1"}
    assert source.status.refused_blocks == {("H1", "ahead of the clock"): 32}


def test_when_all_detectors_say_the_same_future_the_machines_own_clock_is_behind() -> None:
    broker = Broker()
    for hop in range(32):
        turn = round((hop + 1) * 1.25)
        for detector in ("H1", "L1"):
            broker.send(turn, block(detector, hop, shift_ns=5 * NS_PER_S))
    source, blocks = listen(broker, 42)
    assert len(blocks) >= 62
    assert 4.5 < source.status.clock_behind_s < 5.5


def test_a_receiver_without_a_fix_is_refused() -> None:
    broker = Broker()
    broker.send(0, block("H1", 0, shift_ns=-T0_NS))
    source, blocks = listen(broker, 2)
    assert blocks == []
    assert source.status.refused_blocks == {("H1", "clock not set"): 1}


def test_lag_is_that_of_the_worst_topic_with_more_to_read() -> None:
    def standings(turn: int, topic: str) -> Standing:
        return Standing(0.0, 60.0, at_end=topic != "strain.L1")

    broker = Broker(standings=standings)
    broker.send(0, block("H1", -1))
    broker.send(0, block("L1", -160), age_ns=10 * NS_PER_S)
    source, _ = listen(broker, 21)
    assert source.status.lag_by_topic["strain.H1"] == 0.0
    assert 10.9 < source.status.lag_by_topic["strain.L1"] < 11.1
    assert source.status.lag_s == source.status.lag_by_topic["strain.L1"]


def test_a_message_that_is_no_block_is_done_with() -> None:
    broker = Broker()
    broker.script[0] = [Message("strain.H1", 0, 0, None, b"\xff" * 40, (), gps_ns_to_unix_ns(T0_NS))]
    broker.offsets["strain.H1"] = 0
    for hop in range(100):
        for detector in ("H1", "L1"):
            broker.send(hop + 1, block(detector, hop - 100))
    source, blocks = listen(broker, 103)
    assert source.status.refused == {"strain.H1": 1}
    assert len(blocks) == 200
    assert max(offset for topic, offset in broker.stored if topic == "strain.H1") > 0


def test_a_registry_that_is_away_costs_its_blocks_alone() -> None:
    """A block whose schema cannot be asked for is refused and counted; the source goes on, and reads those after."""
    broker = Broker()
    for hop in range(6):
        broker.send(hop, block("H1", hop))

    class Codec:
        sound = strain_codec(Settings().strain)

        def decode(self, payload: bytes, *, detector: str) -> list[StrainBlock]:
            if broker.turn <= 3:
                raise TransportError("registry r is away")
            return self.sound.decode(payload, detector=detector)

    settings = Settings(strain={"detectors": ("H1",)})
    source = KafkaBlocks(broker, Codec(), settings, broker, lambda: broker.turn >= 10)
    assert order([b for batch in source for b in batch]) == [("H1", hop) for hop in range(3, 6)]
    assert sum(source.status.refused.values()) == 3


@pytest.mark.parametrize("hops", [1, 64])
def test_of_a_backlog_that_is_released_at_once_no_offset_is_stored_before_it_is_searched(hops: int) -> None:
    """Who ends in the middle of it hears the last four seconds before that again, and the block that they lie in."""
    broker, blocks_of_each = Broker(), 1024 // hops
    for k in range(blocks_of_each):
        for detector in ("H1", "L1"):
            age_ns = (1024 - (k + 1) * hops) * HOP_NS
            broker.send(0, block(detector, k * hops - 1024, hops=hops), age_ns=age_ns)
    settings = Settings()
    source = KafkaBlocks(broker, strain_codec(settings.strain), settings, broker, lambda: broker.turn >= 2)
    searched = -1024
    for batch in source:
        stored_end = max((offset + 1) * hops - 1024 for _, offset in [("", -1), *broker.stored])
        assert stored_end <= max(-1024, searched - 64 - hops)
        searched = max((b.end_ns - T0_NS) // HOP_NS for b in batch)
    assert searched == 0
    assert max(offset for _, offset in broker.stored) == (1024 - 64) // hops - 2


def test_a_producer_whose_clock_is_slow_makes_nobody_skip_what_is_fresh() -> None:
    """Messages are stamped a minute too early for 25 s; their data are of the present."""
    broker = Broker()
    for hop in range(400):
        for detector in ("H1", "L1"):
            broker.send(round((hop + 1) * 1.25), block(detector, hop), age_ns=60 * NS_PER_S)
    source, blocks = listen(broker, 502)
    assert (broker.skips, len(blocks)) == (0, 800)
    assert source.status.lag_s < 0.5


def test_a_long_backlog_that_shrinks_is_searched_to_its_end() -> None:
    """Fifteen minutes, searched at nearly four times real time, for longer than a lag may last."""
    broker = Broker()
    for turn in range(500):
        for hop in range(3 * turn, 3 * turn + 3):
            end_ns = T0_NS - 900 * NS_PER_S + (hop + 1) * HOP_NS
            age_ns = T0_NS + (turn + 1) * TURN_NS - end_ns
            broker.send(turn, block("H1", hop, shift_ns=-900 * NS_PER_S), age_ns=age_ns)
    _, blocks = listen(broker, 501, ("H1",))
    assert (broker.skips, len(blocks)) == (0, 1500)


def test_a_backlog_that_does_not_shrink_is_skipped() -> None:
    broker = Broker()
    for hop in range(400):
        broker.send(round((hop + 1) * 1.25), block("H1", hop, shift_ns=-900 * NS_PER_S), age_ns=900 * NS_PER_S)
    source, _ = listen(broker, 502, ("H1",))
    assert broker.skips == 1
    assert source.status.skipped_s == pytest.approx(900, abs=1)


def test_witnesses_on_the_topic_of_another_detector_are_refused() -> None:
    broker = Broker()
    group = WitnessGroup(256, ("L1:PEM-MAINS",), np.zeros((1, 16), dtype=np.float32))
    message = encode_witness(WitnessBlock("L1", T0_NS - HOP_NS, HOP_NS, (group,), 0))
    broker.script[0] = [Message("witness.H1", 0, 0, None, message, (), gps_ns_to_unix_ns(T0_NS))]
    settings = Settings(strain={"witnesses": True})
    source = KafkaBlocks(broker, strain_codec(settings.strain), settings, broker, lambda: broker.turn >= 3)
    assert list(source) == []
    assert source.status.refused == {"witness.H1": 1}


def test_housekeeping_goes_on_while_a_backlog_is_decoded() -> None:
    """A hundred frames come in one poll, each of which takes a tenth of a second to decode."""
    broker = Broker()
    for hop in range(100):
        broker.send(0, block("H1", hop - 100), age_ns=(100 - hop) * HOP_NS)

    class Slow:
        sound = strain_codec(Settings().strain)

        def decode(self, payload: bytes, *, detector: str) -> list[StrainBlock]:
            broker.now += 2 * TURN_NS
            return self.sound.decode(payload, detector=detector)

    settings = Settings(strain={"detectors": ("H1",)})
    source = KafkaBlocks(broker, Slow(), settings, broker, lambda: broker.turn >= 2)
    turns = [broker.now]
    source.housekeeping = lambda: turns.append(broker.now)
    assert sum(len(batch) for batch in source) == 100
    assert max(np.diff(turns)) <= 3 * TURN_NS


def test_a_machines_clock_that_is_behind_is_known_beside_a_site_whose_clock_is_wrong() -> None:
    broker = Broker()
    for hop in range(32):
        turn = round((hop + 1) * 1.25)
        for detector, ahead_s in (("H1", 1), ("L1", 1), ("V1", 3600)):
            broker.send(turn, block(detector, hop, shift_ns=ahead_s * NS_PER_S))
    source, blocks = listen(broker, 42, ("H1", "L1", "V1"))
    assert {detector for detector, _ in order(blocks)} == {"H1", "L1"}
    assert len(blocks) >= 60
    assert source.status.refused_blocks["V1", "ahead of the clock"] == 32
