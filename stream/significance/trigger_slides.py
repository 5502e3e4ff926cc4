"""Time slides of triggers: years of background from hours, by looking at nothing but what coincides.

Stands beside ``detect``, whose very functions rank what is slid. In slide n the d-th detector is moved later by d n
steps of whole seconds. No signal crosses the Earth in a second, so that what coincides does so by chance.

Two triggers of one template coincide in some slide if their times differ by light's travel time or less *within a
step*; the whole steps say in which slide. So all slides are gone through at once, and of the pairs only those that
could be loud enough: the weights of all templates sum to 1, so that an event's statistic is at most the largest
``q / 2 + T + G`` of its coincidences (one of each template). Around each such pair all triggers are gathered as that
slide puts them together, and ranked.

Every event above the least statistic is found. Of events as near as one (:data:`SAME_EVENT_NS`) the loudest counts.
What is not valid or is excluded holds no trigger, and is no live time either, by the hop, in every slide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from stream.detect.coincide import coincide, expand
from stream.detect.extrinsic import Seen
from stream.detect.ranking import WINDOW_NS, Ranking, relative_at
from stream.records import Triggers
from stream.significance.slid_pairs import SlidPairs, SlidRange, slid_pairs
from stream.superevent import SAME_EVENT_NS
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S
from stream.types import BoolArray, FloatArray, IntArray

_GROUPS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SlideConfig:
    """Which slides, and what is loud enough.

    Attributes
    ----------
    least : float
        Statistic above which every event is found.
    slides : int
        Numbers of slides run from -slides to slides, 0 left out.
    step_s : int
        Seconds between them.
    """

    least: float
    slides: int
    step_s: int = 1


@dataclass(frozen=True, slots=True)
class SlidEvents:
    """Background.

    Attributes
    ----------
    live_ns : int
        Time that was heard by all detectors, over all slides.
    slide, time_ns : array of int64, shape (n,)
        Number of the slide, and time by the first detector's clock.
    statistic : array of float64, shape (n,)
    members : array of bool, shape (n, n_detectors)
        Detectors of the loudest coincidence; two at least.
    """

    live_ns: int
    slide: IntArray
    time_ns: IntArray
    statistic: FloatArray
    members: BoolArray


def slide_triggers(
    triggers: Sequence[Triggers],
    ranking: Ranking,
    config: SlideConfig,
    excluded: Sequence[tuple[int, int]] = (),
) -> SlidEvents:
    """Slide the triggers of one stretch.

    Parameters
    ----------
    triggers : sequence of Triggers
        One per detector, all over the same time.
    ranking : Ranking
        As the search ranks.
    excluded : sequence of (int, int)
        Stretches of GPS nanoseconds that take no part in any detector, as candidates' own.
    """
    heard = [without(t, excluded) for t in triggers]
    numbers = np.concatenate((np.arange(-config.slides, 0), np.arange(1, config.slides + 1)))
    found = list(_ranked(heard, ranking, config))
    slide, time_ns, statistic = (np.concatenate(x) for x in list(zip(*found, strict=True))[:3])
    members = np.concatenate([f[3] for f in found])
    order = loudest_of_each(slide, time_ns, statistic)
    return SlidEvents(
        live_ns(heard, numbers, config.step_s), slide[order], time_ns[order], statistic[order], members[order]
    )


def without(own: Triggers, excluded: Sequence[tuple[int, int]]) -> Triggers:
    """Return triggers in valid hops only, and hops that an excluded stretch touches as not valid."""
    valid = own.valid.copy()
    for start_ns, end_ns in excluded:
        first, last = (start_ns - own.gps_ns) // HOP_NS, -((own.gps_ns - end_ns) // HOP_NS)
        valid[max(0, first) : max(0, last)] = False
    hop = (own.time_ns - own.gps_ns) // HOP_NS
    inside = (hop >= 0) & (hop < len(valid))
    kept = np.flatnonzero(inside)[valid[hop[inside]]]
    kept = kept[np.argsort(own.time_ns[kept], kind="stable")]
    return replace(own.take(kept), valid=valid)


def live_ns(triggers: Sequence[Triggers], numbers: IntArray, step_s: int) -> int:
    """Return the time that all detectors hear together, summed over slides, exact to the nanosecond of whole hops."""
    hops = 0
    for n in numbers.tolist():
        begins = [t.gps_ns // HOP_NS + d * n * step_s * HOPS_PER_S for d, t in enumerate(triggers)]
        low, high = max(begins), min(b + len(t.valid) for b, t in zip(begins, triggers, strict=True))
        if low < high:
            together = [t.valid[low - b : high - b] for b, t in zip(begins, triggers, strict=True)]
            hops += int(np.count_nonzero(np.logical_and.reduce(together)))
    return hops * HOP_NS


def _ranked(
    triggers: Sequence[Triggers], ranking: Ranking, config: SlideConfig
) -> Iterator[tuple[IntArray, IntArray, FloatArray, BoolArray]]:
    """Yield slide, time, statistic and members of events, some of them twice."""
    yield np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros((0, len(triggers)), np.bool_)
    slide, time_ns = _seeds(triggers, ranking, config)
    for start in range(0, len(slide), _GROUPS_AT_ONCE):
        part = slice(start, start + _GROUPS_AT_ONCE)
        yield _rank_around(triggers, ranking, config, slide[part], time_ns[part])


def _rank_around(
    triggers: Sequence[Triggers],
    ranking: Ranking,
    config: SlideConfig,
    slide: IntArray,
    time_ns: IntArray,
) -> tuple[IntArray, IntArray, FloatArray, BoolArray]:
    """Rank the events near some times of some slides: each time's surroundings on a clock of its own."""
    names = tuple(t.detector for t in triggers)
    reach = max(ranking.term.window_ns(a, b) for a, b in combinations(names, 2))
    span = 3 * WINDOW_NS + reach
    apart = 4 * span
    together = []
    for d, own in enumerate(triggers):
        shift = slide * (d * config.step_s * NS_PER_S)
        low = np.searchsorted(own.time_ns, time_ns - shift - span)
        high = np.searchsorted(own.time_ns, time_ns - shift + span, side="right")
        group, at = expand(low, high)
        local = own.time_ns[at] + shift[group] - time_ns[group] + (2 * group + 1) * apart
        together.append(replace(own.take(at), time_ns=local))
    found = coincide(together, ranking.term)
    group = found.time_ns // (2 * apart)
    at_ns = time_ns[group] + found.time_ns - (2 * group + 1) * apart
    relative = _relative(triggers, config, slide[group], at_ns)
    events = ranking.events(found, np.ones((len(found), len(names)), dtype=np.bool_), relative)
    group = events.time_ns // (2 * apart)
    off = events.time_ns - (2 * group + 1) * apart
    members = events.loudest.seen.members
    good = (np.abs(off) <= 2 * WINDOW_NS) & (events.statistic >= config.least) & (members.sum(axis=1) > 1)
    at_ns = time_ns[group] + off
    for d, own in enumerate(triggers):
        hop = (at_ns - slide[group] * (d * config.step_s * NS_PER_S) - own.gps_ns) // HOP_NS
        inside = (hop >= 0) & (hop < len(own.valid))
        good &= inside & own.valid[np.clip(hop, 0, len(own.valid) - 1)]
    return slide[group][good], at_ns[good], events.statistic[good], members[good]


