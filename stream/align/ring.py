"""Preallocated rings on integer time: slot ``hop % RING_HOPS``, whatever the lengths of what is written.

A ring knows nothing of release or of lateness; its owner keeps every hop that is written or read within
``RING_HOPS`` of the oldest hop that it has not read yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stream.align.reasons import EMPTY, VALID, Codes
from stream.records import WitnessBlock, WitnessGroup
from stream.timebase import HOPS_PER_S, samples_per_hop
from stream.types import AnyFloatArray, Float32Array, FloatArray

RING_HOPS = 32 * HOPS_PER_S
"""Hops that a ring holds (32 s): at 16384 Hz 4 MiB a detector."""


def _pieces(start: int, stop: int) -> Iterator[tuple[slice, slice]]:
    """Slots, and the matching places in a stretch of hops, in at most two pieces."""
    slot, n = start % RING_HOPS, stop - start
    first = min(n, RING_HOPS - slot)
    yield slice(slot, slot + first), slice(0, first)
    if n > first:
        yield slice(0, n - first), slice(first, n)


class _Slots:
    """One byte for each hop, searched at the speed of ``bytearray.find``."""

    def __init__(self) -> None:
        self._bytes = bytearray(RING_HOPS)
        self.codes: Codes = np.frombuffer(self._bytes, dtype=np.uint8)

    def first_empty(self, start: int, stop: int) -> int:
        """Return the first hop in [start, stop) of which nothing came, or ``stop``."""
        for slots, places in _pieces(start, stop):
            found = self._bytes.find(EMPTY, slots.start, slots.stop)
            if found >= 0:
                return start + int(places.start + found - slots.start)
        return stop


@dataclass(frozen=True, slots=True)
class Written:
    """Outcome of a write: hops that were new (or better than before), known already, and known but different."""

    new: int
    known: int
    different: int


class StrainRing:
    """Strain of one detector at one rate.

    Parameters
    ----------
    rate_hz : int
        Sample rate.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.hop = samples_per_hop(rate_hz)
        self._samples: FloatArray = np.zeros((RING_HOPS, self.hop))
        self._slots = _Slots()

    def write(self, start: int, samples: AnyFloatArray, codes: Codes) -> Written:
        """Store hops; the first good copy of a hop wins, and a good one replaces a bad one.

        Parameters
        ----------
        start : int
            First hop.
        samples : array, shape (n_hops, samples_per_hop)
            Strain, not looked at where ``codes`` is not ``VALID``.
        codes : array of uint8, shape (n_hops,)
            What is known of each hop.
        """
        new = different = 0
        for slots, places in _pieces(start, start + len(codes)):
            old, fresh = self._slots.codes[slots], codes[places]
            take = (old == EMPTY) | ((old != VALID) & (fresh == VALID))
            if not take.all():
                both = ~take & (old == VALID) & (fresh == VALID)
                differs = (self._samples[slots][both] != samples[places][both]).any(axis=1)
                different += int(np.count_nonzero(differs))
            good = take & (fresh == VALID)
            if good.all():
                self._samples[slots] = samples[places]
            else:
                self._samples[slots][good] = samples[places][good]
            old[take] = fresh[take]
            new += int(np.count_nonzero(take))
        return Written(new, len(codes) - new, different)

    def take(self, start: int, stop: int) -> tuple[FloatArray, Codes]:
        """Return and forget hops [start, stop): samples, shape (n,); codes, shape (n_hops,)."""
        samples = np.empty((stop - start, self.hop))
        codes = np.empty(stop - start, dtype=np.uint8)
        for slots, places in _pieces(start, stop):
            samples[places] = self._samples[slots]
            codes[places] = self._slots.codes[slots]
            self._samples[slots] = 0.0
            self._slots.codes[slots] = EMPTY
        return samples.reshape(-1), codes

    def first_empty(self, start: int, stop: int) -> int:
        """Return the first hop in [start, stop) of which nothing came, or ``stop``."""
        return self._slots.first_empty(start, stop)

    def clear(self) -> None:
        """Forget everything."""
        self.take(0, RING_HOPS)

    def pending_codes(self, start: int, stop: int) -> Codes:
        """Return a copy of what is known of hops [start, stop)."""
        return np.concatenate([self._slots.codes[slots] for slots, _ in _pieces(start, stop)])


class WitnessRing:
    """Witness channels of one detector: one array for each group, NaN where nothing came."""

    def __init__(self, layout: tuple[WitnessGroup, ...]) -> None:
        self._names = tuple((group.sample_rate_hz, group.channels) for group in layout)
        self._hops = tuple(samples_per_hop(group.sample_rate_hz) for group in layout)
        self._data: list[Float32Array] = [
            np.full((len(group.channels), RING_HOPS, hop), np.nan, dtype=np.float32)
            for group, hop in zip(layout, self._hops, strict=True)
        ]
        self._slots = _Slots()

    def fits(self, block: WitnessBlock) -> bool:
        """Whether a block has the channels and rates that this ring was made for."""
        return self._names == tuple((group.sample_rate_hz, group.channels) for group in block.groups)

    def write(self, start: int, first: int, groups: tuple[WitnessGroup, ...], n_hops: int) -> None:
        """Store hops ``first`` to ``n_hops`` of groups that begin at hop ``start``; later copies win."""
        for slots, places in _pieces(start + first, start + n_hops):
            for data, hop, group in zip(self._data, self._hops, groups, strict=True):
                columns = slice((first + places.start) * hop, (first + places.stop) * hop)
                piece = group.samples[:, columns]
                data[:, slots] = piece.reshape(len(piece), -1, hop)
            self._slots.codes[slots] = VALID

    def take(self, start: int, stop: int) -> tuple[WitnessGroup, ...]:
        """Return and forget hops [start, stop); empty where nothing came at all."""
        pieces = list(_pieces(start, stop))
        any_there = any(self._slots.codes[slots].any() for slots, _ in pieces)
        groups = tuple(
            WitnessGroup(
                rate,
                channels,
                np.concatenate([data[:, slots].reshape(len(channels), -1) for slots, _ in pieces], axis=1),
            )
            for (rate, channels), data in zip(self._names, self._data, strict=True)
            if any_there
        )
        for slots, _ in pieces:
            for data in self._data:
                data[:, slots] = np.nan
            self._slots.codes[slots] = EMPTY
        return groups

    def first_empty(self, start: int, stop: int) -> int:
        """Return the first hop in [start, stop) of which nothing came, or ``stop``."""
        return self._slots.first_empty(start, stop)
