"""Faults under a running pipeline: ``python -m tests.broker.faults --minutes 20 --json``.

Three brokers of Apache Kafka (replication 3, min ISR 2, session time-out at its default), a simulator that sends H1 and
L1 in real time with a loud merger every 12 s, the daemon under a supervisor; then one fault after the other, drawn from
a seed. A referee that shares no code with the pipeline says what became of each merger:

* ``lost``: its strain is on Kafka, an alert is not;
* ``doubled``: one message was committed twice for it, or it has two superevents; an update of its one is no double;
* ``downgraded``: its last alert names fewer detectors than had it on Kafka;
* ``late``: its first alert was appended more than 1 s after the merger; with a fault, more than 13 s after the later of
  merger and fault (or the healing, if two of three brokers were away or one hung for longer than its session).

``longest_deaf_s`` is the longest time in which no heartbeat told of newer strain of a detector while it was being sent;
a heartbeat a second is its resolution. The exit code is 1 if anything was lost, doubled, downgraded or late.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

from .apache_kafka import KafkaCluster, missing
from .fault_plan import NAMES, rounds, strike
from .fault_reader import now_ns
from .fault_stage import EVERY_S, Stage, sleep_until
from .referee import FAILINGS, NO_FAULT, NS, Fault, Rules, Verdict, count, false_alarms, judge, longest_deaf_s


def run(stage: Stage, names: Iterable[str], seconds: float, rng: Random) -> list[Fault]:
    """Strike one fault after the other until there is none left or the time is over; return what was done."""
    faults: list[Fault] = []
    start_ns = stage.wait_until_it_hears()
    next_ns = start_ns + round(rng.uniform(0.0, EVERY_S) * NS)
    for name in names:
        if next_ns > start_ns + round(seconds * NS):
            break
        sleep_until(next_ns)
        print(f"{stage.at(now_ns())} {name}", file=sys.stderr, flush=True)
        faults.append(strike(name, stage, rng))
        print(f"{stage.at(now_ns())}   settled: {faults[-1].target}", file=sys.stderr, flush=True)
        next_ns = faults[-1].settled_ns + round(rng.uniform(1.0, EVERY_S) * NS)
    sleep_until(now_ns() + round(stage.tail_s * NS))
    return faults


def finish(stage: Stage, faults: list[Fault], rules: Rules | None = None) -> dict[str, Any]:
    """End what runs, read all that was committed, and judge."""
    rules, end_ns = rules or Rules(), now_ns()
    stage.simulator.close()
    stage.daemon.close()
    complete = stage.reader.catch_up()
    alerts = sorted(stage.reader.alerts, key=lambda a: a.appended_ns)
    asked = [m for m in stage.mergers_ns if stage.heard_ns < m < end_ns - round(stage.tail_s * NS)]
    verdicts = judge(asked, stage.reader.hops, alerts, faults, rules)
    names = [NO_FAULT, *dict.fromkeys(f.name for f in faults)]
    return {
        **count(verdicts),
        "longest_deaf_s": longest_deaf_s(stage.reader.beats, sorted(stage.reader.sent_ns)),
        "by_fault": {
            name: {"struck": sum(f.name == name for f in faults)} | count([v for v in verdicts if v.fault == name])
            for name in names
        },
        "offenders": [_offender(v, faults, stage) for v in verdicts if v.failings],
        "not_on_kafka": len(asked) - len(verdicts),
        "false_alarms": [
            {"at": stage.at(a.gps_ns), "detectors": a.detectors}
            for a in false_alarms(alerts, stage.mergers_ns, rules)
        ],
        "faults": [
            {
                "fault": f.name, "target": f.target, "injected": stage.at(f.injected_ns),
                "healed": stage.at(f.healed_ns), "settled": stage.at(f.settled_ns),
            }
            for f in faults
        ],
        "deaths_unasked": [
            {"who": d.name, "at": stage.at(d.at_ns), "code": d.code} for d in stage.deaths if not d.asked
        ],
        "referee": {"read_all": complete, "alerts": len(alerts), "errors": stage.reader.errors[:5]},
    }  # fmt: skip


def _offender(verdict: Verdict, faults: list[Fault], stage: Stage) -> dict[str, Any]:
    """Return what was seen of a merger that failed, for who looks for the cause."""
    near = [f for f in faults if f.name == verdict.fault and f.injected_ns - NS <= verdict.merger_ns <= f.settled_ns]
    return {
        "gps": verdict.merger_ns / NS,
        "at": stage.at(verdict.merger_ns),
        "failings": sorted(verdict.failings),
        "fault": verdict.fault,
        "after_injection_s": [round((verdict.merger_ns - f.injected_ns) / NS, 2) for f in near],
        "after_healing_s": [round((verdict.merger_ns - f.healed_ns) / NS, 2) for f in near],
        "on_kafka": verdict.detectors,
        "on_kafka_when_it_left": verdict.in_time,
        "delay_s": verdict.delay_s,
        "alerts": [
            {
                "superevent_id": a.superevent_id, "detectors": a.detectors,
                "off_ms": round((a.gps_ns - verdict.merger_ns) / 1e6),
                "appended_after_s": round((a.appended_ns - verdict.merger_ns) / NS, 3),
                "read_after_s": round((a.received_ns - verdict.merger_ns) / NS, 3),
            }
            for a in verdict.alerts
        ],
    }  # fmt: skip


def failed(report: dict[str, Any]) -> bool:
    """Whether anything was lost, doubled, downgraded or late."""
    return any(report[what] for what in FAILINGS)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.broker.faults", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME", help="only these")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder for logs, kept whatever happens")
    parser.add_argument("--json", action="store_true", help="the whole report on stdout")
    options = parser.parse_args()
    reason = missing()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 2
    folder = (options.keep or Path(tempfile.mkdtemp(prefix="tocsin-faults-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    seconds = options.minutes * 60
    with (
        KafkaCluster(folder / "kafka") as cluster,
        Stage(cluster, folder, options.seed, seconds + 240) as stage,
    ):
        rng = Random(options.seed)
        report = finish(stage, run(stage, rounds(options.faults, rng), seconds, rng))
    report |= {"minutes": options.minutes, "seed": options.seed, "logs": str(folder)}
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2) if options.json else _summary(report))
    if options.keep is None and not failed(report):
        shutil.rmtree(folder)
    return int(failed(report))


def _summary(report: dict[str, Any]) -> str:
    keys = ("struck", "mergers", *FAILINGS, "worst_delay_s")
    rows = [f"{name:32}" + "".join(f"{c.get(key)!s:>11}" for key in keys) for name, c in report["by_fault"].items()]
    head = f"{'fault':32}" + "".join(f"{key[:10]:>11}" for key in keys)
    return "\n".join([head, *rows, f"longest deaf {report['longest_deaf_s']} s; logs in {report['logs']}"])


if __name__ == "__main__":
    sys.exit(main())
