"""Superevent: the only owner of "one event".

Findings go in (candidates, what their follow-up found, people's decisions), revisions come out; each revision is one
alert. Stands between the search and publish (``../../ARCHITECTURE.md``), and knows no clock, no file and no Kafka: the
same calls give the same answers, live, in a replay and in a test.
"""

from stream.superevent.ids import PREFIXES, is_superevent_id
from stream.superevent.joining import Change
from stream.superevent.sameness import SAME_EVENT_NS
from stream.superevent.sent import Sent
from stream.superevent.superevents import Coincide, Superevents
from stream.superevent.waiting import Waiting, not_found

__all__ = [
    "PREFIXES",
    "SAME_EVENT_NS",
    "Change",
    "Coincide",
    "Sent",
    "Superevents",
    "Waiting",
    "is_superevent_id",
    "not_found",
]
