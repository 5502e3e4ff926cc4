"""The rules of a decision: what may stand in one, whoever wrote it."""

from __future__ import annotations

import uuid

from stream.errors import SchemaError
from stream.records import Decision
from stream.superevent import is_superevent_id

_LONGEST = {"why": 2000, "who": 200}


def check_decision(decision: Decision) -> None:
    """Refuse a decision that cannot be one.

    Raises
    ------
    SchemaError
        If an id has not its form, the kind is unknown, or a text is too long or, as the reason, empty.
    """
    try:
        known = str(uuid.UUID(decision.decision_id)) == decision.decision_id
    except ValueError:
        known = False
    if not known:
        raise SchemaError(f"decision_id is {decision.decision_id[:64]!r}: expected a UUID")
    if not is_superevent_id(decision.superevent_id):
        raise SchemaError(f"superevent_id is {decision.superevent_id[:64]!r}: expected the form TS261122a")
    if decision.kind not in ("retract", "confirm"):
        raise SchemaError(f"kind is {decision.kind[:64]!r}: expected retract or confirm")
    for name, longest in _LONGEST.items():
        length = len(getattr(decision, name))
        if length > longest:
            raise SchemaError(f"{name} has {length} characters: write at most {longest}")
    if not decision.why.strip():
        raise SchemaError("why is empty: say why, in a few words")
