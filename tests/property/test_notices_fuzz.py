"""Damaged notices: whatever is done to one, events or an error of ours come out, bounded, and never anything else.

Mutations are seeded: the same on every machine. For longer, and with other seeds:
``TOCSIN_FUZZ_ROUNDS=2000 TOCSIN_FUZZ_SEED=7 pytest tests/property/test_notices_fuzz.py``.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from notices import AS_OBJECTS, FERMI_TEXT, GROUND, ICECUBE, RECEIVED_NS, alert_files, grb
from skymaps import skymap

from stream.codec.avro import decode_external, encode_external
from stream.codec.skymap import encode_skymap
from stream.errors import DataError
from stream.notices import read_notice

ROUNDS = int(os.environ.get("TOCSIN_FUZZ_ROUNDS", "40"))
SEED = int(os.environ.get("TOCSIN_FUZZ_SEED", "15"))
LARGEST = 20_000
"""Longest example that is mutated: those of LVK hold maps of a megabyte, and are refused by their first key."""

NASTY: list[Any] = [
    None, True, False, 0, -1, 1e308, -1e308, 5e-324, 10**39, -(10**39), "", "x", "\x00", "\ud800", "\u202e", "\x1b[2J",
    "9" * 5000,
    [], [[]], [None], [1, 2, 3, 4], {}, {"a": {"b": {"c": []}}}, "NaN", "2017-13-45T99:99:99", "2016-12-31T23:59:60Z",
    "9999-12-31T23:59:59Z", "retraction", "test", "GW", ["x"] * 1000, {str(n): n for n in range(100)},
]  # fmt: skip
WORDS = [
    b"nan",
    b"inf",
    b"1e999",
    b"-1",
    b"",
    b"<",
    b"&",
    b"\x00",
    b"\xff\xfe",
    b"9" * 400,
    b"retraction",
    b"{}",
    b"[" * 30,
]


def flip(raw: bytes, rng: random.Random, _others: list[bytes]) -> bytes:
    """Change single bits."""
    out = bytearray(raw)
    for _ in range(rng.randint(1, 8)):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def cut(raw: bytes, rng: random.Random, _others: list[bytes]) -> bytes:
    """Leave out the end, the beginning, or a piece."""
    a, b = sorted(rng.randrange(len(raw) + 1) for _ in range(2))
    return rng.choice([raw[:a], raw[a:], raw[:a] + raw[b:]])


def splice(raw: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Put a piece of another notice in, or one of its own twice."""
    other = rng.choice([raw, *others])
    a, b = sorted(rng.randrange(len(other) + 1) for _ in range(2))
    at = rng.randrange(len(raw) + 1)
    return raw[:at] + other[a : min(b, a + 5000)] + raw[at:]


def replace_word(raw: bytes, rng: random.Random, _others: list[bytes]) -> bytes:
    """Put something else in the place of a word, a number, or a value between quotes."""
    found = list(re.finditer(rb'"[^"]*"|>[^<]+<|[\w.+-]+', raw))
    if not found:
        return raw
    match = rng.choice(found)
    return raw[: match.start() + 1] + rng.choice(WORDS) + raw[match.end() - 1 :]


def change_value(raw: bytes, rng: random.Random, _others: list[bytes]) -> bytes:
    """Of a JSON text: drop, retype, nest, double or add values anywhere in it."""
    try:
        data = json.loads(raw)
    except ValueError:
        return replace_word(raw, rng, _others)
    for _ in range(rng.randint(1, 3)):
        data = change_within(data, rng)
    text = json.dumps(data)
    if rng.random() < 0.1:
        text = text.replace("{", '{"id": "1", "id": "2", ', 1)
    return text.encode("utf-8", "surrogatepass")


def change_within(data: Any, rng: random.Random) -> Any:
    """Return a JSON value with one change, at any depth."""
    if isinstance(data, dict) and data:
        key = rng.choice(list(data))
        if rng.random() < 0.5:
            return {**data, key: change_within(data[key], rng)}
        kinds: list[Callable[[], dict[str, Any]]] = [
            lambda: {k: v for k, v in data.items() if k != key},
            lambda: {**data, key: rng.choice(NASTY)},
            lambda: {**data, key: [data[key]]},
            lambda: {**data, "localization": data},
            lambda: {**data, rng.choice(list(data)): data[key]},
            lambda: {**data, "format": "json", "content": data},
        ]
        return rng.choice(kinds)()
    if isinstance(data, list) and data and rng.random() < 0.7:
        at = rng.randrange(len(data))
        return [*data[:at], change_within(data[at], rng), *data[at + 1 :]]
    return rng.choice(NASTY)


MUTATIONS = (flip, cut, splice, replace_word, change_value, change_value)


