"""GWF frames of strangers, read in a process of their own: what crashes lalframe costs one frame, and not the daemon.

The child (:mod:`stream.codec.gwf_child`) keeps its library loaded and its place filled. Nothing that it answers is
believed either: a block comes back as an Avro message and is decoded like any other.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from functools import cache

from stream import child
from stream.codec.avro import decode_strain
from stream.codec.gwf_child import ANSWER, BLOCKS, CRASHED, FRAME_S, LENGTH, READY, REFUSED, REQUEST
from stream.codec.limits import MAX_BLOCKS, MAX_BYTES, check_size
from stream.errors import CodecError
from stream.records import StrainBlock

_START_S = 60.0
_ANSWER_S = FRAME_S + 5.0


class GwfProcess:
    """A child that decodes frames, started with the first one and again whenever it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: child.Child | None = None
        self._finish: Callable[[], object] = _nothing

    def decode(self, payload: bytes, *, detector: str, strain: str | None, state: str | None) -> list[StrainBlock]:
        """Return the strain of a frame as blocks of at most 4 s.

        Parameters
        ----------
        payload : bytes
        detector : str
        strain, state : str or None
            Channels to read; None takes the detector's only one that ends in ``STRAIN``, and in ``DQMASK``.

        Raises
        ------
        CodecError
            If the frame is refused, crashes its reader, or takes too much memory or time.
        """
        check_size("strain", payload)
        names = [name.encode() for name in (detector, strain or "", state or "")]
        request = REQUEST.pack(*map(len, names), len(payload)) + b"".join(names) + payload
        with self._lock:
            try:
                kind, parts = self._ask(request)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.close()
                raise CodecError(f"frame of {len(payload)} bytes was not read: its reader failed ({error})") from error
        if kind == BLOCKS:
            return [decode_strain(part) for part in parts]
        if kind == REFUSED and parts:
            raise CodecError(parts[0].decode(errors="replace"))
        raise CodecError(f"frame of {len(payload)} bytes crashes its reader, or needs more than {FRAME_S:g} s or 1 GiB")

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._finish()
            self._child = None

    def _ask(self, request: bytes) -> tuple[bytes, list[bytes]]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            folder = tempfile.mkdtemp(prefix="tocsin-gwf-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
            self._child = child.start("stream.codec.gwf_child", folder, quiet=True)  # lalframe quotes frames on stderr
            self._finish = weakref.finalize(self, _end, self._child, folder)
            _receive(self._child, time.monotonic() + _START_S, (READY,))
        deadline_s = time.monotonic() + _ANSWER_S
        child.send(self._child, request, deadline_s)
        return _receive(self._child, deadline_s, (BLOCKS, REFUSED, CRASHED))


@cache
def shared_process() -> GwfProcess:
    """Return the one that all codecs of this process use; it ends with the process."""
    return GwfProcess()


def _nothing() -> None:
    """Do nothing."""


def _end(process: child.Child, folder: str) -> None:
    child.end(process)
    shutil.rmtree(folder, ignore_errors=True)


def _receive(process: child.Child, deadline_s: float, kinds: tuple[bytes, ...]) -> tuple[bytes, list[bytes]]:
    kind, count = ANSWER.unpack(child.receive(process, ANSWER.size, deadline_s))
    if kind not in kinds or count > MAX_BLOCKS:
        raise ValueError("it answers out of turn")
    parts = []
    for _ in range(count):
        (size,) = LENGTH.unpack(child.receive(process, LENGTH.size, deadline_s))
        if size > MAX_BYTES["strain"]:
            raise ValueError("it answers too much")
        parts.append(child.receive(process, size, deadline_s))
    return kind, parts
