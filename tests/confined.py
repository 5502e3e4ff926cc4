"""Decoders in a process of their own, with limits on its memory and its time.

A hostile message may crash a decoder, or never let it end; here that is a result of the test and not its death.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a payload: ``ok``, the name of a data error, what escaped, or how the process ended."""

    result: str
    grown_mb: float = 0.0
    cpu_s: float = 0.0


def decode_confined(payloads: Sequence[tuple[str, bytes]], *, address_mb: int = 1500, cpu_s: int = 20) -> list[Outcome]:
    """Return what became of each payload, given with its decoder; after one that ends the process there are no more."""
    names = sorted({name for name, _ in payloads})
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(HERE), str(HERE / "contract")]))
    done = subprocess.run(
        [sys.executable, str(HERE / "confined_child.py"), ",".join(names), str(address_mb), str(cpu_s)],
        input=b"".join(bytes([names.index(name)]) + len(p).to_bytes(7, "big") + p for name, p in payloads),
        capture_output=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    outcomes = [Outcome(*json.loads(line)) for line in done.stdout.splitlines()]
    if done.returncode:
        outcomes.append(Outcome(f"died: {done.returncode} {done.stderr.decode()[-600:]}"))
    return outcomes


def troubles(
    named: Mapping[str, tuple[str, bytes]],
    *,
    grown_mb: float = 150,
    cpu_s: float = 5,
    allowed: Collection[str] = ("CodecError", "SchemaError"),
) -> dict[str, Outcome]:
    """Return which payloads did not end as allowed, within the bounds, with what became of them."""
    outcomes = decode_confined(list(named.values()))
    return {
        what: outcome
        for what, outcome in zip(named, outcomes, strict=False)
        if outcome.result not in allowed or outcome.grown_mb > grown_mb or outcome.cpu_s > cpu_s
    }
