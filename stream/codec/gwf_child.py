"""The process that reads GWF frames for :mod:`stream.codec.gwf_process`: ``python -m stream.codec.gwf_child FOLDER``.

lalframe is C that believes what a frame says of itself; an altered length ends the process that reads it. So this one
loads it, then forks: the worker reads frames from stdin and answers on stdout until it ends, by a crash, at its limit
of memory or time, or of itself after a frame that it refused, whose traces nobody knows. Then the next is forked, in
milliseconds, for the library is loaded already.

A request is a head (:data:`REQUEST`: lengths of the three names and of the frame), then these; an answer is a head
(:data:`ANSWER`: what it is, how many parts), then each part with its length before it. A block travels as Avro.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

REQUEST = struct.Struct("<HHHQ")
ANSWER = struct.Struct("<cI")
LENGTH = struct.Struct("<Q")
READY, BLOCKS, REFUSED, CRASHED = b"r", b"b", b"e", b"c"

FRAME_S = 5.0
"""Longest time for one frame; one of a second takes some milliseconds."""
_MEMORY_BYTES = 1 << 30
_IN, _OUT = 0, 1


def main(folder: Path) -> None:
    """Load the library, then keep one worker until stdin ends; the folder is for its files, and goes with it."""
    from stream.codec import gwf  # noqa: F401, PLC0415 - loaded once, before any fork

    answer(READY, [])
    status = -1
    while status != os.EX_OK:
        worker = os.fork()
        if worker == 0:
            _work(folder)
        status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        for left in folder.iterdir():
            left.unlink()
        if status not in (os.EX_OK, os.EX_DATAERR):
            answer(CRASHED, [])
    folder.rmdir()


def answer(kind: bytes, parts: Sequence[bytes]) -> None:
    """Write one answer, whole."""
    raw = memoryview(ANSWER.pack(kind, len(parts)) + b"".join(LENGTH.pack(len(part)) + part for part in parts))
    while raw:
        raw = raw[os.write(_OUT, raw) :]


def _work(folder: Path) -> None:
    """Answer requests within limits; ends the process, with ``EX_DATAERR`` after a frame that was refused."""
    _confine()
    code = os.EX_SOFTWARE
    # Whatever happens, the worker must not return into the loop that forked it.
    with contextlib.suppress(BaseException):
        code = _answer_all(folder)
    os._exit(code)


def _answer_all(folder: Path) -> int:
    from stream.codec.avro import encode_strain  # noqa: PLC0415
    from stream.codec.gwf import GwfChannels, decode_gwf  # noqa: PLC0415
    from stream.errors import DataError  # noqa: PLC0415

    while head := _read(REQUEST.size):
        *names, size = REQUEST.unpack(head)
        detector, strain, state = (_read(length).decode() for length in names)
        payload = _read(size)
        signal.setitimer(signal.ITIMER_REAL, FRAME_S)  # SIGALRM ends the process, wherever in C it may be
        channels = GwfChannels(strain or None, state or None)
        try:
            blocks = decode_gwf(payload, detector=detector, channels=channels, folder=folder)
            messages = [encode_strain(block) for block in blocks]
        except DataError as error:
            answer(REFUSED, [str(error).encode()])
            return os.EX_DATAERR
        signal.setitimer(signal.ITIMER_REAL, 0)
        answer(BLOCKS, messages)
    return os.EX_OK


def _confine() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    if pages is not None:
        limit = pages * resource.getpagesize() + _MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(size: int) -> bytes:
    """Read exactly so many bytes, or nothing at the end of stdin."""
    parts = []
    while size:
        part = os.read(_IN, min(size, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
