"""Sky maps that notices name by URL: fetched beside the stream, which never waits for a host."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from pipelines.listen.fetch import Rules, UrlRefused, fetch
from stream.codec.limits import MAX_BYTES
from stream.codec.skymap import decode_skymap, encode_skymap
from stream.coincide.coarsen import coarsened
from stream.errors import CodecError, DataError, TransportError
from stream.metrics import MAPS_FETCHED
from stream.records import ExternalEvent
from stream.settings import ListenSettings
from stream.text import clean
from stream.timebase import Clock

log = structlog.get_logger()
_LARGE = MAX_BYTES["external"] // 2
_IGNORED = (0.0, 1e-5, 1e-3, 0.05)
_CLOSE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Fetched:
    """An event as it was asked for, and with its map."""

    asked: ExternalEvent
    with_map: ExternalEvent


def fitted_map(payload: bytes, most_bytes: int) -> bytes:
    """Return a sky map that fits into a message: as it came, or as a multi-order one of as many pixels as it takes.

    Where joining equal neighbours is not enough, the least probable ones are joined too: 1e-5 of the probability, then
    1e-3, then 0.05 may be moved within a coarser pixel. Distances are left out then.

    Raises
    ------
    CodecError
        If it is no sky map, or longer than ``most_bytes`` once expanded, or does not fit even so.
    """
    skymap = decode_skymap(payload, most_bytes)
    if len(payload) <= _LARGE and _is_read_of_a_message(payload):
        return payload
    uniq, columns = skymap.uniq, skymap.probdensity[:, None]
    for ignored in _IGNORED:
        uniq, columns = coarsened(uniq, columns, ignored)
        plain = replace(skymap, distmu_mpc=None, distsigma_mpc=None, distnorm=None)
        fewer = replace(plain, uniq=uniq, probdensity=columns[:, 0])
        kept = encode_skymap(fewer)
        if len(kept) <= _LARGE:
            return kept
    raise CodecError(f"a sky map of {len(payload)} bytes that does not fit into a message with fewer pixels")


def _is_read_of_a_message(payload: bytes) -> bool:
    """Whether whoever gets a map in a message reads it: a gzipped one may be longer than it looks."""
    try:
        decode_skymap(payload)
    except CodecError:
        return False
    return True


class MapFetcher:
    """Fetch maps in a thread of its own, one after the other; used with ``with``.

    Parameters
    ----------
    settings : ListenSettings
    clock : Clock
    get : callable
        Returns what lies behind a URL, by rules.
    """

    def __init__(self, settings: ListenSettings, clock: Clock, get: Callable[[str, Rules], bytes] = fetch) -> None:
        hosts = frozenset(host.lower() for host in settings.map_hosts)
        self._rules = Rules(hosts, settings.map_bytes, settings.map_timeout_s, settings.map_ca_location)
        self._clock, self._get = clock, get
        self._asked: queue.Queue[ExternalEvent | None] = queue.Queue(settings.map_queue)
        self._came: queue.SimpleQueue[_Fetched] = queue.SimpleQueue()
        self._open = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maps", daemon=True)
        self._thread.start()

    def __enter__(self) -> MapFetcher:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give up what waits."""
        self._ended.set()
        try:
            self._asked.put_nowait(None)
        except queue.Full:
            self._asked.get_nowait()
            self._asked.put_nowait(None)
        self._thread.join(_CLOSE_S)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, is fetched, or came and was not taken."""
        return self._asked.unfinished_tasks == 0 and self._came.empty()

    def ask(self, event: ExternalEvent) -> None:
        """Have an event's map fetched, if it names one and has none; what finds no room is counted and passed over."""
        if event.skymap is not None or not event.skymap_url:
            return
        try:
            self._asked.put_nowait(event)
        except queue.Full:
            self._count("dropped", event, "listen.map_queue is full")

    def fetched(self, is_latest: Callable[[ExternalEvent], bool]) -> list[ExternalEvent]:
        """Return events with the maps that came, as received now; not those that a later notice has replaced."""
        found = []
        while not self._came.empty():
            each = self._came.get()
            if is_latest(each.asked):
                MAPS_FETCHED.labels("fetched").inc()
                found.append(replace(each.with_map, received_ns=self._clock.now_ns()))
            else:
                self._count("superseded", each.asked, "a later notice of the event came first")
        return found

    def _run(self) -> None:
        while (event := self._asked.get()) is not None and not self._ended.is_set():
            self._fetch(event)
            self._asked.task_done()

    def _fetch(self, event: ExternalEvent) -> None:
        try:
            payload = self._get(event.skymap_url or "", self._rules)
            kept = fitted_map(payload, self._rules.most_bytes)
        except UrlRefused as error:
            self._count("refused", event, str(error))
        except (TransportError, DataError) as error:
            self._count("failed", event, str(error))
        else:
            self._came.put(_Fetched(event, replace(event, skymap=kept)))

    def _count(self, outcome: str, event: ExternalEvent, why: str) -> None:
        MAPS_FETCHED.labels(outcome).inc()
        log.warning(
            "map_not_fetched", outcome=outcome, source=clean(event.source), event_id=clean(event.event_id),
            reason=clean(why, 300),
        )  # fmt: skip
