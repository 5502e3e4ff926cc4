"""Years of time slides of the present network's frames, in a minute: the pair term is run where it can matter.

The statistic of a frame is what both detectors say alone, and a pair term (:mod:`stream.detect.head`). The pair term is
bounded; how large it gets is measured on some whole slides. In all others only frames whose two single statistics come
within that of the least statistic wanted are ranked, by the live search's own function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.evaluate.searched import FARS_HZ, Counts
from stream.detect.head import QUIET, Head
from stream.significance.slides import rank_slides
from stream.types import BoolArray, Float32Array, FloatArray, IntArray

_WHOLE_SLIDES = 48
_ROOM = 0.5
"""How much larger than the largest one seen a pair term may be."""
_FREQUENT_HZ = 10.0 * max(FARS_HZ.values())
_FEWEST = 100
_ROWS = 4096
_PIECE_S = 64


@dataclass(frozen=True, slots=True)
class Frames:
    """Two detectors' frames over the same seconds: float32, shape (2, n, dim + 1), and bool, shape (2, n)."""

    frames: Float32Array
    valid: BoolArray
    rate_hz: int

    @property
    def seconds(self) -> int:
        """Whole seconds."""
        return int(self.frames.shape[1]) // self.rate_hz


def slide(
    head: Head, kept: Frames, slides: int, whole_slides: int = _WHOLE_SLIDES, frequent_hz: float = _FREQUENT_HZ
) -> Counts:
    """Count the loudest event of each second of each slide; the second detector is moved later, in a ring.

    Parameters
    ----------
    slides : int
        By 1, 2, ... whole seconds; at most all of the ring.
    whole_slides : int
        How many of them are ranked frame by frame.
    frequent_hz : float
        Events more frequent than this need not be counted.
    """
    slides = min(slides, kept.seconds - 1)
    if slides < 1:
        return Counts.of(0.0, [])
    n = kept.seconds * kept.rate_hz
    kept = Frames(kept.frames[:, :n], kept.valid[:, :n], kept.rate_hz)
    whole = {1 + k * slides // min(whole_slides, slides) for k in range(min(whole_slides, slides))}
    seen = [_whole(head, kept, lag) for lag in whole]
    loudest, terms, time_s = np.concatenate([s[0] for s in seen]), max(s[1] for s in seen), sum(s[2] for s in seen)
    wanted = max(_FEWEST, int(frequent_hz * time_s))
    least = -np.inf if wanted >= len(loudest) else float(np.sort(loudest)[::-1][wanted])
    heard = (_heard(kept.valid[0], head.context), _heard(kept.valid[1], head.context))
    heard[0][: head.context] = False  # there is no slide before a stretch's first frame
    cut = least - terms - _ROOM
    rest = [_sparse(head, kept, heard, lag, cut) for lag in range(1, slides + 1) if lag not in whole]
    ranks = np.concatenate([loudest, *(r[0] for r in rest)])
    total_s = time_s + sum(r[1] for r in rest)
    return Counts.of(total_s, ranks[ranks > max(least, QUIET)], least)


def _whole(head: Head, kept: Frames, lag_s: int) -> tuple[FloatArray, float, float]:
    """Return a slide's loudest statistic of each second, its largest pair term, and its time."""
    context, n = head.context, kept.frames.shape[1]
    loudest, largest, heard_frames = [], 0.0, 0
    for start in range(0, n, _PIECE_S * kept.rate_hz):
        stop = min(n, start + _PIECE_S * kept.rate_hz)
        at = np.arange(max(0, start - context), stop)
        other = (at - lag_s * kept.rate_hz) % n
        frames = np.stack([kept.frames[0, at], kept.frames[1, other]])
        ranked, heard = rank_slides(head, frames[None], np.stack([kept.valid[0, at], kept.valid[1, other]])[None])
        alone = frames[:, context:, -1].sum(axis=0, dtype=np.float64)
        largest = max(largest, float((ranked[0] - alone)[heard[0]].max(initial=0.0)))
        heard_frames += int(heard.sum())
        unheard = np.full(stop - start - ranked.shape[1], QUIET)
        loudest.append(np.concatenate([unheard, ranked[0]]).reshape(-1, kept.rate_hz).max(axis=1))
    every = np.concatenate(loudest)
    return every[every > QUIET], largest, heard_frames / kept.rate_hz


def _sparse(
    head: Head, kept: Frames, heard: tuple[BoolArray, BoolArray], lag_s: int, cut: float
) -> tuple[FloatArray, float]:
    """Return the loudest statistic of each second that has a frame above the cut, and the slide's time."""
    lag, context, n = lag_s * kept.rate_hz, head.context, kept.frames.shape[1]
    together = kept.frames[0, :, -1] + np.roll(kept.frames[1, :, -1], lag)
    both = heard[0] & np.roll(heard[1], lag)
    at: IntArray = np.flatnonzero(both & (together >= cut))
    span = np.arange(-context, 1)
    found, seconds = [np.zeros(0)], [np.zeros(0, np.int64)]
    for some in (at[k : k + _ROWS] for k in range(0, len(at), _ROWS)):
        one, other = some[:, None] + span, (some[:, None] + span - lag) % n
        frames = np.stack([kept.frames[0, one], kept.frames[1, other]], axis=1)
        valid = np.stack([kept.valid[0, one], kept.valid[1, other]], axis=1)
        found.append(rank_slides(head, frames, valid)[0][:, 0])
        seconds.append(some // kept.rate_hz)
    statistic, second = np.concatenate(found), np.concatenate(seconds)
    order = np.lexsort((-statistic, second))
    first = np.flatnonzero(np.diff(second[order], prepend=-1))
    return statistic[order][first], float(both.sum()) / kept.rate_hz


def _heard(valid: BoolArray, context: int) -> BoolArray:
    """Return the frames that are heard with their context, in a ring."""
    heard: BoolArray = np.logical_and.reduce([np.roll(valid, k) for k in range(context + 1)])
    return heard
