"""``tocsin simulate``: a live synthetic network on Kafka, with injections, glitches and witnesses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import structlog

from pipelines.feeds.archive import block_hops
from pipelines.feeds.external import NoticeFeed
from pipelines.feeds.feed import feed
from stream.errors import ConfigurationError
from stream.records import Block
from stream.settings import Settings
from stream.simulate.detector import Gap, Injection, NetworkConfig, SyntheticNetwork
from stream.simulate.external import MessengerConfig, MessengerNetwork
from stream.simulate.notices import Seen
from stream.simulate.waveforms import BinaryParameters, draw_binary
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S, SystemClock, ns_to_gps_s

log = structlog.get_logger()
LONGEST_S = 1e8
"""No gap starts later or lasts longer, in s: nanoseconds fit an integer, and no simulation runs for three years."""

LEAD_NS = 8 * NS_PER_S
"""An injection is added this long before its merger: longer than any of its signal that can be heard."""


def draw_injection(
    rng: np.random.Generator, geocent_ns: int, snr_range: tuple[float, float] = (14.0, 30.0)
) -> Injection:
    """Draw a binary black hole of 15 to 60 solar masses per component, network SNR log-uniform in a range."""
    parameters: BinaryParameters = draw_binary(rng, geocent_ns, (15.0, 60.0))
    return Injection(parameters, float(np.exp(rng.uniform(*np.log(snr_range)))))


def injected_blocks(
    network: SyntheticNetwork,
    start_ns: int,
    stop_ns: int | None,
    hops: int,
    *,
    first_ns: int,
    every_ns: int | None,
    rng: np.random.Generator,
    injected: Callable[[BinaryParameters], None] | None = None,
) -> Iterator[Block]:
    """Yield a network's blocks, with an injection every so often, drawn and added in time; ``injected`` hears of it."""
    next_ns = first_ns
    for block in network.blocks(start_ns, stop_ns, hops):
        while every_ns is not None and next_ns <= block.end_ns + LEAD_NS:
            merger_ns = next_ns + int(rng.integers(HOP_NS))
            injection = draw_injection(rng, merger_ns)
            # One detector may lie in a null of the antenna pattern; the drawn network SNR holds all the same.
            snr = network.inject(injection)
            log.info(
                "injected", gps=ns_to_gps_s(merger_ns), network_snr=round(snr, 2),
                mass1_msun=round(injection.parameters.mass1_msun, 1),
                mass2_msun=round(injection.parameters.mass2_msun, 1),
            )  # fmt: skip
            if injected is not None:
                injected(injection.parameters)
            next_ns += every_ns
        yield block


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to simulate.

    Attributes
    ----------
    inject : {"bbh"} or None
        What to inject, every ``every_s``.
    glitch_rate_hz : float
        Glitches per second and detector.
    duration_s : float or None
        None goes on until stopped.
    gaps : tuple of (detector, start, length)
        Stretches not sent, in seconds from the first sample.
    external : tuple of str
        Other messengers of :data:`stream.simulate.external.KINDS` whose notices are sent too.
    chance_hz : float
        How often each of them has an event that no merger belongs to.
    """

    seed: int = 7
    inject: str | None = None
    every_s: float = 30.0
    glitch_rate_hz: float = 0.006
    duration_s: float | None = None
    block_s: float = 1 / 16
    witnesses: bool = True
    gaps: tuple[tuple[str, float, float], ...] = ()
    external: tuple[str, ...] = ()
    chance_hz: float = 0.0

    def messengers(self, start_ns: int) -> MessengerNetwork | None:
        """Return the other messengers, from ``start_ns`` on; None where none is asked for."""
        if not self.external:
            return None
        return MessengerNetwork(MessengerConfig(self.external, self.seed, self.chance_hz), start_ns)

    def source(
        self,
        detectors: tuple[str, ...],
        start_ns: int,
        injected: Callable[[BinaryParameters], None] | None = None,
    ) -> Iterator[Block]:
        """Return the blocks from ``start_ns`` on; ``injected`` hears of each merger seconds before it.

        Raises
        ------
        ConfigurationError
            For an injection kind that is not known, a block length off the grid, or a gap of a detector not sent.
        """
        if self.inject not in (None, "bbh"):
            raise ConfigurationError(f"--inject {self.inject}: there is only bbh (binary black holes)")
        for detector, *_ in self.gaps:
            if detector not in detectors:
                raise ConfigurationError(f"--gap {detector}: only {', '.join(detectors)} send")
        gaps = tuple(
            Gap(detector, start_ns + round(at_s * NS_PER_S), start_ns + round((at_s + length_s) * NS_PER_S))
            for detector, at_s, length_s in self.gaps
        )
        config = NetworkConfig(
            detectors=detectors,
            seed=self.seed,
            witnesses=self.witnesses,
            glitch_rate_hz=self.glitch_rate_hz,
            gaps=gaps,
        )
        every_ns = round(self.every_s * NS_PER_S)
        return injected_blocks(
            SyntheticNetwork(config),
            start_ns,
            None if self.duration_s is None else start_ns + round(self.duration_s * HOPS_PER_S) * HOP_NS,
            block_hops(self.block_s),
            first_ns=start_ns + every_ns,
            every_ns=every_ns if self.inject else None,
            rng=np.random.default_rng(self.seed),
            injected=injected,
        )


def parse_gap(text: str) -> tuple[str, float, float]:
    """Return a gap written as ``L1:30:5``: detector, start and length in seconds.

    Raises
    ------
    ConfigurationError
        If it is written otherwise.
    """
    try:
        detector, start, length = text.split(":")
        gap = detector, float(start), float(length)
    except ValueError as error:
        raise ConfigurationError(f"--gap {text}: write DETECTOR:START:SECONDS, for example L1:30:5") from error
    if not (0 <= gap[1] <= LONGEST_S and 0 < gap[2] <= LONGEST_S):
        raise ConfigurationError(f"--gap {text}: it must start at 0 s or later, and its length be positive")
    return gap


def simulate_to_kafka(settings: Settings, simulation: Simulation, stop: threading.Event | None = None) -> int:
    """Send a synthetic network in real time, from the next whole second on; return the number of blocks.

    Raises
    ------
    ConfigurationError
        As :meth:`Simulation.source`.
    TransportError
        If the broker is away for longer than its producer waits.
    """
    clock = SystemClock()
    start_ns = (clock.now_ns() // NS_PER_S + 1) * NS_PER_S
    network = simulation.messengers(start_ns)
    if network is None:
        return feed(simulation.source(settings.strain.detectors, start_ns), settings, clock, stop=stop)

    def injected(binary: BinaryParameters) -> None:
        network.merger(Seen(binary.geocent_ns, binary.ra_rad, binary.dec_rad))

    with NoticeFeed(network, settings, clock) as notices:
        source = simulation.source(settings.strain.detectors, start_ns, injected)
        return feed(source, settings, clock, stop=stop, on_block=notices.sent_until)
