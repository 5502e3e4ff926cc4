"""Other messengers of simulated mergers, and by chance: when which notice is sent.

All follows from one seed and absolute time. A burst's delay is like GRB 170817A's, 1.74 s (Abbott et al., ApJL 848, L13
(2017)); a neutrino comes within 5 s; what comes by chance is anywhere, and a part of it is withdrawn.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stream.errors import ConfigurationError
from stream.simulate.notices import Seen, SimulatedNotice, gbm_notices, track_notices
from stream.timebase import NS_PER_S

KINDS = ("grb", "neutrino")
_DELAY_S, _DELAY_SPREAD, _LONGEST_DELAY_S = 1.74, 0.4, 4.5
_TRACK_WITHIN_S = 5.0
_RETRACTED_PART = 0.2
_CELL_S = 64
"""What comes by chance is drawn for so many seconds at a time, each from a seed of its own."""


@dataclass(frozen=True, slots=True)
class MessengerConfig:
    """What to simulate.

    Attributes
    ----------
    kinds : tuple of str
        Of :data:`KINDS`.
    seed : int
    chance_hz : float
        Events of each kind that no merger belongs to.
    pace : float
        How late notices come, as part of what their missions take.
    """

    kinds: tuple[str, ...] = KINDS
    seed: int = 7
    chance_hz: float = 0.0
    pace: float = 1.0

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a kind that is none."""
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigurationError(f"--external {kind}: there are {', '.join(KINDS)}")


class MessengerNetwork:
    """Make notices.

    Parameters
    ----------
    config : MessengerConfig
    start_ns : int
        No event by chance is before this.
    """

    def __init__(self, config: MessengerConfig, start_ns: int) -> None:
        self.config = config
        self._start_ns = start_ns
        self._cell = start_ns // (_CELL_S * NS_PER_S)
        self._waiting: list[SimulatedNotice] = []

    def merger(self, merger: Seen) -> None:
        """Let each kind of messenger come from a merger."""
        for kind in self.config.kinds:
            rng = self._rng(f"merger {kind}", merger.gps_ns)
            if kind == "grb":
                delay_s = min(_DELAY_S * math.exp(rng.normal(0.0, _DELAY_SPREAD)), _LONGEST_DELAY_S)
            else:
                delay_s = rng.uniform(-_TRACK_WITHIN_S, _TRACK_WITHIN_S)
            seen = Seen(merger.gps_ns + round(delay_s * NS_PER_S), merger.ra_rad, merger.dec_rad)
            self.event(kind, seen, rng, of_merger=True)

    def event(self, kind: str, seen: Seen, rng: np.random.Generator, *, of_merger: bool = False) -> None:
        """Let an event be seen; one of no merger is now and then withdrawn."""
        make = gbm_notices if kind == "grb" else track_notices
        withdrawn = not of_merger and rng.random() < _RETRACTED_PART
        for notice in make(seen, rng, withdrawn=withdrawn):
            sent_ns = seen.gps_ns + round((notice.sent_ns - seen.gps_ns) * self.config.pace)
            self.add(replace(notice, sent_ns=sent_ns, of_merger=of_merger))

    def add(self, notice: SimulatedNotice) -> None:
        """Let a notice be sent when it is due."""
        heapq.heappush(self._waiting, notice)

    def until(self, gps_ns: int) -> Iterator[SimulatedNotice]:
        """Yield what is sent until a time and has not been yielded, in its order."""
        self._draw_chance(gps_ns)
        while self._waiting and self._waiting[0].sent_ns <= gps_ns:
            yield heapq.heappop(self._waiting)

    def _draw_chance(self, gps_ns: int) -> None:
        while self._cell * _CELL_S * NS_PER_S <= gps_ns:
            cell_ns = self._cell * _CELL_S * NS_PER_S
            for kind in self.config.kinds:
                rng = self._rng(f"chance {kind}", self._cell)
                for _ in range(rng.poisson(self.config.chance_hz * _CELL_S)):
                    at_ns = cell_ns + int(rng.integers(_CELL_S * NS_PER_S))
                    dec_rad = math.asin(rng.uniform(-1.0, 1.0))
                    seen = Seen(at_ns, rng.uniform(0.0, 2 * math.pi), dec_rad)
                    if at_ns >= self._start_ns:
                        self.event(kind, seen, rng)
            self._cell += 1

    def _rng(self, what: str, when: int) -> np.random.Generator:
        return np.random.default_rng((self.config.seed, zlib.crc32(what.encode()), when))
