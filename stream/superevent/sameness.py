"""Three rules: which findings are one event, which of them is louder, and which follow-up tells more.

**One event.** Mergers within :data:`SAME_EVENT_NS` of each other are one: a loud signal's filter output has bumps up
to a second around its peak, and two mergers that near are not expected in the life of the detectors.

**The same peak** is one heard again: after a restart, or by a second daemon. Two peaks of one run are at least the
confirmation time apart (``detect.confirm_s``, 12 frames), so what stands within :data:`SAME_PEAK_NS`, two frames, of
an alerted peak and was heard by no detector that this one lacked is that peak. It is no news, whatever its statistic
(the PSD of a restart is a little different) and its FAR (the live background begins anew) are now.

**Louder** is, for the same detectors, the higher statistic: both are measured on one scale, and their FARs come from
one background, which may stand at its limit for both. Statistics of different detector sets are not comparable, their
FARs are: there the lower FAR is louder, and the higher statistic where both FARs stand at one limit. Those of two
models have no common scale at all: there the lower FAR alone is louder. A statistic that
is less than :data:`STATISTIC_STEP` higher is the same: it may differ by a tenth of that when blocks are cut otherwise.
A candidate has to be louder than *every* alert of its event and of any other one that near, not only than the last: so
that what was passed over once is passed over again when it is heard again, though FARs have changed since and another
event has begun beside it.

**The preferred candidate is that of the lowest FAR**, and that is what the rule of the louder gives: of what one
background says at one time the FAR never rises with the statistic, so that for the same detectors the higher statistic
has the lower FAR, or both stand at one limit; everywhere else FARs are compared. Statistics take the FARs' place where
they can, because a FAR is another one after a restart and a statistic is not (``tests/property`` holds both).

**A follow-up tells more** than an alert did, if it has all that the alert had (map, class, properties, chirp mass) and
something besides, or as much by a method of higher rank.
"""

from __future__ import annotations

from stream.records import Candidate, Followed
from stream.superevent.sent import Sent
from stream.timebase import NS_PER_S

SAME_EVENT_NS = NS_PER_S
"""Mergers that are this close are one event."""
SAME_PEAK_NS = NS_PER_S // 50
"""Two frames of 1/128 s, and their rounding."""
STATISTIC_STEP = 1e-3
METHODS = ("tocsin", "bayestar")
"""What makes sky maps, each of a higher rank than those before it."""


def is_same_peak(candidate: Candidate, sent: Sent) -> bool:
    """Return whether a candidate is the peak of an alert, heard again."""
    near = abs(candidate.gps_ns - sent.gps_ns) <= SAME_PEAK_NS
    return near and set(candidate.peak.detectors) <= set(sent.detectors)


def is_louder(candidate: Candidate, sent: Sent) -> bool:
    """Return whether a candidate is louder than the one of an alert; than one of unknown loudness none is."""
    if sent.statistic is None:
        return False
    if sent.candidate is not None and sent.candidate.model != candidate.model:
        return candidate.far_hz < sent.candidate.far_hz
    higher = candidate.peak.statistic > sent.statistic + STATISTIC_STEP
    if set(candidate.peak.detectors) == set(sent.detectors):
        return higher
    if sent.far_hz is None:
        return False
    return candidate.far_hz < sent.far_hz or (candidate.far_hz == sent.far_hz and higher)


def tells_more(new: Followed | None, old: Followed | None) -> bool:
    """Return whether a follow-up tells more than an alert did; what the alert had must be in it."""
    if new is None or not new.known:
        return False
    if old is None or not old.known:
        return True
    has, had = set(new.known), set(old.known)
    return has > had or (has == had and _rank(new.method) > _rank(old.method))


def _rank(method: str) -> int:
    return METHODS.index(method) if method in METHODS else -1
