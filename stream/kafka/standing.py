"""How each topic stands: when its leader last answered, and whether all that it holds has been read.

A detector that sends nothing and a broker that is away look alike to who only reads messages. librdkafka's statistics
(``STATISTICS.md``: ``brokers.*.rxidle``, ``topics.*.partitions.*``) tell them apart: the leader of a topic that is read
answers a fetch every ``fetch.wait.max.ms``, with messages or without.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

log = structlog.get_logger()

INTERVAL_MS = 100
"""How often librdkafka is asked; a report of three brokers and four topics costs about 0.3 ms."""

_NEVER_S = float("inf")
_BROKEN_S = 0.5
"""Answers further apart than this do not make one unbroken attendance."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one topic stands.

    Attributes
    ----------
    answered_ago_s : float
        Since the leader of its least attended partition last answered; infinite when it never did.
    attended_for_s : float
        How long before that answer this same leader had been answering without a break.
    at_end : bool
        Whether nothing was left to read when it last answered.
    returned : bool
        Whether it had answered before and then did not for a while: the present attendance follows on an outage.
    """

    answered_ago_s: float = _NEVER_S
    attended_for_s: float = 0.0
    at_end: bool = False
    returned: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    answered_s: float
    at_end: bool
    leaders: tuple[int, ...]


def read_statistics(report: str) -> dict[str, _Answer]:
    """Return when each topic's leader last answered, on the monotonic clock, from one report of librdkafka.

    A topic counts as answered when all the partitions that are read of it are.
    """
    stats = json.loads(report)
    now_s = stats["ts"] / 1e6
    idle_s = {b["nodeid"]: b["rxidle"] / 1e6 for b in stats["brokers"].values() if _is_up(b)}
    found = {}
    for topic, entry in stats["topics"].items():
        read = [p for p in entry["partitions"].values() if p["desired"] and p["partition"] >= 0]
        if read and all(_is_fetched(p) and p["broker"] in idle_s for p in read):
            answered_s = now_s - max(idle_s[p["broker"]] for p in read)
            leaders = tuple(p["leader"] for p in read)
            found[topic] = _Answer(answered_s, all(_is_at_end(p) for p in read), leaders)
    return found


def _is_up(broker: Mapping[str, Any]) -> bool:
    return bool(broker["state"] == "UP" and broker["nodeid"] >= 0 and broker["rxidle"] >= 0)


def _is_fetched(partition: Mapping[str, Any]) -> bool:
    """Whether messages are asked for where they are: after a failover the old leader is, for a while, asked on."""
    return bool(partition["fetch_state"] == "active" and partition["broker"] == partition["leader"] >= 0)


def _is_at_end(partition: Mapping[str, Any]) -> bool:
    return bool(0 <= partition["hi_offset"] <= partition["next_offset"] and partition["fetchq_cnt"] == 0)


class LeaderWatch:
    """Callback for librdkafka's statistics that remembers what they say of each topic.

    Parameters
    ----------
    monotonic_s : callable
        The clock that librdkafka stamps its reports with.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._last: dict[str, _Answer] = {}
        self._since_s: dict[str, float] = {}
        self._returned: set[str] = set()
        self._told = False

    def __call__(self, report: str) -> None:
        """Take one report; what is raised in a callback would come out of the next poll, and end a daemon."""
        try:
            found = read_statistics(report)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if not self._told:
                log.error("statistics_not_read", error=repr(error), effect="topics count as not answered for")
            self._told = True
            return
        for topic, answer in found.items():
            known = self._last.get(topic)
            if known is None or known.leaders != answer.leaders or answer.answered_s - known.answered_s > _BROKEN_S:
                self._since_s[topic] = answer.answered_s
                self._returned |= {topic} if known is not None else set()
            self._last[topic] = answer

    def standing(self) -> dict[str, Standing]:
        """Return how each topic stands now; one that was never answered is not there."""
        now_s = self._monotonic_s()
        return {
            topic: Standing(
                max(0.0, now_s - a.answered_s), a.answered_s - self._since_s[topic], a.at_end, topic in self._returned
            )
            for topic, a in self._last.items()
        }
