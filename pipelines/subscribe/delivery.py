"""An alert as a subscription delivers it: with what each rule says of it, and what is done."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pipelines.subscribe.identity import Identity
from pipelines.subscribe.received import ReceivedAlert, receive
from pipelines.subscribe.routes import Judged, RuleVerdict
from stream.kafka.consumer import Message
from stream.text import clean

_LONGEST_REASONS = 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert, what the rules say, and which actions it goes to.

    Attributes
    ----------
    alert : ReceivedAlert
    key : str
        The same for the same alert, whatever source and form it came by, after every restart.
    subscription : str
        The subscription's name; empty where nothing is remembered.
    verdicts : tuple of RuleVerdict
        Of every rule, those that it is not delivered for too.
    actions : tuple of str
    is_test : bool
    """

    alert: ReceivedAlert
    key: str
    subscription: str
    verdicts: tuple[RuleVerdict, ...]
    actions: tuple[str, ...]
    is_test: bool

    @classmethod
    def of(
        cls, alert: ReceivedAlert, identity: Identity, subscription: str, verdicts: tuple[RuleVerdict, ...],
        actions: tuple[str, ...], is_test: bool,
    ) -> Self:  # fmt: skip
        """Return the delivery of an alert that is known by its identity."""
        return cls(alert, identity.key, subscription, verdicts, actions, is_test)

    @property
    def is_delivered(self) -> bool:
        """Whether a rule asks for it, or it follows one that a rule asked for."""
        return any(verdict.delivered for verdict in self.verdicts)

    def told(self) -> dict[str, Any]:
        """Return what is told beside the alert, as JSON can hold it."""
        return {
            "name": self.subscription, "key": self.key, "source": self.alert.source, "place": self.alert.place,
            "test": self.is_test, "rules": [_of_rule(verdict) for verdict in self.verdicts],
            "actions": list(self.actions),
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return alert and what is told beside it, as JSON can hold it."""
        return self.alert.as_dict() | {"subscription": self.told()}

    def as_json(self) -> bytes:
        """Return :meth:`as_dict` as one line of printable ASCII."""
        return self.alert.as_json({"subscription": self.told()})

    def as_line(self) -> str:
        """Return one line for people: the alert, what matched or why it comes all the same, and what is done."""
        words = [self.alert.as_line()]
        shown = [verdict for verdict in self.verdicts if verdict.judged.reasons or verdict.followed]
        for verdict in shown:
            told = "; ".join(verdict.judged.reasons)
            sign = "✓" if verdict.judged.matched else "·"
            follows = " (delivered before)" if verdict.followed else ""
            words.append(clean(f"[{verdict.rule} {sign} {told}{follows}]", _LONGEST_REASONS))
        if self.actions:
            words.append("→ " + ", ".join(clean(name, 64) for name in self.actions))
        return "  ".join(words)

    def to_keep(self) -> dict[str, Any]:
        """Return what a job needs beside the message, as JSON can hold it."""
        alert = self.alert
        return {
            "headers": [[name, b64encode(value).decode("ascii")] for name, value in alert.headers],
            "topic": alert.topic, "offset": alert.offset, "source": alert.source, "place": alert.place,
            "received_unix_ns": alert.received_unix_ns, "told": self.told(),
        }  # fmt: skip


def again(raw: bytes, kept: Mapping[str, Any]) -> tuple[ReceivedAlert, dict[str, Any]]:
    """Return the alert of a job and what was told beside it, from what :meth:`Delivery.to_keep` gave."""
    headers = tuple((name, b64decode(value)) for name, value in kept.get("headers", ()))
    bare = receive(Message(kept["topic"], 0, kept["offset"], None, raw, headers, kept["received_unix_ns"]))
    alert = ReceivedAlert(
        bare.record, kept.get("extra", bare.extra), raw, bare.topic, bare.offset, bare.received_unix_ns, headers,
        kept["source"], kept["place"],
    )  # fmt: skip
    return alert, kept["told"]


def _of_rule(verdict: RuleVerdict) -> dict[str, Any]:
    judged: Judged = verdict.judged
    return {
        "rule": verdict.rule, "matched": judged.matched, "followed": verdict.followed,
        "because": list(judged.reasons), "unknown": list(judged.unknown), "parts": list(judged.parts),
    }  # fmt: skip
