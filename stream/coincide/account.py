"""What is known of an external event from all of its notices, whatever their order: the newest that tells of it counts.

Notices are ordered by when they were made, then by their number, then by when they were received. None was made after
it was received, whatever it says: a mistaken date must not outrank all that follows. An update that tells of no place
does not lose the one that a notice before it told; one that tells of a place replaces the region whole, for an old map
must not outweigh a new position. A retraction is final: missions take back what was none, and what is an event after
all comes under another identity. When the event was is not taken from it, for some tell their own time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stream.records import ExternalEvent

Rank = tuple[int, int, int]

RETRACTION = "retraction"
_LOWEST: Rank = (-2, 0, 0)
_ALWAYS = ("messenger", "alert_type", "received_ns", "tense", "revision", "issued_ns")
_TIME = ("gps_ns",)
_REGION = (
    "ra_deg", "dec_deg", "error_radius_deg", "containment", "error_minor_deg", "error_angle_deg", "error_inner_deg",
    "corners_deg", "systematic_included", "skymap", "skymap_url",
)  # fmt: skip
_EACH = ("search", "far_hz", "names", "notice_id", "ivorn", "classification", "p_astro")
PARTS: dict[str, tuple[str, ...]] = {
    "notice": _ALWAYS, "time": _TIME, "region": _REGION, **{name: (name,) for name in _EACH}
}  # fmt: skip
"""What is told together, and so taken together from one notice."""


@dataclass(frozen=True, slots=True)
class Account:
    """An external event as all of its notices tell it.

    Attributes
    ----------
    event : ExternalEvent
        Without a notice's bytes.
    ranks : mapping of str to Rank
        Which notice each of :data:`PARTS` was taken from.
    retracted : bool
    """

    event: ExternalEvent
    ranks: Mapping[str, Rank]
    retracted: bool


def rank(notice: ExternalEvent) -> Rank:
    """Return where a notice stands among those of its event: the higher, the newer."""
    issued_ns = -1 if notice.issued_ns is None else min(notice.issued_ns, notice.received_ns)
    return issued_ns, notice.revision, notice.received_ns


def with_notice(account: Account | None, notice: ExternalEvent) -> Account:
    """Return what is known of an event once one more notice of it is."""
    taken_back = notice.alert_type == RETRACTION
    if account is None:
        ranks = {part: rank(notice) for part in PARTS if _tells(notice, part)}
        if taken_back:
            ranks["time"] = _LOWEST
        return Account(replace(notice, raw=b""), ranks, taken_back)
    ranks, fresh = dict(account.ranks), dict[str, Any]()
    for part, fields in PARTS.items():
        known = account.ranks.get(part)
        newer = known is None or rank(notice) >= known
        if newer and _tells(notice, part) and not (taken_back and part == "time"):
            ranks[part] = rank(notice)
            fresh |= {name: getattr(notice, name) for name in fields}
    return Account(replace(account.event, **fresh), ranks, account.retracted or taken_back)


def _tells(notice: ExternalEvent, part: str) -> bool:
    """Return whether a notice tells of something."""
    if part in ("notice", "time"):
        return True
    if part == "region":
        return notice.ra_deg is not None or bool(notice.corners_deg) or notice.skymap is not None
    return getattr(notice, part) not in (None, "", (), {})
