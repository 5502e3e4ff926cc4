"""A message's events: read, checked, and each passed on once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

from pipelines.listen.tally import Tally
from pipelines.sources import SourceMessage
from stream.codec.avro import encode_external
from stream.errors import DataError, NoticeRefused
from stream.records import ExternalEvent

ReadNotice = Callable[[bytes, int, str], tuple[ExternalEvent, ...]]
"""As :func:`stream.notices.read_notice`: payload, time received, topic."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_LVK = "igwn.gwalert"
_LVK_CLASSIC = (".LVC_", ".LVK_")
_REMEMBERED = 20_000
_MOST_EVENTS = 1000
_MOST_TRACKED = 20_000


class NoticeReader:
    """Turn messages into events; what tells of none goes to the tally.

    Parameters
    ----------
    read : callable
    tally : Tally
    own_topics : collection of str
        Topics that this pipeline writes: alerts are not events of other messengers.
    """

    def __init__(self, read: ReadNotice, tally: Tally, own_topics: Collection[str] = ()) -> None:
        self._read, self._tally = read, tally
        self._own = frozenset(own_topics)
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._latest: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def events(self, message: SourceMessage, now_s: float) -> list[ExternalEvent]:
        """Return the events of a message that have not been returned before.

        Parameters
        ----------
        message : SourceMessage
        now_s : float
            Monotonic, for what is logged at intervals.
        """
        self._tally.messages += 1
        try:
            self._check_topic(message)
            found = self._read(message.payload, message.received_ns, message.topic)
            if len(found) > _MOST_EVENTS:
                raise NoticeRefused("crowded", f"a notice of {len(found)} events: at most {_MOST_EVENTS} are read")
            marks = [mark_of(event) for event in found]
        except DataError as error:
            self._tally.refusal(message, error, now_s)
            return []
        except Exception as error:  # a supervisor: one notice that a reader stumbles over must not silence all missions
            self._tally.refusal(message, NoticeRefused("fault", f"{type(error).__name__}: {error}"), now_s)
            return []
        self._tally.read += 1
        return [event for event, mark in zip(found, marks, strict=True) if self._is_new(event, mark, message.source)]

    def is_latest(self, event: ExternalEvent) -> bool:
        """Whether no other notice of an event came after this one, as far as is remembered."""
        return self._latest.get((event.source, event.event_id)) == mark_of(event)

    def _check_topic(self, message: SourceMessage) -> None:
        if message.topic in self._own:
            raise NoticeRefused("own_alert", f"topic {message.topic} is this pipeline's own: leave it out")
        if message.topic == _LVK or any(part in message.topic for part in _LVK_CLASSIC):
            raise NoticeRefused(
                "gravitational_wave", f"topic {message.topic} tells of gravitational waves: tocsin subscribe reads it"
            )

    def _is_new(self, event: ExternalEvent, mark: bytes, source: str) -> bool:
        if mark in self._seen:
            self._tally.repeat()
            return False
        _remember(self._seen, mark, None, _REMEMBERED)
        _remember(self._latest, (event.source, event.event_id), mark, _MOST_TRACKED)
        self._tally.event(source)
        return True


def mark_of(event: ExternalEvent) -> bytes:
    """Return a hash of all that an event says, whenever it was received.

    Raises
    ------
    SchemaError
        If a value is not what it must be.
    """
    return sha256(encode_external(replace(event, received_ns=0))).digest()


def _remember(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)
