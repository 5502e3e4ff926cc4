"""External events and a notice reader for tests that ask for neither missions nor forms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from stream.errors import CodecError, NoticeRefused
from stream.records import ExternalEvent

GPS_NS = 1_187_008_882_430_000_000


class Heard(list[ExternalEvent]):
    """What was told, of which there is never enough."""

    def __call__(self, event: ExternalEvent) -> bool:
        self.append(event)
        return True


def event(event_id: str = "524666471", **changes: Any) -> ExternalEvent:
    made = ExternalEvent(
        event_id, "Fermi-GBM", "gamma", "initial", GPS_NS + 1_700_000_000, GPS_NS + 30_000_000_000,
        ra_deg=176.8, dec_deg=-39.8, error_radius_deg=11.6, containment=0.68, search="GRB", raw=b"{}",
    )  # fmt: skip
    return replace(made, **changes)


def notice(event_id: str = "524666471", **changes: Any) -> bytes:
    """Return a message that :func:`read_plain` reads; ``padding`` only makes it long."""
    return json.dumps({"event_id": event_id, **changes}).encode()


def read_plain(payload: bytes, received_ns: int, topic: str = "") -> tuple[ExternalEvent, ...]:
    """Read what :func:`notice` made; a notice may name a kind to be refused as."""
    try:
        record = json.loads(payload)
    except ValueError:
        raise CodecError(f"{len(payload)} bytes that are no notice") from None
    if "refuse" in record:
        raise NoticeRefused(record["refuse"], f"a {record['refuse']} tells of no event")
    record.pop("padding", None)
    return (event(record.pop("event_id"), received_ns=received_ns, raw=payload, **record),)
