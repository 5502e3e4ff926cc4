"""The ranking statistic of an event: the logarithm of a sum over all templates that heard it.

Stands between ``coincide`` and ``significance``::

    S = ln sum exp(q / 2 + ln w + T + sum over detectors of G)

over the coincidences of all templates within :data:`WINDOW_NS` of the loudest one. q is the sum of squared SNRs, w the
share of detected binaries whose best template this is, T the extrinsic term, and G what a trigger loses because real
noise makes more of its like than Gaussian noise does, 0 where it does not (:mod:`stream.detect.glitch_term`). Each
summand is a ratio of the densities of signals and of noise, whatever detectors it is of, so that one, two, three and
four compare; S grows with SNR without bound.

An event is a coincidence within :data:`WINDOW_NS` of which no other has a larger summand. That asks only for what
lies that near: it is the same however the data are cut (:class:`RankingStage`), and the same in time slides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.coincide import Coincidences, coincide, expand
from stream.detect.extrinsic import ExtrinsicTerm
from stream.records import Triggers
from stream.timebase import HOP_NS
from stream.types import BoolArray, FloatArray, IntArray

WINDOW_NS = 100_000_000
"""What a signal rings of besides its merger lies this near: templates that hear it time its merger within 30 ms of each
other, and those that hear its inspiral alone 50 to 70 ms before. With 30 ms a merger of network SNR 20 was told twice,
by the fainter one first. Over binaries of 7 to 50 solar masses S changes by less than 0.01 from 30 ms to here."""


@dataclass(frozen=True, slots=True)
class Events:
    """What was heard, in the order of time.

    Attributes
    ----------
    time_ns : array of int64, shape (n,)
        Mean arrival time over the detectors of the loudest coincidence, GPS.
    statistic : array of float64, shape (n,)
        S.
    loudest : Coincidences
        The loudest coincidence of each.
    heard : array of bool, shape (n, n_detectors)
        Which detectors could have triggered.
    """

    time_ns: IntArray
    statistic: FloatArray
    loudest: Coincidences
    heard: BoolArray

    def __len__(self) -> int:
        """Return how many."""
        return len(self.time_ns)

    def take(self, rows: IntArray) -> Events:
        """Return some of them."""
        return Events(self.time_ns[rows], self.statistic[rows], self.loudest.take(rows), self.heard[rows])


class Ranking:
    """Rank coincidences.

    Parameters
    ----------
    ln_weight : array of float64, shape (n_templates,)
        Logarithm of each template's share of the population.
    term : ExtrinsicTerm
    """

    def __init__(self, ln_weight: FloatArray, term: ExtrinsicTerm) -> None:
        self.term = term
        self.ln_weight = ln_weight

    def summands(self, of: Coincidences, heard: BoolArray, relative: FloatArray) -> FloatArray:
        """Return ln of the density of signals over that of noise for each coincidence, shape (n,).

        Parameters
        ----------
        heard : array of bool, shape (n, n_detectors)
            :func:`heard_at` of their times.
        relative : array of float64, shape (n, n_detectors)
            :func:`relative_at` of their times.
        """
        q = np.sum(of.seen.snr.real**2 + of.seen.snr.imag**2, axis=1)
        looks = of.glitch.sum(axis=1, dtype=np.float64)
        out: FloatArray = 0.5 * q + self.ln_weight[of.template] + self.term.at(of.seen, heard, relative) + looks
        return out

    def events(
        self,
        of: Coincidences,
        heard: BoolArray,
        relative: FloatArray,
        window_ns: int = WINDOW_NS,
    ) -> Events:
        """Return the events among coincidences; parameters as of :meth:`summands`."""
        if not len(of):
            return Events(of.time_ns, np.zeros(0), of, heard)
        value = self.summands(of, heard, relative)
        centre = _loudest_of_cells(of.time_ns, value, window_ns)
        low = np.searchsorted(of.time_ns, of.time_ns[centre] - window_ns)
        high = np.searchsorted(of.time_ns, of.time_ns[centre] + window_ns, side="right")
        row, at = expand(low, high)
        own, other = value[centre][row], value[at]
        # Equal summands are in the order of time: of those the first is the event.
        louder = (other > own) | ((other == own) & (at < centre[row]))
        beaten = np.bincount(row, louder, len(centre)) > 0
        total = np.bincount(row, np.exp(np.minimum(other - own, 0.0)), len(centre))
        rows = centre[~beaten]
        # Who triggered was heard, though the mean time may lie in a hop in which it no longer was.
        heard = heard[rows] | of.seen.members[rows]
        return Events(of.time_ns[rows], value[rows] + np.log(total[~beaten]), of.take(rows), heard)


def _loudest_of_cells(time_ns: IntArray, value: FloatArray, window_ns: int) -> IntArray:
    """Return the loudest coincidence of each cell of a fixed grid, in the order of time: all events are among them."""
    cell = time_ns // window_ns
    order = np.lexsort((np.arange(len(cell)), -value, cell))
    first = np.flatnonzero(np.diff(cell[order], prepend=np.iinfo(np.int64).min))
    return np.sort(order[first])


class RankingStage:
    """Rank spans of triggers as they come, carrying what the next span still needs.

    An event is told when all that can lie within its window has come: :attr:`latency_ns` after its time.

    Parameters
    ----------
    ranking : Ranking
    window_ns : int
    """

    def __init__(self, ranking: Ranking, window_ns: int = WINDOW_NS) -> None:
        self._ranking = ranking
        self._window = window_ns
        self._kept: list[Triggers] = []
        self._told_ns: int | None = None

    def step(self, triggers: Sequence[Triggers]) -> Events:
        """Return the events that this span settles; one :class:`Triggers` per detector, all over the same time."""
        end_ns = triggers[0].gps_ns + triggers[0].duration_ns
        if self._is_next(triggers):
            self._kept = [Triggers.joined((old, new)) for old, new in zip(self._kept, triggers, strict=True)]
        else:
            self._kept, self._told_ns = list(triggers), None
        reach_ns = self.latency_ns(tuple(t.detector for t in triggers)) - self._window
        until_ns = end_ns - reach_ns - self._window
        found = coincide(self._kept, self._ranking.term)
        heard, relative = heard_at(self._kept, found.time_ns), relative_at(self._kept, found.time_ns)
        events = self._ranking.events(found, heard, relative, self._window)
        # A span that begins anew knows nothing of before its start: an event is told when its window lies inside.
        after_ns = self._told_ns if self._told_ns is not None else self._kept[0].gps_ns + reach_ns + self._window
        settled = events.take(np.flatnonzero((events.time_ns >= after_ns) & (events.time_ns < until_ns)))
        self._told_ns = max(after_ns, until_ns)
        self._kept = [_since(t, self._told_ns - 2 * (self._window + reach_ns)) for t in self._kept]
        return settled

    def latency_ns(self, detectors: tuple[str, ...]) -> int:
        """Return how long after an event's time the data must go on before it is told."""
        pairs = [self._ranking.term.window_ns(a, b) for a in detectors for b in detectors if a != b]
        return self._window + max(pairs, default=0)

    def _is_next(self, triggers: Sequence[Triggers]) -> bool:
        before, now = (
            [(t.detector, t.gps_ns + t.duration_ns) for t in self._kept],
            [(t.detector, t.gps_ns) for t in triggers],
        )
        return before == now


