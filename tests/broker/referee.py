"""The referee of the fault runs: what became of each merger, judged from what stood on Kafka and nothing else.

A pure function of four lists: the mergers that were injected, the strain that is on Kafka, the committed alerts, the
faults.
It shares no code with the pipeline that it judges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

NS = 1_000_000_000
HOP_NS = NS // 16
NO_FAULT = "none"
FAILINGS = ("lost", "doubled", "downgraded", "late")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked.

    A merger is on Kafka in a detector if every hop from ``before_s`` before it to ``after_s`` after it is there:
    2 s of signal, the 2 s of blindness that a gap may cost, and the data that confirm the peak.
    """

    same_event_s: float = 1.0
    before_s: float = 4.0
    after_s: float = 0.5
    quiet_s: float = 1.0
    failover_s: float = 13.0


@dataclass(frozen=True, slots=True)
class Alert:
    """A committed alert: its merger time, when the broker appended it and when the referee read it (GPS ns).

    ``message_id`` is hop's: the same one twice is one alert sent twice. Revisions of a superevent have one each.
    """

    superevent_id: str
    gps_ns: int
    detectors: tuple[str, ...]
    appended_ns: int
    received_ns: int
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault's course (GPS ns); it counts for mergers until things have settled.

    With ``from_healing`` nothing can come before it is healed: two of three brokers are away, or one hung for longer
    than a broker's session lasts.
    """

    name: str
    injected_ns: int
    healed_ns: int
    settled_ns: int
    from_healing: bool = False
    target: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat: when it was made, the end of the newest strain of each detector then, and the daemon's state."""

    at_ns: int
    newest_ns: Mapping[str, int]
    state: str = "running"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one merger. Delays are None without an alert, and are the first alert's.

    ``delay_s`` is counted from when an alert could be asked for: the later of merger and fault. ``in_time`` are the
    detectors whose strain the referee had read when the last alert was appended: what was missing then had no leader.
    """

    merger_ns: int
    fault: str
    detectors: tuple[str, ...]
    alerts: tuple[Alert, ...]
    failings: frozenset[str]
    after_merger_s: float | None
    delay_s: float | None
    seen_s: float | None
    in_time: tuple[str, ...] = ()


def readable_since(merger_ns: int, hops: Mapping[str, Mapping[int, int]], rules: Rules) -> dict[str, int]:
    """Return the detectors whose strain around a merger is on Kafka without a gap, and when the last of it was read.

    ``hops`` are counted from GPS 0; each with the time at which the referee read it.
    """
    first = (merger_ns - round(rules.before_s * NS)) // HOP_NS
    last = (merger_ns + round(rules.after_s * NS)) // HOP_NS
    found = {d: [read.get(k) for k in range(first, last + 1)] for d, read in sorted(hops.items())}
    return {d: max(t for t in times if t is not None) for d, times in found.items() if None not in times}


def fault_at(merger_ns: int, faults: Iterable[Fault], rules: Rules) -> Fault | None:
    """Return the fault that an alert of this merger may meet: one that struck before it had to be there."""
    due_ns = merger_ns + round(rules.quiet_s * NS)
    return next((f for f in faults if f.injected_ns <= due_ns and merger_ns <= f.settled_ns), None)


def judge(
    mergers_ns: Iterable[int],
    hops: Mapping[str, Mapping[int, int]],
    alerts: Sequence[Alert],
    faults: Sequence[Fault],
    rules: Rules | None = None,
) -> list[Verdict]:
    """Return a verdict on each merger that is on Kafka in at least one detector."""
    rules = rules or Rules()
    verdicts = []
    for merger_ns in sorted(mergers_ns):
        detectors = readable_since(merger_ns, hops, rules)
        if detectors:
            near = [a for a in alerts if abs(a.gps_ns - merger_ns) <= rules.same_event_s * NS]
            near.sort(key=lambda a: a.appended_ns)
            verdicts.append(_verdict(merger_ns, detectors, tuple(near), fault_at(merger_ns, faults, rules), rules))
    return verdicts


def _verdict(
    merger_ns: int, readable: Mapping[str, int], alerts: tuple[Alert, ...], fault: Fault | None, rules: Rules
) -> Verdict:
    name, detectors = NO_FAULT if fault is None else fault.name, tuple(readable)
    if not alerts:
        return Verdict(merger_ns, name, detectors, (), frozenset({"lost"}), None, None, None)
    first, last = alerts[0], alerts[-1]
    start_ns, allowed_s = merger_ns, rules.quiet_s
    if fault is not None:
        start_ns, allowed_s = max(merger_ns, fault.injected_ns), rules.failover_s
        if fault.from_healing:
            start_ns = max(start_ns, fault.healed_ns)
    after_merger_s, delay_s = ((first.appended_ns - since_ns) / NS for since_ns in (merger_ns, start_ns))
    failings = {
        "doubled": _doubled(alerts),
        "downgraded": not set(detectors) <= set(last.detectors),
        "late": delay_s > allowed_s,
    }
    return Verdict(
        merger_ns, name, detectors, alerts, frozenset(what for what, so in failings.items() if so),
        after_merger_s, delay_s, min(a.received_ns - merger_ns for a in alerts) / NS,
        tuple(d for d, since_ns in readable.items() if since_ns <= last.appended_ns),
    )  # fmt: skip


def _doubled(alerts: Sequence[Alert]) -> bool:
    """Whether one alert was sent twice, or one merger has two superevents; an update of the same one is no double."""
    return len({a.superevent_id for a in alerts}) > 1 or len({a.message_id for a in alerts}) < len(alerts)


def false_alarms(alerts: Iterable[Alert], mergers_ns: Iterable[int], rules: Rules | None = None) -> list[Alert]:
    """Return the alerts that are no merger's."""
    rules = rules or Rules()
    known = list(mergers_ns)
    return [a for a in alerts if all(abs(a.gps_ns - m) > rules.same_event_s * NS for m in known)]


