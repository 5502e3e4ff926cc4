"""What arrives: blocks of strain and of witnesses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from stream.timebase import samples_to_ns
from stream.types import AnyFloatArray, Float32Array, UIntArray


class DataQuality(IntFlag):
    """Bits of a data-quality word; a set bit is good news (GWOSC's ``simple`` bitmask, same order)."""

    DATA = 1
    CBC_CAT1 = 2
    CBC_CAT2 = 4
    CBC_CAT3 = 8
    BURST_CAT1 = 16
    BURST_CAT2 = 32
    BURST_CAT3 = 64

    @classmethod
    def all_good(cls) -> DataQuality:
        """Return a word with every bit set."""
        return cls(127)


@dataclass(frozen=True, slots=True)
class StrainBlock:
    """A contiguous stretch of one detector's strain, as it arrived.

    Attributes
    ----------
    detector : str
        ``H1``, ``L1``, ``V1``, ``K1`` or ``I1``.
    channel : str
        Name of the channel at the site, for example ``H1:GDS-CALIB_STRAIN``.
    gps_ns : int
        Start, on the hop grid of 1/16 s.
    sample_rate_hz : int
        4096 or 16384.
    samples : array of float32 or float64, shape (n,)
        Dimensionless strain; NaN where the site had none. ``n`` is a whole number of hops.
    dq_mask : array of uint32, shape (n_hops,)
        One :class:`DataQuality` word for each hop.
    sequence : int
        Counts up by one per block of a producer; a jump says that blocks were lost.
    sent_ns : int or None
        When the producer sent it (GPS), or None when unknown.
    """

    detector: str
    channel: str
    gps_ns: int
    sample_rate_hz: int
    samples: AnyFloatArray
    dq_mask: UIntArray
    sequence: int = 0
    sent_ns: int | None = None

    @property
    def duration_ns(self) -> int:
        """Length in nanoseconds."""
        return samples_to_ns(len(self.samples), self.sample_rate_hz)

    @property
    def end_ns(self) -> int:
        """First nanosecond after the block."""
        return self.gps_ns + self.duration_ns


@dataclass(frozen=True, slots=True)
class WitnessGroup:
    """Auxiliary channels of one rate: ``samples`` is float32, shape (n_channels, n_samples)."""

    sample_rate_hz: int
    channels: tuple[str, ...]
    samples: Float32Array


@dataclass(frozen=True, slots=True)
class WitnessBlock:
    """Witness channels of one detector over the same kind of stretch as a :class:`StrainBlock`."""

    detector: str
    gps_ns: int
    duration_ns: int
    groups: tuple[WitnessGroup, ...]
    sequence: int = 0
    sent_ns: int | None = None

    @property
    def end_ns(self) -> int:
        """First nanosecond after the block."""
        return self.gps_ns + self.duration_ns


Block = StrainBlock | WitnessBlock
"""What a topic of strain or of witnesses holds."""
