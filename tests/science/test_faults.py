"""What goes wrong on a strain topic, through the real source and search: the fault is named, the next event is heard.

Each test sends a detector pair's encoded blocks with one fault, on a clock that follows the data; a merger follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pipelines.feeds.simulate import parse_gap
from pipelines.live.source import KafkaBlocks
from pipelines.offline.report import Report
from pipelines.search import compose, search
from stream.codec import strain_codec
from stream.codec.avro import encode_heartbeat, encode_strain
from stream.errors import ConfigurationError
from stream.kafka.consumer import Message
from stream.kafka.standing import Standing
from stream.records import Heartbeat, StrainBlock
from stream.settings import Settings
from stream.simulate.detector import Injection, NetworkConfig, SyntheticNetwork
from stream.simulate.waveforms import BinaryParameters
from stream.timebase import HOP_NS, NS_PER_S, gps_ns_to_unix_ns

START_NS = 1_400_000_000 * NS_PER_S
FAULT_NS = START_NS + 13 * NS_PER_S
MERGER_NS = START_NS + 16 * NS_PER_S + 300_000_000
END_NS = START_NS + 18 * NS_PER_S


class FakeClock:
    def __init__(self) -> None:
        self.at_ns = START_NS

    def now_ns(self) -> int:
        return self.at_ns


@dataclass
class Sent:
    """A message on its way: when it arrives, and what it is."""

    arrival_ns: int
    detector: str
    value: bytes


@dataclass
class FakeConsumer:
    """Hands over messages as the clock comes by their arrivals; each poll is 1/32 s."""

    queue: list[Sent]
    clock: FakeClock
    stored: list[Message] = field(default_factory=list)
    skips: int = 0

    def poll_batch(self, timeout_s: float, max_messages: int) -> list[Message]:
        self.clock.at_ns += HOP_NS // 2
        out: list[Message] = []
        while self.queue and self.queue[0].arrival_ns <= self.clock.at_ns and len(out) < max_messages:
            sent = self.queue.pop(0)
            unix_ns = gps_ns_to_unix_ns(sent.arrival_ns)
            out.append(Message(f"strain.{sent.detector}", 0, len(out), None, sent.value, (), unix_ns))
        return out

    def standing(self) -> dict[str, Standing]:
        return {f"strain.{d}": Standing(0.0, 60.0, at_end=True) for d in ("H1", "L1")}

    def store(self, message: Message) -> None:
        self.stored.append(message)

    def seek_to_end(self) -> None:
        self.skips += 1
        self.queue = [sent for sent in self.queue if sent.arrival_ns > self.clock.at_ns]


@dataclass
class Outcome:
    report: Report
    source: KafkaBlocks
    refused: dict[str, int]

    def heard(self) -> None:
        """The merger was found, once, and nothing else."""
        (found,) = self.report.candidates
        assert abs(found[1].gps_ns - MERGER_NS) < 50_000_000

    def masked(self, detector: str) -> dict[str, float]:
        """Seconds by reason, after the search had begun to hear."""
        seconds: dict[str, float] = {}
        for m in self.report.masked_stretches:
            if m.detector == detector:
                seconds[m.reason] = seconds.get(m.reason, 0.0) + (m.end_ns - m.gps_ns) / NS_PER_S
        return seconds


def network_blocks(gaps: str | None = None) -> Iterator[StrainBlock]:
    network = SyntheticNetwork(NetworkConfig(seed=5, witnesses=False))
    binary = BinaryParameters(36.0, 29.0, ra_rad=1.0, dec_rad=0.7, geocent_ns=MERGER_NS)
    network.inject(Injection(binary, network_snr=30.0))
    for block in network.blocks(START_NS, END_NS, 1):
        assert isinstance(block, StrainBlock)
        yield block


Fault = Callable[[StrainBlock], list[Sent]]


def plain(block: StrainBlock) -> list[Sent]:
    return [Sent(block.end_ns, block.detector, encode_strain(block))]


def is_faulty(block: StrainBlock, detector: str = "L1", seconds: float = 1 / 16) -> bool:
    return block.detector == detector and FAULT_NS <= block.gps_ns < FAULT_NS + round(seconds * NS_PER_S)


def send(fault: Fault, **settings: object) -> Outcome:
    """Run the search over a stream with a fault."""
    # What becomes of blocks before they are searched is the same for any network; this one costs least.
    configured = Settings(**{"infer": {"model": "first"}} | settings)  # type: ignore[arg-type]
    sent = [s for block in network_blocks() for s in fault(block)]
    sent.sort(key=lambda s: s.arrival_ns)
    clock = FakeClock()
    consumer = FakeConsumer(sent, clock)
    source = KafkaBlocks(
        consumer, strain_codec(configured.strain), configured, clock, lambda: clock.at_ns > END_NS + 2 * NS_PER_S
    )
    stages, report = compose(configured), Report(detectors=("H1", "L1"))
    search(source, stages, report)
    lanes = {lane.detector: dict(lane.refused) for lane in stages.align.stats.detectors}
    return Outcome(report, source, lanes["L1"])


def test_an_undisturbed_stream_is_heard_whole() -> None:
    outcome = send(plain)
    outcome.heard()
    assert outcome.masked("L1") == {}


def test_a_missing_block_is_a_gap() -> None:
    outcome = send(lambda b: [] if is_faulty(b) else plain(b))
    outcome.heard()
    assert sum(outcome.masked("L1").values()) == pytest.approx(1 / 16)
    assert outcome.masked("H1") == {}


def test_a_block_late_within_the_lateness_is_used() -> None:
    late = send(
        lambda b: [replace(s, arrival_ns=s.arrival_ns + 200_000_000) for s in plain(b)] if is_faulty(b) else plain(b)
    )
    late.heard()
    assert late.masked("L1") == {}


def test_a_block_later_than_that_is_a_gap_that_says_so() -> None:
    late = send(
        lambda b: [replace(s, arrival_ns=s.arrival_ns + NS_PER_S) for s in plain(b)] if is_faulty(b) else plain(b)
    )
    late.heard()
    assert sum(late.masked("L1").values()) == pytest.approx(1 / 16, abs=1 / 16)
    assert "late" in late.masked("L1")


def test_duplicates_change_nothing() -> None:
    once, twice = send(plain), send(lambda b: plain(b) * 2)
    twice.heard()
    assert twice.report.candidates[0][1].peak == once.report.candidates[0][1].peak


def test_out_of_order_blocks_are_put_in_order() -> None:
    """Every other block of L1 swaps places with its successor."""

    def swap(block: StrainBlock) -> list[Sent]:
        (sent,) = plain(block)
        odd = block.gps_ns // HOP_NS % 2
        return [replace(sent, arrival_ns=sent.arrival_ns + (0 if odd or block.detector == "H1" else 2 * HOP_NS))]

    outcome, straight = send(swap), send(plain)
    outcome.heard()
    assert outcome.masked("L1") == {}
    found, expected = outcome.report.candidates[0][1].peak, straight.report.candidates[0][1].peak
    assert found.gps_ns == expected.gps_ns
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-4)


def test_a_half_written_block_is_refused_and_becomes_a_gap() -> None:
    outcome = send(
        lambda b: [replace(s, value=s.value[: len(s.value) // 2]) for s in plain(b)] if is_faulty(b) else plain(b)
    )
    outcome.heard()
    assert outcome.source.status.refused == {"strain.L1": 1}
    assert sum(outcome.masked("L1").values()) == pytest.approx(1 / 16)


def test_a_message_of_another_schema_is_refused() -> None:
    foreign = encode_heartbeat(Heartbeat("x", 0, "running", ()))
    outcome = send(lambda b: [replace(s, value=foreign) for s in plain(b)] if is_faulty(b) else plain(b))
    outcome.heard()
    assert outcome.source.status.refused == {"strain.L1": 1}


def test_nan_masks_its_hop() -> None:
    def with_nan(block: StrainBlock) -> list[Sent]:
        if not is_faulty(block):
            return plain(block)
        samples = block.samples.copy()
        samples[100] = np.nan
        return plain(replace(block, samples=samples))

    outcome = send(with_nan)
    outcome.heard()
    assert sum(outcome.masked("L1").values()) == pytest.approx(1 / 16)


def test_a_block_at_another_rate_is_taken_or_refused_and_the_search_goes_on() -> None:
    def slower(block: StrainBlock) -> list[Sent]:
        if not is_faulty(block):
            return plain(block)
        return plain(replace(block, samples=block.samples[::2].copy(), sample_rate_hz=block.sample_rate_hz // 2))

    outcome = send(slower)
    outcome.heard()
    assert sum(outcome.masked("L1").values()) <= 2 / 16
    assert outcome.masked("H1") == {}


def test_vetoed_data_are_masked_with_their_category() -> None:
    def veto(block: StrainBlock) -> list[Sent]:
        return (
            plain(replace(block, dq_mask=block.dq_mask & ~np.uint32(4)))
            if is_faulty(block, seconds=1)
            else plain(block)
        )

    outcome = send(veto)
    outcome.heard()
    ((reason, seconds),) = outcome.masked("L1").items()
    assert "CAT2" in reason
    assert seconds == pytest.approx(1.0)


def test_a_detector_that_vanishes_does_not_silence_the_other_and_is_heard_when_it_returns() -> None:
    """L1 is away for 5 s before the merger; a second and a half after its return the pair rings."""
    back_ns = MERGER_NS - 2 * NS_PER_S
    outcome = send(lambda b: [] if b.detector == "L1" and back_ns - 5 * NS_PER_S <= b.gps_ns < back_ns else plain(b))
    outcome.heard()
    assert outcome.report.candidates[0][1].peak.detectors == ("H1", "L1")


def test_a_detector_that_stays_away_leaves_the_other_searching() -> None:
    outcome = send(lambda b: [] if b.detector == "L1" and b.gps_ns >= FAULT_NS else plain(b))
    (found,) = outcome.report.candidates
    assert found[1].peak.detectors == ("H1",)
    assert abs(found[1].gps_ns - MERGER_NS) < 50_000_000


def test_after_a_gap_of_both_the_search_hears_within_two_seconds() -> None:
    """Five seconds of nothing from either detector end 2 s before the merger."""
    back_ns = MERGER_NS - 2 * NS_PER_S
    outcome = send(lambda b: [] if back_ns - 5 * NS_PER_S <= b.gps_ns < back_ns else plain(b))
    outcome.heard()


def test_a_clock_that_jumps_ahead_is_refused_for_one_detector() -> None:
    """One block of L1 claims to be from an hour later: it must not tear the network away from the present."""
    outcome = send(lambda b: plain(replace(b, gps_ns=b.gps_ns + 3600 * NS_PER_S)) if is_faulty(b) else plain(b))
    outcome.heard()


def test_a_search_too_slow_skips_to_now_and_says_what_it_skipped() -> None:
    """Messages that are older than the allowed lag and do not get younger."""
    clock = FakeClock()
    configured = Settings(daemon={"max_lag_s": 8, "catch_up_s": 2})

    class Slow(FakeConsumer):
        """Every other poll finds a message, ten seconds old until the reader has skipped."""

        turn = 0

        def poll_batch(self, timeout_s: float, max_messages: int) -> list[Message]:
            self.turn += 1
            if self.turn % 2 == 0:
                return []
            self.clock.at_ns += NS_PER_S // 4
            sent = self.queue.pop(0)
            unix_ns = gps_ns_to_unix_ns(self.clock.at_ns - (10 if not self.skips else 0) * NS_PER_S)
            return [Message(f"strain.{sent.detector}", 0, 0, None, sent.value, (), unix_ns)]

    sent = [s for block in network_blocks() for s in plain(block)]
    consumer = Slow(sent, clock)
    source = KafkaBlocks(consumer, strain_codec(configured.strain), configured, clock, lambda: clock.at_ns > END_NS)
    for _ in source:
        pass
    assert consumer.skips == 1
    assert source.status.skips == 1
    assert source.status.skipped_s == pytest.approx(10.0, abs=0.5)
    assert source.status.lag_s < 1


def test_gaps_on_the_command_line() -> None:
    assert parse_gap("L1:30:5") == ("L1", 30.0, 5.0)
    for wrong in ("L1", "L1:x:5", "L1:30:0"):
        with pytest.raises(ConfigurationError, match="--gap"):
            parse_gap(wrong)