@pytest.fixture
def examples(data_dir: Path) -> list[bytes]:
    """Return every example that is mutated, ours and the public ones."""
    wrapped: list[object] = [grb(), GROUND.decode(), FERMI_TEXT.decode(), AS_OBJECTS]
    hop = [json.dumps({"format": "voevent", "content": content}).encode() for content in wrapped]
    own = [json.dumps(grb()).encode(), GROUND, ICECUBE, FERMI_TEXT, *hop] * 4
    return own + [raw for raw in (path.read_bytes() for path in alert_files(data_dir)) if 0 < len(raw) <= LARGEST]


def check(payload: bytes, topic: str) -> int:
    """Read a message: return how many events it tells of; all that is not an error of ours gets through."""
    try:
        events = read_notice(payload, RECEIVED_NS, topic)
    except DataError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 10_000
        return 0
    assert 1 <= len(events) <= 64
    for event in events:
        shown = [event.event_id, event.notice_id, event.ivorn, *event.names, *event.classification]
        assert all(text.isprintable() for text in shown)
        message = encode_external(event)
        assert event == decode_external(message)
        assert len(message) < 2 * len(payload) + 20_000
    return len(events)


def test_mutated_notices_are_events_or_errors_of_ours(examples: list[bytes]) -> None:
    """Bits, pieces, values and keys changed: nothing but a DataError is raised, and what is read can be sent."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    topics = ["", "gcn.notices.chime.frb", "gcn.notices.boom.alert", "fermi.gbm.targeted.private.igwn", "\x00" * 300]
    rng = random.Random(SEED)
    read = 0
    for raw in examples:
        for number in range(ROUNDS):
            mutated = MUTATIONS[number % len(MUTATIONS)](raw, rng, examples)
            for _ in range(rng.choice([0, 0, 1, 3])):
                mutated = rng.choice(MUTATIONS)(mutated, rng, examples) if mutated else mutated
            read += check(mutated, rng.choice(topics))
    assert read > len(examples), "most changes are small: many notices are still read"


def bomb(size: int) -> str:
    """Return a FITS file that expands to a size, in base64."""
    return base64.b64encode(gzip.compress(b"SIMPLE  =" + b" " * size)).decode()


HEAVY = {
    "a map that expands": lambda: json.dumps(grb(healpix_file=bomb(200 << 20))).encode(),
    "a long map": lambda: json.dumps(grb(healpix_file="U0lNUExFICA9" * 300_000)).encode(),
    "a map": lambda: json.dumps(grb(healpix_file=base64.b64encode(encode_skymap(skymap())).decode())).encode(),
    "many ids": lambda: json.dumps(grb(id=["x"] * 190_000)).encode(),
    "many wrong ids": lambda: json.dumps(grb(id=[[]] * 90_000)).encode(),
    "many classes": lambda: json.dumps(grb(classification={str(n): 2 for n in range(190_000)})).encode(),
    "many neutrinos": lambda: json.dumps({"coincident_events": [{}] * 190_000, "trigger_time": "x"}).encode(),
    "many targets": lambda: json.dumps(
        {"mission": "Boom", "data": {"targets": [{"event_name": "x"}] * 90_000}}
    ).encode(),
    "many elements": lambda: b"<VOEvent>" + b"<What><Param name='a'/></What>" * 9_000 + b"</VOEvent>",
    "deep elements": lambda: b"<VOEvent>" + b"<What>" * 30 + b"<Param/>" * 19_000 + b"</What>" * 30 + b"</VOEvent>",
    "many attributes": lambda: b"<VOEvent " + b" ".join(b"a%d=''" % n for n in range(90_000)) + b"/>",
    "torn text": lambda: b"<VOEvent>" + b"xxxxxxxxxxxxxxxxxxxx<a/>" * 19_000 + b"</VOEvent>",
    "many lines": lambda: b"TITLE: GCN/FERMI NOTICE\nNOTICE_TYPE: Fermi-GBM Alert\n" + b"COMMENTS: x\n" * 20_000,
    "a long line": lambda: b"TITLE: GCN/FERMI NOTICE\nNOTICE_TYPE: Fermi-GBM Alert\nFAR:" + b" " * 200_000 + b"x",
    "many keys": lambda: b"TITLE: GCN/FERMI NOTICE\n" + b"".join(b"K%d: 1\n" % n for n in range(20_000)),
    "nested wrapping": lambda: json.dumps(
        {"format": "voevent", "content": {"ivorn": "x", "a": [[{}] * 1000] * 90}}
    ).encode(),
}


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_notices_take_bounded_memory(name: str) -> None:
    """As large as a notice may be, and made to expand: the listener's memory stays within 150 MiB of where it was."""
    payload = HEAVY[name]()
    tracemalloc.start()
    try:
        check(payload, "")
        assert tracemalloc.get_traced_memory()[1] < 150 << 20
    finally:
        tracemalloc.stop()
