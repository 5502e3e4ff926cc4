"""Years of time slides of the present network's frames: some whole, and in all others the frames that can matter.

The slides are those of ``tocsin evaluate background`` (:mod:`pipelines.evaluate.slid`); here is what a measurement of
sensitivity wants of them: the loudest events, as frequent as its false-alarm rates ask for, and above which they are
complete.
"""

from __future__ import annotations

import numpy as np

from pipelines.evaluate.searched import FARS_HZ, Counts
from pipelines.evaluate.slid import Slid, Stretch

_PAIR = (0, 1)
_WHOLE_SLIDES = 48
_ROOM = 0.5
"""How much larger than the largest one seen a pair term may be."""
_FREQUENT_HZ = 10.0 * max(FARS_HZ.values())
_FEWEST = 100


def slide(
    stretch: Stretch, slides: int, whole_slides: int = _WHOLE_SLIDES, frequent_hz: float = _FREQUENT_HZ
) -> Counts:
    """Count the events of two detectors' slides by 1, 2, ... whole seconds in a ring.

    Parameters
    ----------
    stretch : Stretch
    slides : int
        At most one less than the stretch has seconds.
    whole_slides : int
        How many of them are ranked frame by frame: they say which events are loud enough, and how large a pair term is.
    frequent_hz : float
        Events more frequent than this need not be counted.
    """
    if slides < 1:
        return Counts.of(0.0, [])
    whole = {1 + k * slides // min(whole_slides, slides) for k in range(min(whole_slides, slides))}
    seen = Slid.joined([stretch.dense(_PAIR, lag) for lag in sorted(whole)])
    wanted = max(_FEWEST, int(frequent_hz * seen.duration_s))
    least = float(np.sort(seen.events)[-wanted - 1]) if wanted < len(seen.events) else float(seen.events.min())
    cut = least - float(seen.loud[1].max()) - _ROOM
    rest = [stretch.sparse(_PAIR, lag, least, cut) for lag in range(1, slides + 1) if lag not in whole]
    every = Slid.joined([seen, *rest])
    return Counts.of(every.duration_s, every.events[every.events > least], least)
