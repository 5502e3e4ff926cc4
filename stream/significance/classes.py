"""Classes of background: what a peak is compared with.

A model that ranks one detector alone beside coincidences tells, of a set of detectors that could have triggered,
coincidences of two or more (``H1+L1``) from what one of them heard and the others did not (``H1 of H1+L1``). Each has a
background of its own: coincidences can be slid, a detector alone cannot. They are open at once, so that the false-alarm
rate is shared: coincidences get 95 % of it, the detectors alone 5 % in equal parts. With rate r in a class of share s
the false-alarm rate is r / s, and events at a rate of f or less come from all classes together no more often than f.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream.records import Peak
from stream.significance.shipped import set_name

ALONE_SHARE = 0.05
"""What all detectors alone get together of the false-alarm rate."""


@dataclass(frozen=True, slots=True)
class BackgroundClass:
    """One class.

    Attributes
    ----------
    key : tuple of str
        By which live counts know it; joined by ``+`` its name.
    share : float
        Its part of the false-alarm rate.
    """

    key: tuple[str, ...]
    share: float

    @property
    def name(self) -> str:
        """Name, as in ``background.json``."""
        return set_name(self.key)


def coincident(heard: Sequence[str]) -> BackgroundClass:
    """Return the class of what two or more of the detectors heard; of one detector, all that it hears."""
    return BackgroundClass(tuple(sorted(heard)), 1.0 - ALONE_SHARE if len(heard) > 1 else 1.0)


def alone(detector: str, heard: Sequence[str]) -> BackgroundClass:
    """Return the class of what one detector heard and the others did not."""
    return BackgroundClass((f"{detector} of {set_name(heard)}",), ALONE_SHARE / len(heard))


def class_of(peak: Peak, *, ranks_alone: bool) -> BackgroundClass:
    """Return the class of a peak.

    Parameters
    ----------
    peak : Peak
    ranks_alone : bool
        Whether the model ranks a detector alone beside coincidences; otherwise a set has one class.
    """
    heard = peak.heard or peak.detectors
    if not ranks_alone:
        return BackgroundClass(tuple(sorted(peak.detectors)), 1.0)
    if len(peak.detectors) == 1 and len(heard) > 1:
        return alone(peak.detectors[0], heard)
    return coincident(heard)
