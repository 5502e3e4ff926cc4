"""The faults: whom each strikes, for how long, how it is healed, and when things have settled."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from random import Random

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from .fault_reader import now_ns
from .fault_stage import Stage, wait
from .referee import NS, Fault

_CALM_S = 3.0
"""After the last replica is in sync, or the daemon searches again, this long still counts as the fault's."""
_PATIENCE_S = 90.0

ROLES = ("strain-leader", "alerts-leader", "transaction-coordinator", "controller", "group-coordinator", "other")
NAMES = (
    *(f"{role}-{how}" for role in ROLES for how in ("kill", "pause")),
    "two-brokers-kill", "two-brokers-pause", "daemon-kill", "daemon-term", "simulator-kill",
)  # fmt: skip


def strike(name: str, stage: Stage, rng: Random) -> Fault:
    """Inject a fault, hold it, heal it, and return when things have settled."""
    whom, _, how = name.rpartition("-")
    if whom == "daemon":
        return _daemon(name, stage, signal.SIGKILL if how == "kill" else signal.SIGTERM)
    if whom == "simulator":
        return _simulator(name, stage, rng.uniform(2.0, 6.0))
    nodes = rng.sample(stage.cluster.brokers, 2) if whom == "two-brokers" else [_node(whom, stage, rng)]
    return _brokers(name, stage, nodes, how, _hold_s(how, stage.session_s, rng))


def _hold_s(how: str, session_s: float, rng: Random) -> float:
    """A killed broker stays away until another has taken over; a pause may be shorter than that."""
    if how == "pause" and rng.random() < 0.5:
        return rng.uniform(0.3, 0.8) * session_s
    return session_s + rng.uniform(2.0, 6.0)


def roles(stage: Stage) -> dict[str, int | None]:
    """Return which broker is what, now."""
    cluster, settings = stage.cluster, stage.settings
    strain = {f"strain-leader {d}": cluster.leader(settings.topics.strain_prefix + d) for d in stage.reader.hops}
    return strain | {
        "alerts-leader": cluster.leader(settings.topics.alerts),
        "transaction-coordinator": cluster.transaction_coordinator(settings.publish.transactional_id),
        "controller": cluster.controller(),
        "group-coordinator": cluster.group_coordinator(settings.kafka.group_id),
    }


def _node(whom: str, stage: Stage, rng: Random) -> int:
    held = roles(stage)
    if whom == "other":
        load = {i: sum(node == i for node in held.values()) for i in stage.cluster.brokers}
        return min(load, key=lambda i: (load[i], i))
    found = [node for role, node in held.items() if role.startswith(whom) and node is not None]
    if not found:
        raise AssertionError(f"nobody is {whom}")
    return rng.choice(found)


def _brokers(name: str, stage: Stage, nodes: Sequence[int], how: str, hold_s: float) -> Fault:
    held = roles(stage)
    target = "; ".join(f"{i}: {', '.join(r for r, node in held.items() if node == i) or 'nothing'}" for i in nodes)
    injected_ns = now_ns()
    for i in nodes:
        (stage.cluster.kill if how == "kill" else stage.cluster.pause)(i)
    time.sleep(hold_s)
    for i in nodes:
        (stage.cluster.start if how == "kill" else stage.cluster.resume)(i)
    if not wait(lambda: all(_answers(stage, i) for i in nodes), _PATIENCE_S):
        raise AssertionError(f"brokers {nodes} do not answer {_PATIENCE_S:g} s after they were healed")
    healed_ns = now_ns()
    stage.cluster.wait_until_healed(_PATIENCE_S)
    stage.lead_as_preferred()
    from_healing = len(nodes) > 1 or (how == "pause" and hold_s > stage.session_s)
    return _settled(name, stage, injected_ns, healed_ns, f"{target} for {hold_s:.1f} s", from_healing)


def _answers(stage: Stage, node: int) -> bool:
    """Whether a broker itself answers: what the others say of it is old while the controllers have no quorum."""
    client = AdminClient({"bootstrap.servers": f"127.0.0.1:{stage.cluster.nodes[node].port}", "log_level": 0})
    try:
        return len(client.list_topics(timeout=2).brokers) == len(stage.cluster.brokers)
    except KafkaException:
        return False


def _daemon(name: str, stage: Stage, number: signal.Signals) -> Fault:
    injected_ns = now_ns()
    stage.daemon.strike(number)
    return _settled(name, stage, injected_ns, None, "daemon")


def _simulator(name: str, stage: Stage, away_s: float) -> Fault:
    injected_ns = now_ns()
    stage.simulator.strike(signal.SIGKILL, away_s)
    back = wait(lambda: stage.feeds_since(injected_ns + round(away_s * NS)), _PATIENCE_S)
    target = f"simulator for {away_s:.1f} s" + ("" if back else ", and it did not come back")
    return _settled(name, stage, injected_ns, now_ns(), target)


def _settled(
    name: str, stage: Stage, injected_ns: int, healed_ns: int | None, target: str, from_healing: bool = False
) -> Fault:
    """Wait until the daemon searches what was taken after the healing."""
    since_ns = injected_ns + NS if healed_ns is None else healed_ns
    searches = wait(lambda: stage.searches_since(since_ns), _PATIENCE_S)
    end_ns = now_ns()
    if not searches:
        target += f", and the daemon did not search again within {_PATIENCE_S:g} s"
    settled_ns = end_ns + round(_CALM_S * NS)
    return Fault(name, injected_ns, healed_ns or end_ns, settled_ns, from_healing, target)


def rounds(names: Sequence[str], rng: Random) -> Iterator[str]:
    """Yield the names of faults for ever: each once, in a drawn order, then anew."""
    while True:
        yield from rng.sample(names, len(names))
