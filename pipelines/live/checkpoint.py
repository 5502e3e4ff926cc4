"""Checkpoint of the daemon: what makes the search hear at once after a restart.

One file, replaced atomically: each detector's periodograms with their times (so the PSD is there from the first block
on), what its denoiser has learned, its matched filters, and the live background. A file that cannot be read, or of
another format, is set aside and named; a part that does not fit the present settings is refused and named. The search
then starts that part from nothing, which costs eight seconds, and five more for filters. What was alerted is not kept
here: the alert topic is the truth, and a candidate found again after a restart is recognised by the publisher.

Ages are judged in data time by who takes a part up (``condition.max_psd_age_s``, ``denoise.max_age_s``).
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import structlog

from pipelines.live.checkpoint_file import Checkpoint, pack, read
from pipelines.search import Stages
from stream.lock import FolderLock
from stream.timebase import NS_PER_S

log = structlog.get_logger()
_NAME = "checkpoint.npz"


def take(stages: Stages) -> Checkpoint:
    """Return a copy of what is kept; the stages may go on while it is written."""
    learned = {name: denoiser.kept() for name, denoiser in stages.denoise.items()}
    return Checkpoint(
        model=stages.network.card.identity,
        conditioners=tuple(c.state() for c in stages.condition.values()),
        denoisers={name: state for name, state in learned.items() if state is not None},
        live={key: counts.copy() for key, counts in stages.network.slides.counts.items()},
        network=stages.network.state(),
    )


def save(stages: Stages, folder: Path) -> None:
    """Write the checkpoint; the old one stands until the new one is complete on disk.

    Raises
    ------
    OSError
        If the folder is not writable or the disk is full; the old checkpoint is untouched.
    """
    write(take(stages), folder)


def write(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a checkpoint as :func:`save` does."""
    folder.mkdir(parents=True, exist_ok=True)
    header, arrays = pack(checkpoint)
    temporary = folder / f".{_NAME}.{os.getpid()}"
    try:
        with temporary.open("wb") as file:
            np.savez(file, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / _NAME)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


class Writer:
    """Write checkpoints from a thread of its own, so that a slow disk holds up no search.

    Parameters
    ----------
    folder : Path
    failed : callable
        Told of what could not be written, in the writer's thread.
    """

    def __init__(self, folder: Path, failed: Callable[[Exception], None]) -> None:
        self._folder = folder
        self._failed = failed
        self._next: Checkpoint | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="checkpoint", daemon=True)
        self._thread.start()

    def put(self, checkpoint: Checkpoint) -> None:
        """Hand one over and return at once; one that still waits is replaced."""
        with self._changed:
            self._next = checkpoint
            self._changed.notify()

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what waits, then end; a disk that hangs is not waited for longer than stated."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._failed(TimeoutError(f"{self._folder} has not taken it in {timeout_s:g} s"))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None or self._closed)
                checkpoint, self._next = self._next, None
            if checkpoint is None:
                return
            try:
                write(checkpoint, self._folder)
            except Exception as error:  # a supervisor: without checkpoints the search goes on
                self._failed(error)


def sweep(folder: Path, lock: FolderLock) -> None:
    """Remove what a daemon that was killed left half written; without the folder's lock nothing is done."""
    if not lock.held:
        return
    for left in folder.glob(f".{_NAME}.*"):
        with contextlib.suppress(OSError):
            left.unlink()


def restore(stages: Stages, folder: Path) -> bool:
    """Take up a checkpoint if there is a usable one; return whether there was."""
    path = folder / _NAME
    try:
        if not path.exists():
            return False
        kept = read(path)
    except Exception as error:  # a supervisor: a damaged archive brings up anything, and the daemon must start
        _set_aside(path, error)
        return False
    for state in kept.conditioners:
        if state.detector in stages.condition:
            try:
                stages.condition[state.detector].restore(state)
            except ValueError as error:
                log.warning("psd_refused", detector=state.detector, error=str(error), remedy="it is measured anew")
    for name, learned in kept.denoisers.items():
        if name in stages.denoise:
            stages.denoise[name].restore(learned)
    if kept.model == stages.network.card.identity:
        stages.network.slides.take_up(kept.live)
        try:
            stages.network.restore(kept.network)
        except (KeyError, TypeError, ValueError) as error:
            log.warning("network_refused", error=repr(error), remedy="its filters are made anew")
    _say_what_was_kept(kept)
    return True


def _set_aside(path: Path, error: Exception) -> None:
    aside = path.with_suffix(".unreadable")
    try:
        path.replace(aside)
    except OSError as why:  # read-only, or the folder is none: the next write will say so
        aside, error = path, why
    log.warning("checkpoint_unreadable", path=str(aside), error=str(error), remedy="the search starts from nothing")


def _say_what_was_kept(kept: Checkpoint) -> None:
    log.info(
        "checkpoint",
        psd_gps={c.detector: int(c.psd.times_ns.max()) // NS_PER_S for c in kept.conditioners if len(c.psd.times_ns)},
        denoisers=sorted(kept.denoisers),
    )
