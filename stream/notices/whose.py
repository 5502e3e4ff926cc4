"""Whose a notice is: the first row of the table that its schema, names, topic, packet number or title fits."""

from __future__ import annotations

import re

from stream.notices.mission import Mission
from stream.notices.missions import MISSIONS


def by_schema(path: str) -> Mission | None:
    """Return whose notices have this path of ``$schema``, below ``gcn/notices/``."""
    return next((m for m in MISSIONS if path.lower().startswith(m.schemas)), None)


def by_name(mission: str, instrument: str) -> Mission | None:
    """Return whose notices name this mission and instrument: both, or else the mission alone."""
    names = (f"{mission}/{instrument}".lower(), f"{mission}/".lower() if mission else "")
    return next((m for name in names if name for m in MISSIONS if name in m.names), None)


def by_topic(topic: str) -> Mission | None:
    """Return whose notices come on a topic of this name."""
    return next((m for m in MISSIONS if any(part in topic.lower() for part in m.topics)), None)


def by_packet(number: int | None, ivorn: str) -> Mission | None:
    """Return whose VOEvents have this packet number, or an identity that begins so."""
    known = next((m for m in MISSIONS if number in m.packets), None)
    return known or next((m for m in MISSIONS if ivorn.startswith(m.ivorns)), None)


def by_title(title: str) -> Mission | None:
    """Return whose text notices have a title or type such as this."""
    return next((m for m in MISSIONS if m.titles and re.search(m.titles, title, re.IGNORECASE)), None)
