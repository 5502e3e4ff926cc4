"""A process of this program's own beside it: started with what this one imports, asked over its pipes with a deadline.

It ends when its stdin does, and so with this process, however that ends. For frames that can crash their reader
(:mod:`stream.codec.gwf_process`) and for the follow-up (``pipelines/live/followup.py``).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

_PATIENCE_S = 1.0
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

Child = subprocess.Popen[bytes]


def start(module: str, *arguments: str, quiet: bool = False) -> Child:
    """Start ``python -m module`` with pipes for stdin and stdout, in a session of its own.

    Parameters
    ----------
    module : str
    *arguments : str
    quiet : bool
        Whether what it writes to stderr is thrown away.
    """
    # The child imports what we import, from where we do, and never from the folder that it is started in.
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        bufsize=0,
        env={**os.environ, "PYTHONPATH": path, **_ONE_THREAD},
        start_new_session=True,  # Ctrl-C is for us; the child ends when its stdin does
    )


def end(child: Child, patience_s: float = _PATIENCE_S) -> None:
    """Close its pipes and wait for its end; one that does not come in time is made."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    try:
        child.wait(patience_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):  # another thread has just seen its end
            os.killpg(child.pid, signal.SIGKILL)  # the session that it began: itself and what it started
        child.wait()


def send(child: Child, raw: bytes, deadline_s: float) -> None:
    """Write to its stdin, until a time on the monotonic clock.

    Raises
    ------
    TimeoutError
        If it does not take all in time.
    OSError
        If it is gone.
    """
    assert child.stdin is not None
    descriptor, rest = child.stdin.fileno(), memoryview(raw)
    os.set_blocking(descriptor, False)
    while rest:
        _, ready, _ = select.select([], [descriptor], [], max(0.0, deadline_s - time.monotonic()))
        if not ready:
            raise TimeoutError("it takes nothing")
        rest = rest[os.write(descriptor, rest) :]


def receive(child: Child, size: int, deadline_s: float) -> bytes:
    """Return so many bytes of its stdout, until a time on the monotonic clock.

    Raises
    ------
    TimeoutError
        If they do not come in time.
    EOFError
        If it is gone.
    """
    assert child.stdout is not None
    descriptor, raw = child.stdout.fileno(), bytearray()
    while len(raw) < size:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline_s - time.monotonic()))
        if not ready:
            raise TimeoutError("no answer in time")
        part = os.read(descriptor, size - len(raw))
        if not part:
            raise EOFError("it is gone")
        raw += part
    return bytes(raw)
