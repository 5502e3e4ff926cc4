"""From ranked frames to events: which peaks of a background stand for themselves.

The rule of :mod:`stream.superevent`, that peaks within a second are one event, which its loudest stands for; the search
and the backgrounds count the same thing.
"""

from __future__ import annotations

import numpy as np

from stream.types import FloatArray, IntArray


def loudest_apart(frames: IntArray, statistic: FloatArray, rate_hz: int, apart_frames: int) -> FloatArray:
    """Return the statistics of a stretch's events.

    Parameters
    ----------
    frames : array of int64, shape (n,)
        Numbers of the frames that are looked at, rising.
    statistic : array of float64, shape (n,)
    rate_hz : int
        Frames a second.
    apart_frames : int
        A peak no further than this from the event before it belongs to it; the louder stands for both.
    """
    if not len(frames):
        return np.zeros(0)
    starts = np.flatnonzero(np.diff(frames // rate_hz, prepend=frames[0] // rate_hz - 1))
    loudest = np.maximum.reduceat(statistic, starts)
    events: list[float] = []
    last = -(1 << 62)
    for k, start in enumerate(starts):
        stop = starts[k + 1] if k + 1 < len(starts) else len(frames)
        at = int(frames[start + int(statistic[start:stop].argmax())])
        value = float(loudest[k])
        if at - last > apart_frames:
            events.append(value)
            last = at
        elif value > events[-1]:
            events[-1], last = value, at
    return np.array(events)