def count(verdicts: Sequence[Verdict]) -> dict[str, float | int | None]:
    """Return how many mergers there were, how many failed in what, and the worst delays."""
    found = Counter(what for v in verdicts for what in v.failings)
    worst = {
        key: max((round(s, 3) for v in verdicts if (s := getattr(v, name)) is not None), default=None)
        for key, name in (
            ("worst_delay_s", "delay_s"), ("worst_after_merger_s", "after_merger_s"), ("worst_seen_s", "seen_s"),
        )
    }  # fmt: skip
    return {"mergers": len(verdicts), **{what: found[what] for what in FAILINGS}, **worst}


def longest_deaf_s(beats: Iterable[Beat], sent_ns: Sequence[int]) -> float:
    """Return the longest time in which no heartbeat told of newer strain while strain was being sent.

    Parameters
    ----------
    beats : iterable of Beat
        A detector that stands still while another moves counts: the slowest decides.
    sent_ns : sequence of int
        When the strain was sent, sorted; where nothing was sent for a second, nobody was deaf.
    """
    newest: dict[str, int] = {}
    moved_ns: dict[str, int] = {}
    longest_ns = 0
    silences = [(a, b) for a, b in pairwise(sent_ns) if b - a > NS]

    def stood_ns(since_ns: int, until_ns: int) -> int:
        return until_ns - since_ns - sum(max(0, min(b, until_ns) - max(a, since_ns)) for a, b in silences)

    for beat in sorted(beats, key=lambda b: b.at_ns):
        for detector, end_ns in beat.newest_ns.items():
            if end_ns > newest.get(detector, 0):
                longest_ns = max(longest_ns, stood_ns(moved_ns.get(detector, beat.at_ns), beat.at_ns))
                newest[detector], moved_ns[detector] = end_ns, beat.at_ns
    last_ns = max(sent_ns, default=0)
    longest_ns = max([longest_ns, *(stood_ns(since_ns, last_ns) for since_ns in moved_ns.values())])
    return round(longest_ns / NS, 2)
