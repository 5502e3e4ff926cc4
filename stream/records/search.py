"""What passes between the stages of the search: aligned, cleaned, whitened, encoded; and what was not heard."""

from __future__ import annotations

from dataclasses import dataclass

from stream.records.arrived import WitnessGroup
from stream.timebase import HOP_NS, NS_PER_S
from stream.types import BoolArray, Float32Array, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of whole hops of one detector, on the grid, with its gaps marked.

    Attributes
    ----------
    gps_ns : int
        Start, a multiple of ``HOP_NS``.
    samples : array of float64, shape (n,)
        Strain; zero where not valid, and nothing may be concluded from those zeros.
    valid : array of bool, shape (n_hops,)
        False for a hop that is missing, late, corrupt or vetoed.
    witnesses : tuple of WitnessGroup
        Covering the same stretch; empty where there are none, NaN in a hop whose witnesses had not come in time.
    cleaned : array of bool, shape (n_hops,), or None
        Hops that witnesses have cleaned; None where none was.
    """

    detector: str
    gps_ns: int
    sample_rate_hz: int
    samples: FloatArray
    valid: BoolArray
    witnesses: tuple[WitnessGroup, ...] = ()
    cleaned: BoolArray | None = None

    @property
    def n_hops(self) -> int:
        """Number of hops of 1/16 s."""
        return len(self.valid)

    @property
    def end_ns(self) -> int:
        """First nanosecond after the segment."""
        return self.gps_ns + self.n_hops * HOP_NS


@dataclass(frozen=True, slots=True)
class FilterInForce:
    """A whitening filter, for strain times ``STRAIN_SCALE``, and the GPS time from which on it is faded in.

    ``input_rate_hz`` is the rate at which strain comes: the front end delays by 0.2 ms more at 16384 than at 4096 Hz.
    """

    gps_ns: int
    taps: FloatArray
    input_rate_hz: int = 4096


@dataclass(frozen=True, slots=True)
class WhitenedSegment:
    """Whitened strain of one detector at the network's rate: unit variance where valid, zero elsewhere.

    ``samples`` is float32, shape (n_hops * rate / 16,); ``valid`` is bool, shape (n_hops,). ``filters`` are those that
    came into force in it, in order.
    """

    detector: str
    gps_ns: int
    sample_rate_hz: int
    samples: Float32Array
    valid: BoolArray
    filters: tuple[FilterInForce, ...] = ()

    @property
    def n_hops(self) -> int:
        """Number of hops of 1/16 s."""
        return len(self.valid)

    @property
    def end_ns(self) -> int:
        """First nanosecond after the segment."""
        return self.gps_ns + self.n_hops * HOP_NS


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What the encoder says of one detector, ``frame_rate_hz`` times a second.

    ``frames`` is float32, shape (n_frames, dim + 1): the embedding, and last the single-detector statistic.
    """

    detector: str
    gps_ns: int
    frame_rate_hz: int
    frames: Float32Array
    valid: BoolArray  # shape (n_frames,)


QUIET = -1e3
"""Statistic of a frame in which no detector was heard."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """What a network made of a span, for pictures and metrics.

    Attributes
    ----------
    time_ns : array of int64, shape (n,)
        GPS.
    value : array of float64, shape (n,)
        The ranking statistic there.
    is_curve : bool
        Whether there is a value at every time, and not at events alone.
    heard_ns : int
        How much of the span was heard by any detector.
    deaf : tuple of str
        Detectors whose strain the network cannot search yet, whether or not there is any.
    """

    time_ns: IntArray
    value: FloatArray
    is_curve: bool
    heard_ns: int
    deaf: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Masked:
    """A stretch that the search did not hear in one detector, and why."""

    detector: str
    gps_ns: int
    end_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class AlignedSpan:
    """What the aligner hands on at once: one segment per configured detector, all over the same hops.

    Spans are contiguous and never overlap; the one exception, a jump of the whole network's data forward, is
    stated in ``masked`` with the reason ``skipped``. ``masked`` names each invalid stretch in these hops and
    why, and older stretches whose data came too late to be used (reason ``late``).
    """

    segments: tuple[Segment, ...]
    masked: tuple[Masked, ...] = ()

    @property
    def gps_ns(self) -> int:
        """Start of the span."""
        return self.segments[0].gps_ns

    @property
    def n_hops(self) -> int:
        """Number of hops of 1/16 s."""
        return self.segments[0].n_hops

    @property
    def end_ns(self) -> int:
        """First nanosecond after the span."""
        return self.segments[0].end_ns


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time without a gap in which there are data, and of which detectors."""

    gps_ns: int
    end_ns: int
    detectors: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """Its length."""
        return (self.end_ns - self.gps_ns) / NS_PER_S
