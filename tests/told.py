"""LVK's example event, alert by alert, as a subscriber receives it."""

from __future__ import annotations

from pathlib import Path

from pipelines.subscribe import ReceivedAlert, receive
from pipelines.subscribe.facts import Facts, facts_of
from stream.kafka.consumer import Message

__all__ = ["NOW_UNIX_NS", "STORY", "facts", "lvk_alert"]

STORY = ("earlywarning", "preliminary", "initial", "update", "ext-update", "retraction")
"""The alerts of MS181101ab in their order."""

NOW_UNIX_NS = 1_541_111_100 * 10**9
"""2018-11-01T22:25:00Z: 133 s after the merger."""


def lvk_alert(data_dir: Path, name: str, suffix: str = "avro") -> ReceivedAlert:
    """Return one of the alerts."""
    file = data_dir / f"alerts/lvk_userguide/MS181101ab-{name}.{suffix}"
    return receive(Message("igwn.gwalert", 0, 0, None, file.read_bytes(), (), 0))


def facts(data_dir: Path, name: str) -> Facts:
    """Return what one of the alerts tells."""
    return facts_of(lvk_alert(data_dir, name), NOW_UNIX_NS)
