"""Event pages of the running daemon: each published alert gets its page, and waits for none.

The search's thread leaves what was heard with each candidate, the publisher's thread each alert that Kafka has; a
thread of its own hands both to a process of the lowest priority (:mod:`pipelines.show.page_writer`), which draws. A
queue that is full loses its oldest page, a writer that hangs is replaced: both are logged and cost no alert.
"""

from __future__ import annotations

import pickle
import queue
import struct
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from pipelines.live.daemon import Hooks
from pipelines.live.publisher import Published
from pipelines.show.evidence import Evidence, PageJob, Recorder
from stream.records import Candidate, Statistic, WhitenedSegment
from stream.settings import DaemonSettings

log = structlog.get_logger()

_QUEUE, _REMEMBERED = 32, 64
_PAGE_S = 120.0
_NICENESS = 19
_IDLE_S = 300.0
_LENGTH = struct.Struct("<Q")


@contextmanager
def with_pages(settings: DaemonSettings) -> Iterator[Hooks]:
    """Give hooks by which a daemon has its pages written, if settings ask for them; at the end the last ones are."""
    if settings.pages_dir is None:
        yield Hooks()
        return
    pages = LivePages(settings.pages_dir, settings.pages_kept)
    try:
        yield Hooks(candidate=pages.candidate, published=pages.published, tap=pages.tap)
    finally:
        pages.close()


class LivePages:
    """Takes what the daemon's hooks tell, and has the pages written.

    Parameters
    ----------
    folder : Path
    kept : int
        Most events.
    """

    def __init__(self, folder: Path, kept: int) -> None:
        self._command = [sys.executable, "-m", "pipelines.show.page_writer", str(folder), str(kept), str(_NICENESS)]
        self._recorder = Recorder()
        self._heard: OrderedDict[int, Evidence] = OrderedDict()
        self._jobs: queue.Queue[PageJob | None] = queue.Queue(_QUEUE)
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="pages", daemon=True)
        self._thread.start()

    def tap(self, whitened: Sequence[WhitenedSegment], statistic: Statistic) -> None:
        """Remember a span."""
        self._recorder(whitened, statistic)

    def candidate(self, candidate: Candidate) -> None:
        """Keep what was heard around a candidate: its alert may leave when that has passed by."""
        self._heard[candidate.gps_ns] = self._recorder.around(candidate.gps_ns)
        while len(self._heard) > _REMEMBERED:
            self._heard.popitem(last=False)

    def published(self, published: Published) -> None:
        """Queue the page of an alert; what has come since the candidate belongs to it too."""
        if published.alert is None:
            return
        now, then = self._recorder.around(published.candidate_ns), self._heard.get(published.candidate_ns)
        evidence = now if then is None or len(now.strain) >= len(then.strain) else then
        job = PageJob(published.alert.avro, published.alert.headers, evidence)
        while True:
            try:
                self._jobs.put_nowait(job)
                return
            except queue.Full:
                log.warning("page_lost", superevent_id=published.superevent_id, reason="too many pages wait")
                self._drop_oldest()

    def close(self, timeout_s: float = 10.0) -> None:
        """Have the pages that wait written, for so long, and end."""
        try:
            self._jobs.put(None, timeout=timeout_s)
        except queue.Full:
            self._drop_oldest()
            self._jobs.put(None)
        self._thread.join(timeout_s)
        self._ended = True
        while self._thread.is_alive():  # its page takes too long: without the child it has nothing to wait for
            child = self._child
            if child is not None:
                child.kill()
            self._thread.join(0.1)
        self._end_child()

    def _drop_oldest(self) -> None:
        try:
            self._jobs.get_nowait()
        except queue.Empty:
            return

    # -- the thread ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE_S)
            except queue.Empty:
                self._end_child()  # its memory is given back while nothing happens
                continue
            if job is None or self._ended:
                return
            self._write(job)

    def _write(self, job: PageJob) -> None:
        """Hand a job to the child and wait for its answer; one that gives none is ended."""
        if self._child is not None and self._child.poll() is not None:
            self._end_child()
        try:
            if self._child is None:
                self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            answer = _ask(self._child, pickle.dumps(job))
        except OSError as error:
            answer = str(error).encode()
        if answer.startswith(b"ok"):
            log.info("page_written", page=answer[2:].decode(errors="replace").strip())
            return
        log.warning("page_not_written", reason=answer.decode(errors="replace").strip() or "the writer gave no answer")
        if not answer.startswith(b"no"):
            self._end_child()

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _ask(child: subprocess.Popen[bytes], packed: bytes) -> bytes:
    """Return a child's answer; empty of one that has ended, or has been for not reading or answering in its time."""
    assert child.stdin is not None and child.stdout is not None
    late = threading.Timer(_PAGE_S, child.kill)
    late.start()
    try:
        child.stdin.write(_LENGTH.pack(len(packed)) + packed)
        child.stdin.flush()
        return child.stdout.readline()
    finally:
        late.cancel()
