"""Damaged notices through the listener's own reader: each an event or a count, none a fault, and nothing piles up.

For longer: ``TOCSIN_FUZZ_ROUNDS=2000 TOCSIN_FUZZ_SEED=7 pytest tests/property/test_listen_fuzz.py``.
"""

from __future__ import annotations

import os
import random
import tracemalloc
from pathlib import Path

import structlog

from pipelines.listen.reader import NoticeReader
from pipelines.listen.tally import Tally
from pipelines.sources import SourceMessage
from stream.notices import read_notice

ROUNDS = int(os.environ.get("TOCSIN_FUZZ_ROUNDS", "40"))
SEED = int(os.environ.get("TOCSIN_FUZZ_SEED", "15"))
LARGEST = 20_000
RECEIVED_NS = 1_480_000_000_000_000_000
WORDS = [b"[", b"{", b"1e999", b"null", b'"', b"<", b"&x;", b"\xff", b"-1", b"9" * 40, b"\x1b[2J"]


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Change, cut out, double and put in, up to fifty times."""
    out = bytearray(raw)
    for _ in range(rng.choice((1, 2, 5, 50))):
        at, what = rng.randrange(len(out) + 1), rng.random()
        if what < 0.4 and at < len(out):
            out[at] = rng.randrange(256)
        elif what < 0.6:
            del out[at : at + rng.randrange(1, 60)]
        elif what < 0.8:
            out[at:at] = bytes(out[max(0, at - 40) : at])
        else:
            out[at:at] = rng.choice(WORDS)
    return bytes(out)


def test_no_damaged_notice_is_a_fault_a_flood_or_a_burden(data_dir: Path) -> None:
    files = sorted(p for p in (data_dir / "alerts").rglob("*") if p.is_file() and p.stat().st_size <= LARGEST)
    seeds, rng, tally = [p.read_bytes() for p in files], random.Random(SEED), Tally()
    reader = NoticeReader(read_notice, tally)
    tracemalloc.start()
    with structlog.testing.capture_logs() as logs:
        before = 0
        for turn in range(ROUNDS):
            for seed in seeds:
                message = SourceMessage(damaged(seed, rng), "local", "notices", "notices[0]@0", RECEIVED_NS)
                reader.events(message, 0.0)
            if turn == ROUNDS // 4:
                before = tracemalloc.get_traced_memory()[0]
        grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert tally.messages == ROUNDS * len(seeds) == tally.read + tally.refused.total()
    assert "fault" not in tally.refused
    assert tally.read and tally.refused.total()
    assert sum(entry["log_level"] != "debug" for entry in logs) <= len(tally.refused)
    assert grown < 8 << 20
