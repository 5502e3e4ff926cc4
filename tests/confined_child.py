"""Decode what stdin holds, one payload after another, under limits; run by :mod:`confined`, which see."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from decoders import decoder

from stream.errors import DataError

MB = 1 << 20


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
