"""The typed, frozen records that pass between stages.

The way of the data (``../ARCHITECTURE.md``)::

    bytes ─codec→ StrainBlock, WitnessBlock ─align→ Segment ─denoise→ Segment ─condition→ WhitenedSegment
          ─infer→ Embeddings or Triggers ─detect→ Peak ─significance→ Candidate
    Candidate ─snapshot→ Snapshot ─localize, classify→ Localized
    bytes ─notices→ ExternalEvent ─coincide→ Coincidence
    Candidate, Localized, Coincidence, Decision ─superevent→ Revision ─publish→ alert

Arrays in a record are never written to after it was made.
"""

from __future__ import annotations

from stream.records.arrived import Block, DataQuality, StrainBlock, WitnessBlock, WitnessGroup
from stream.records.events import Arrival, Background, Candidate, Decision, Peak
from stream.records.external import Coincidence, ExternalEvent, GwEvent
from stream.records.followup import Localized, MassPosterior, SkyMap, Snapshot, SnrSeries, SourceClass
from stream.records.revision import FOLLOWED_FIELDS, AlertType, Finding, Followed, Joined, Revision, message_id
from stream.records.search import (
    QUIET,
    AlignedSpan,
    Embeddings,
    FilterInForce,
    Masked,
    Segment,
    Statistic,
    Stretch,
    WhitenedSegment,
)
from stream.records.status import DetectorStatus, Heartbeat
from stream.records.triggers import Triggers

__all__ = [
    "FOLLOWED_FIELDS",
    "QUIET",
    "AlertType",
    "AlignedSpan",
    "Arrival",
    "Background",
    "Block",
    "Candidate",
    "Coincidence",
    "DataQuality",
    "Decision",
    "DetectorStatus",
    "Embeddings",
    "ExternalEvent",
    "FilterInForce",
    "Finding",
    "Followed",
    "GwEvent",
    "Heartbeat",
    "Joined",
    "Localized",
    "Masked",
    "MassPosterior",
    "Peak",
    "Revision",
    "Segment",
    "SkyMap",
    "Snapshot",
    "SnrSeries",
    "SourceClass",
    "Statistic",
    "StrainBlock",
    "Stretch",
    "Triggers",
    "WhitenedSegment",
    "WitnessBlock",
    "WitnessGroup",
    "message_id",
]
