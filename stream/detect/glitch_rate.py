"""How often a detector glitches of late, from its triggers alone.

Stands inside the glitch term. A second holds a glitch if its loudest trigger, above :data:`LEAST_SNR` and louder than
both neighbouring seconds', is as unlike its template as signals are not. So a signal, whose loudest trigger is like its
template, is none, and what is counted of a long or loud disturbance is one second. The count forgets within
:data:`MEMORY_S` of heard time; it starts as where the term was fitted, and falls to a hundredth after hours of quiet.

A rate counts from :data:`LAG_S` after the seconds that it is of, and changes on whole GPS seconds: an event does not
judge itself, and any chunking of the data gives the same rates (invariant 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.records import Triggers
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S
from stream.types import FloatArray

LEAST_SNR = 6.5
LEAST_UNLIKENESS = 1.0
MEMORY_S = 2000.0
LAG_S = 8
_PRIOR = 0.01
"""Part of the expected count that is there after any quiet: what rate is the least."""


@dataclass(frozen=True, slots=True)
class GlitchState:
    """What a checkpoint keeps of a rate.

    Attributes
    ----------
    count : float
        Glitches not yet forgotten.
    first_s : int
        GPS second that the rest begins with; it is counted, those after it are not.
    snr, unlike, hops : tuple
        Of each second: SNR and unlikeness of the loudest trigger, and how many hops were heard.
    """

    count: float
    first_s: int = 0
    snr: tuple[float, ...] = ()
    unlike: tuple[float, ...] = ()
    hops: tuple[int, ...] = ()


@dataclass(slots=True)
class _Second:
    snr: float = 0.0
    unlike: float = 0.0
    hops: int = 0


class GlitchRate:
    """Rate of one detector's glitches.

    Parameters
    ----------
    usual_hz : float
        The rate that is 1.
    """

    def __init__(self, usual_hz: float) -> None:
        self._expected = usual_hz * MEMORY_S
        self._count = self._expected
        self._first_s = 0
        self._seconds: list[_Second] = []

    def step(self, triggers: Triggers, unlike: FloatArray) -> FloatArray:
        """Return ln of the rate that counts for each trigger, shape (n,); ``unlike`` (n,) is how unlike each is."""
        hop_s = (triggers.gps_ns + HOP_NS * np.arange(len(triggers.valid))) // NS_PER_S
        at_s = triggers.time_ns // NS_PER_S
        order = np.argsort(at_s, kind="stable")
        modulus, out = np.abs(triggers.snr), np.zeros(len(at_s))
        seconds = np.union1d(hop_s, at_s)
        edges = np.append(seconds, seconds[-1:] + 1)
        first, first_hop = np.searchsorted(at_s[order], edges).tolist(), np.searchsorted(hop_s, edges).tolist()
        for k, second in enumerate(seconds.tolist()):
            rows, now = order[first[k] : first[k + 1]], self._reach(second)
            now.hops += int(np.count_nonzero(triggers.valid[first_hop[k] : first_hop[k + 1]]))
            out[rows] = self._ln_rate()
            loudest = rows[modulus[rows].argmax()] if len(rows) else 0
            if len(rows) and modulus[loudest] > now.snr:
                now.snr, now.unlike = float(modulus[loudest]), float(unlike[loudest])
        return out

    def state(self) -> GlitchState:
        """Return what a checkpoint keeps."""
        kept = [(s.snr, s.unlike, s.hops) for s in self._seconds]
        snr, unlike, hops = zip(*kept, strict=True) if kept else ((), (), ())
        return GlitchState(self._count, self._first_s, snr, unlike, hops)

    def restore(self, state: GlitchState) -> None:
        """Take up a checkpoint."""
        self._count, self._first_s = state.count, state.first_s
        self._seconds = [_Second(*s) for s in zip(state.snr, state.unlike, state.hops, strict=True)]

    def _ln_rate(self) -> float:
        least = _PRIOR * self._expected
        return float(np.log((self._count + least) / (self._expected + least)))

    def _reach(self, second: int) -> _Second:
        """Return a second's own record, when all that lie further back than the lag are counted."""
        if second < self._first_s:  # the data begin anew, in the past
            self._seconds = []
        while self._seconds and self._first_s + LAG_S < second:
            self._count_next()
        if not self._seconds:
            self._first_s, self._seconds = second, [_Second()]
        while self._first_s + len(self._seconds) <= second:
            self._seconds.append(_Second())
        return self._seconds[second - self._first_s]

    def _count_next(self) -> None:
        """Count the second after the first, and leave the first behind."""
        before, *rest = self._seconds
        self._first_s, self._seconds = self._first_s + 1, rest
        if not rest:
            return
        own, after = rest[0], rest[1] if len(rest) > 1 else _Second()
        self._count *= float(np.exp(-own.hops / HOPS_PER_S / MEMORY_S))
        self._count += _is_glitch(before, own, after)


def glitches_in(triggers: Triggers, unlike: FloatArray) -> int:
    """Return how many seconds of a stretch hold a glitch; parameters as of :meth:`GlitchRate.step`."""
    at_s = (triggers.time_ns - triggers.gps_ns) // NS_PER_S
    seconds = [_Second() for _ in range(int(at_s.max(initial=0)) + 3)]
    for k in np.argsort(np.abs(triggers.snr)).tolist():  # the loudest of each second is what stays
        seconds[at_s[k] + 1] = _Second(float(abs(triggers.snr[k])), float(unlike[k]))
    return sum(_is_glitch(*three) for three in zip(seconds, seconds[1:], seconds[2:], strict=False))


def _is_glitch(before: _Second, own: _Second, after: _Second) -> bool:
    alone = before.snr < own.snr >= after.snr
    return alone and own.snr >= LEAST_SNR and own.unlike >= LEAST_UNLIKENESS
