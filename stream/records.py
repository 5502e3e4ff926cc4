"""The typed, frozen records that pass between stages.

The way of the data (``../ARCHITECTURE.md``)::

    bytes ─codec→ StrainBlock, WitnessBlock ─align→ Segment ─denoise→ Segment ─condition→ WhitenedSegment
          ─infer→ Embeddings ─detect→ Peak ─significance→ Candidate
    Candidate, Decision ─superevent→ Revision ─publish→ alert

Arrays in a record are never written to after it was made.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any, Literal

from stream.timebase import HOP_NS, NS_PER_S, samples_to_ns
from stream.types import AnyFloatArray, BoolArray, Float32Array, FloatArray, UIntArray


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


@dataclass(frozen=True, slots=True)
class ExternalEvent:
    """An event of another messenger, normalised from a notice; the notice itself is kept in ``raw``.

    Positions are ICRS, in degrees; what a notice does not say is None.
    """

    event_id: str
    source: str
    messenger: str
    alert_type: str
    gps_ns: int
    received_ns: int
    ra_deg: float | None = None
    dec_deg: float | None = None
    error_radius_deg: float | None = None
    containment: float | None = None
    far_hz: float | None = None
    raw: bytes = b""
    raw_format: str = "json"


Block = StrainBlock | WitnessBlock
"""What a topic of strain or of witnesses holds."""


@dataclass(frozen=True, slots=True)
class DetectorStatus:
    """How one detector's stream is: GPS end of the newest strain used (None before the first), and if it is masked."""

    detector: str
    last_sample_ns: int | None
    masked: bool


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How a daemon is, once a second.

    Latencies are from the end of the data to the end of their search, over the last minute, None before the first;
    ``lag_s`` is how far the search is behind the present, ``skipped_s`` what it skipped since its start.
    """

    daemon_id: str
    gps_ns: int
    state: str
    detectors: tuple[DetectorStatus, ...]
    latency_p50_s: float | None = None
    latency_p99_s: float | None = None
    lag_s: float = 0.0
    skipped_s: float = 0.0
    version: str = ""
    model: str = ""


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
    """A whitening filter, for strain times ``STRAIN_SCALE``, and the GPS time from which on it is faded in."""

    gps_ns: int
    taps: FloatArray


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


@dataclass(frozen=True, slots=True)
class Peak:
    """A local maximum of the ranking statistic, which nothing within the confirmation time on either side surpasses.

    ``gps_ns`` is the estimated merger time at the geocentre's accuracy of one frame; ``confirmed_ns`` the end
    of the data that confirmed it; ``per_detector`` the single-detector statistics at the peak.
    """

    gps_ns: int
    statistic: float
    detectors: tuple[str, ...]
    per_detector: tuple[tuple[str, float], ...]
    confirmed_ns: int


@dataclass(frozen=True, slots=True)
class Background:
    """Where a FAR came from: ``shipped`` (with the model) or ``live`` (slides of this run), over how long."""

    source: str
    duration_s: float
    detectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A peak with its significance.

    ``far_hz`` is never below one over the background's duration; ``far_is_limit`` says that it stands at that
    floor. ``p_astro`` is None until something computes it, and ``p_astro_reason`` says why.
    """

    peak: Peak
    far_hz: float
    far_is_limit: bool
    background: Background
    model: str
    p_astro: float | None = None
    p_astro_reason: str = "not computed in this version"

    @property
    def gps_ns(self) -> int:
        """Estimated merger time."""
        return self.peak.gps_ns


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a superevent.

    Attributes
    ----------
    decision_id : str
        UUID as text, drawn by the command; the same decision twice is one.
    superevent_id : str
    kind : {"retract", "confirm"}
    why, who : str
        For people: told in the alert's headers.
    made_ns : int
        When it was made, GPS.
    """

    decision_id: str
    superevent_id: str
    kind: Literal["retract", "confirm"]
    why: str
    who: str
    made_ns: int


Finding = Candidate | Decision
"""What goes into :meth:`stream.superevent.Superevents.step`."""

AlertType = Literal["PRELIMINARY", "UPDATE", "INITIAL", "RETRACTION"]
"""Alert types of igwn-gwalert-schema; what each means here: :meth:`stream.superevent.Superevents.step`."""

_REVISIONS = uuid.UUID("8e1f9a0c-5a52-4a37-9f5d-0b7a4f6f2c11")
"""Namespace of the message ids of revisions; never changed."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One alert of a superevent.

    Attributes
    ----------
    superevent_id : str
    number : int
        0, 1, 2 … within the superevent.
    alert_type : AlertType
    created_ns : int
        When it was made, GPS.
    gps_ns : int
        Merger time of the preferred candidate, in a RETRACTION too.
    day_count : int
        How many superevents of the id's UTC day have been named when this was made, its own among them.
    candidate : Candidate or None
        The preferred one. None in a RETRACTION, and where only ``carried`` tells of it.
    carried : mapping or None
        The ``event`` record of the alert that this one repeats, where it was read from the topic.
    decision : Decision or None
        What made it, where a person did.
    days : mapping of str to int
        ``day_count`` of the last days, such as ``{"TS261122": 3}``: a restart reads them from the newest alert, of
        whichever day its event is, and need not read the whole topic.
    """

    superevent_id: str
    number: int
    alert_type: AlertType
    created_ns: int
    gps_ns: int
    day_count: int
    candidate: Candidate | None = None
    carried: Mapping[str, Any] | None = None
    decision: Decision | None = None
    days: Mapping[str, int] = field(default_factory=dict)

    @property
    def message_id(self) -> str:
        """UUID of the alert's messages: it follows from id and number, so that sending twice is sending once."""
        return str(uuid.uuid5(_REVISIONS, f"{self.superevent_id}/{self.number}"))


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
