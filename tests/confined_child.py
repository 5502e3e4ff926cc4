"""Decode what stdin holds, one payload after another, under limits; run by :mod:`confined`, which see."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import make_schema_examples as made

from pipelines.subscribe import receive
from stream.codec import strain_codec
from stream.codec.alert import decode_alert, encode_alert
from stream.codec.avro import (
    decode_external,
    decode_heartbeat,
    decode_strain,
    decode_witness,
    encode_external,
    encode_heartbeat,
    encode_strain,
    encode_witness,
)
from stream.errors import DataError
from stream.kafka.consumer import Message
from stream.settings import StrainSettings

MB = 1 << 20


def received(payload: bytes) -> object:
    alert = receive(Message("alerts.gw", 0, 0, None, payload, (), 0))
    return alert.as_line(), alert.as_json()


def strain(kind: str) -> Callable[[bytes], object]:
    codec = strain_codec(StrainSettings.model_validate({"codec": kind}))
    return lambda payload: codec.decode(payload, detector=made.STRAIN.detector)


def decoder(name: str) -> tuple[Callable[[bytes], object], bytes]:
    """Return a decoder, and a message that it reads: decoded once, so that what it loads is loaded."""
    if name == "arrow":
        from stream.codec.arrow import encode_arrow  # noqa: PLC0415

        return strain("arrow"), encode_arrow([made.STRAIN])
    if name == "gwf":
        from stream.codec.gwf import encode_gwf  # noqa: PLC0415

        return strain("gwf"), encode_gwf(made.STRAIN)
    return {
        "alert": (decode_alert, encode_alert(made.ALERT)),
        "received": (received, encode_alert(made.ALERT)),
        "strain": (decode_strain, encode_strain(made.STRAIN)),
        "witness": (decode_witness, encode_witness(made.WITNESS)),
        "external": (decode_external, encode_external(made.EXTERNAL)),
        "heartbeat": (decode_heartbeat, encode_heartbeat(made.HEARTBEAT)),
    }[name]


def main(names: list[str], address_mb: int, cpu_s: int) -> None:
    decoders = []
    for name in names:
        decode, sound = decoder(name)
        decode(sound)
        decoders.append(decode)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + address_mb * MB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    spent_s = int(time.process_time()) + cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (spent_s, spent_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while head := sys.stdin.buffer.read(8):
        payload = sys.stdin.buffer.read(int.from_bytes(head[1:], "big"))
        before_kb, began_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        try:
            decoders[head[0]](payload)
            result = "ok"
        except DataError as error:
            result = type(error).__name__
        except BaseException as error:
            result = f"escaped: {error!r}"[:200]
        grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
        sys.stdout.write(json.dumps([result, grown_mb, time.process_time() - began_s]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3]))
