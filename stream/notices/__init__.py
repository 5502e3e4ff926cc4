"""Notices of other messengers, of any form and mission, as external events: a stranger's bytes in, or a refusal.

What is refused has a word to count it by (:class:`~stream.errors.NoticeRefused`).

Where it stands: bytes ─notices→ ExternalEvent ─coincide→ Coincidence. It knows no Kafka and opens no address.
"""

from stream.notices.mission import Mission
from stream.notices.missions import MISSIONS
from stream.notices.read import MAX_NOTICE_BYTES, read_notice

__all__ = ["MAX_NOTICE_BYTES", "MISSIONS", "Mission", "read_notice"]