def heard_at(triggers: Sequence[Triggers], time_ns: IntArray) -> BoolArray:
    """Return which detectors were heard at times within the triggers' stretch, shape (n, n_detectors)."""
    columns: list[BoolArray] = [own.valid[hop_of(own, time_ns)] if len(own.valid) else np.zeros(len(time_ns), np.bool_)
                                for own in triggers]  # fmt: skip
    return np.stack(columns, axis=1)


def relative_at(triggers: Sequence[Triggers], time_ns: IntArray) -> FloatArray:
    """Return each detector's sensitivity over its nominal one at times within the stretch, shape (n, n_detectors)."""
    columns = [own.relative[hop_of(own, time_ns)] if len(own.relative) else np.ones(len(time_ns)) for own in triggers]
    return np.stack(columns, axis=1).astype(np.float64)


def hop_of(own: Triggers, time_ns: IntArray) -> IntArray:
    """Return the hop of a detector's stretch that a time lies in, of those outside the nearest."""
    hop: IntArray = np.clip((time_ns - own.gps_ns) // HOP_NS, 0, max(0, len(own.valid) - 1))
    return hop


def _since(own: Triggers, from_ns: int) -> Triggers:
    """Drop whole hops that end before a time, and the triggers in them."""
    hops = max(0, min((from_ns - own.gps_ns) // HOP_NS, len(own.valid)))
    start_ns = own.gps_ns + hops * HOP_NS
    late = own.take(own.time_ns >= start_ns)
    return replace(late, gps_ns=start_ns, duration_ns=own.duration_ns - hops * HOP_NS, valid=own.valid[hops:],
                   relative=own.relative[hops:])  # fmt: skip