def loudest_of_each(slide: IntArray, time_ns: IntArray, statistic: FloatArray) -> IntArray:
    """Return the events than which no louder one is as near as the same event, in the order of slide and time."""
    order = np.lexsort((time_ns, slide))
    span = int(np.ptp(time_ns)) + 2 * SAME_EVENT_NS if len(order) else 0
    key = (slide[order] - slide.min(initial=0)) * span + (time_ns[order] - time_ns.min(initial=0))
    low, high = np.searchsorted(key, key - SAME_EVENT_NS), np.searchsorted(key, key + SAME_EVENT_NS, side="right")
    row, at = expand(low, high)
    own, other = statistic[order][row], statistic[order][at]
    beaten = np.bincount(row, (other > own) | ((other == own) & (at < row)), len(order)) > 0
    return order[~beaten]


def _seeds(triggers: Sequence[Triggers], ranking: Ranking, config: SlideConfig) -> tuple[IntArray, IntArray]:
    """Return slide and time of every pair that an event could stand on; of those in one window the first."""
    slides, times = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    least_q = _least_q(triggers, ranking, config.least)
    for a, b in combinations(range(len(triggers)), 2):
        window = ranking.term.window_ns(triggers[a].detector, triggers[b].detector)
        step = (b - a) * config.step_s * NS_PER_S
        for pairs in slid_pairs(triggers[a], triggers[b], SlidRange(step, window, config.slides, least_q)):
            loud = pairs
            if len(triggers) == 2:
                loud = pairs.take(_bound(triggers, pairs, ranking, config) >= config.least)
            slides.append(loud.slide)
            times.append(triggers[a].time_ns[loud.first] + loud.slide * (a * config.step_s * NS_PER_S))
    slide, time_ns = np.concatenate(slides), np.concatenate(times)
    _, first = np.unique(np.stack((slide, time_ns // WINDOW_NS), axis=1), axis=0, return_index=True)
    return slide[first], time_ns[first]


def _relative(triggers: Sequence[Triggers], config: SlideConfig, slide: IntArray, time_ns: IntArray) -> FloatArray:
    """Return :func:`relative_at` of times in slides, each detector's on its own clock."""
    columns = [
        relative_at([own], time_ns - slide * (d * config.step_s * NS_PER_S))[:, 0] for d, own in enumerate(triggers)
    ]
    return np.stack(columns, axis=1)


def _bound(triggers: Sequence[Triggers], pairs: SlidPairs, ranking: Ranking, config: SlideConfig) -> FloatArray:
    """Return q / 2 + T + G of two detectors' pairs: what an event's statistic could be at most."""
    both = ((triggers[0], pairs.first), (triggers[1], pairs.second))
    snr = np.stack([t.snr[rows] for t, rows in both], axis=1).astype(np.complex128)
    moved = pairs.slide * (config.step_s * NS_PER_S)
    time_ns = np.stack([t.time_ns[rows] + d * moved for d, (t, rows) in enumerate(both)], axis=1)
    everybody = np.ones(snr.shape, dtype=np.bool_)
    seen = Seen((triggers[0].detector, triggers[1].detector), everybody, snr, time_ns)
    relative = _relative(triggers, config, pairs.slide, time_ns.sum(axis=1) // 2)
    looks = np.sum([t.glitch[rows].astype(np.float64) for t, rows in both], axis=0)
    bound: FloatArray = 0.5 * np.sum(np.abs(snr) ** 2, axis=1) + ranking.term.at(seen, everybody, relative) + looks
    return bound


def _least_q(triggers: Sequence[Triggers], ranking: Ranking, least: float) -> float:
    """Return the sum of r^2 + 2 G below which no pair can belong to an event that loud.

    Of a set of m detectors the loudest pair has 2 / m of q at least; what m detectors can say at most is taken where
    their SNRs are equal. T falls as they grow, so that it is not more for what they were before the glitch term.
    """
    q = np.linspace(18.0, 418.0, 4001)
    best = max((float(t.relative.max()) for t in triggers if len(t.relative)), default=1.0)
    out = []
    for m in range(2, len(triggers) + 1):
        enough = 0.5 * q + ranking.term.most(q, m, best) >= least
        out.append(2.0 / m * float(q[np.argmax(enough)]))
    return min(out)
