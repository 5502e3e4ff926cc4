"""``tocsin demo``: the whole pipeline in one process, with nothing else installed.

An embedded broker, two synthetic detectors with witnesses that send in real time, one glitch, one merger; the daemon
as it runs in production; a subscriber. A gamma-ray burst 1.7 s after the merger is told as Fermi-GBM tells one, sooner
than in life, and joins; one a minute before does not. It ends with the alert, as Avro and JSON, its page and a picture.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lal
import numpy as np
import structlog

from pipelines.feeds.external import NoticeFeed
from pipelines.feeds.feed import feed
from pipelines.live.daemon import Hooks, run
from pipelines.live.observe import Observer
from pipelines.live.publisher import Published
from pipelines.progress import Progress
from pipelines.show.demo_bursts import BURST_S, bursts, joined_after_s, told_of
from pipelines.show.evidence import Recorder
from pipelines.show.live_pages import LivePages
from pipelines.show.local import FOUND_WITHIN_NS, await_maps, create_topics, local_settings
from pipelines.show.picture import draw
from pipelines.subscribe import ReceivedAlert, receive
from pipelines.subscribe.messenger import OtherMessenger
from stream.errors import TocsinError
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.reading import read_all
from stream.records import Block, Candidate, Statistic, WhitenedSegment
from stream.simulate.detector import Injection, NetworkConfig, SyntheticNetwork
from stream.simulate.waveforms import BinaryParameters
from stream.timebase import NS_PER_S, SystemClock

log = structlog.get_logger()

_LOOK_S = 0.1
_PAGES_S = 60.0
GLITCH_S, MERGER_S, END_S = 16.0, 20.3, 24.0
"""Seconds from the first sample: the PSD is usable after 8, filters are in force after 13; then the search hears."""
_JOINS_S, _SAME_S = 5.0, 0.1


@dataclass(slots=True)
class DemoResult:
    """What the demo showed; :meth:`as_dict` is its JSON.

    ``alerts`` are all messages in their order; what is counted are superevents, of which each may have several.
    """

    merger_ns: int
    network_snr: float
    alerts: list[ReceivedAlert] = field(default_factory=list)
    merger_to_alert_s: float | None = None
    notice_to_revision_s: float | None = None
    files: dict[str, str] = field(default_factory=dict)
    place_rad: tuple[float, float] = (0.0, 0.0)

    @property
    def superevent_ids(self) -> list[str]:
        """The superevents, in the order of their first alerts."""
        return list(dict.fromkeys(a.superevent_id for a in self.alerts))

    @property
    def false_alarms(self) -> int:
        """Superevents that are not the merger's one."""
        true = {a.superevent_id for a in self.alerts if abs(a.extra["gps_ns"] - self.merger_ns) <= FOUND_WITHIN_NS}
        return len(self.superevent_ids) - min(len(true), 1)

    @property
    def joined(self) -> OtherMessenger | None:
        """What the last alert tells of another messenger."""
        return OtherMessenger.of(self.alerts[-1].record, self.alerts[-1].extra) if self.alerts else None

    @property
    def ok(self) -> bool:
        """One superevent, and it is the merger's."""
        return len(self.superevent_ids) == 1 and self.false_alarms == 0

    @property
    def burst_joined(self) -> bool:
        """The burst after the merger joined it, and no other did."""
        told = self.joined
        if told is None or told.time_difference_s is None:
            return False
        return abs(told.time_difference_s - BURST_S) < _SAME_S and not told.others

    def as_dict(self) -> dict[str, object]:
        """Return the stable JSON form."""
        return {
            "alerts": len(self.superevent_ids),
            "false_alarms": self.false_alarms,
            "merger_to_alert_s": self.merger_to_alert_s,
            "superevent_ids": self.superevent_ids,
            "joined": None if self.joined is None else self.joined.as_dict(),
            "notice_to_revision_s": self.notice_to_revision_s,
            "injected": {"gps_ns": self.merger_ns, "network_snr": round(self.network_snr, 2)},
            "files": self.files,
        }


class Background:
    """Run something in a thread; ``join`` raises what it raised."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._work = work
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    def join(self, timeout_s: float = 60.0) -> None:
        """Wait for its end."""
        self._thread.join(timeout_s)
        if self.error is not None:
            raise self.error
        if self._thread.is_alive():
            raise TocsinError(f"{self._thread.name} did not end within {timeout_s:g} s")


@dataclass(slots=True)
class _Watcher:
    """What the demo remembers of the running daemon."""

    pages: LivePages
    recorder: Recorder = field(default_factory=Recorder)
    candidates: list[Candidate] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    observer: Observer | None = None

    def hooks(self) -> Hooks:
        """Return the hooks that fill this, and have the pages written."""
        return Hooks(self._started, self._candidate, self._published, self._tap)

    def await_joined(self) -> None:
        """Wait until an alert tells of another messenger with the sky maps of both, or for some seconds."""
        until_s = time.monotonic() + _JOINS_S
        while time.monotonic() < until_s:
            told = [told_of(published) for published in self.published]
            if any(other is not None and other.sky_far_hz is not None for other in told):
                return
            time.sleep(_LOOK_S)

    def _started(self, observer: Observer, _: int) -> None:
        self.observer = observer

    def _candidate(self, candidate: Candidate) -> None:
        self.candidates.append(candidate)
        self.pages.candidate(candidate)

    def _published(self, published: Published) -> None:
        self.published.append(published)
        self.pages.published(published)

    def _tap(self, whitened: Sequence[WhitenedSegment], statistic: Statistic) -> None:
        self.recorder(whitened, statistic)
        self.pages.tap(whitened, statistic)


def demo(out: Path, seed: int = 7, progress: Progress | None = None) -> DemoResult:
    """Run the demonstration; write ``alert.avro``, ``alert.json``, ``combined.fits``, ``event.png``, ``pages/``.

    Raises
    ------
    TocsinError
        If a part of the pipeline failed.
    """
    out.mkdir(parents=True, exist_ok=True)
    with EmbeddedBroker() as broker:
        settings = local_settings(broker.bootstrap_servers, out / "state", messengers=True, detectors=("H1", "L1"))
        create_topics(broker, settings)
        pages = LivePages(out / "pages", settings.daemon.pages_kept)
        watcher, stop, clock = _Watcher(pages), threading.Event(), SystemClock()
        daemon = Background("daemon", lambda: run(settings, stop=stop, hooks=watcher.hooks()))
        try:
            while watcher.observer is None and daemon.running:
                time.sleep(_LOOK_S)
            if watcher.observer is not None:
                await_maps(watcher.observer, lambda: not daemon.running)
            if daemon.error is not None:
                raise daemon.error
            start_ns = (clock.now_ns() // NS_PER_S + 2) * NS_PER_S
            result, source = _scene(seed, start_ns)
            with NoticeFeed(bursts(result.merger_ns, result.place_rad, seed), settings, clock) as notices:
                feed(_reporting(source, start_ns, progress), settings, clock, on_block=notices.sent_until)
            watcher.await_joined()
            stop.set()
            daemon.join()
        finally:
            stop.set()
            pages.close(_PAGES_S)
        result.alerts = [receive(m) for m in read_all(settings.kafka, settings.topics.alerts)]
        if result.alerts:
            result.merger_to_alert_s = _latency_s(watcher.published, result.merger_ns)
            result.notice_to_revision_s = joined_after_s(watcher.published, notices.received_ns)
            as_json = [receive(m) for m in read_all(settings.kafka, settings.topics.alerts_json)]
            _write(result, watcher, as_json, out)
    return result


def _scene(seed: int, start_ns: int) -> tuple[DemoResult, Iterator[Block]]:
    """Return what is sent: noise with witnesses, a glitch in L1, and a merger of 36 and 29 solar masses."""
    network = SyntheticNetwork(NetworkConfig(seed=seed, glitches=(("L1", start_ns + round(GLITCH_S * NS_PER_S)),)))
    merger_ns = start_ns + round(MERGER_S * NS_PER_S)
    # High above North America, where both detectors hear well, whatever the hour is.
    ra_rad = float(lal.GreenwichMeanSiderealTime(lal.LIGOTimeGPS(merger_ns / NS_PER_S))) - 1.7
    binary = BinaryParameters(
        36.0, 29.0, inclination_rad=2.6, phase_rad=1.0, ra_rad=ra_rad, dec_rad=0.7, polarization_rad=0.8,
        geocent_ns=merger_ns,
    )  # fmt: skip
    snr = network.inject(Injection(binary, network_snr=20.0))
    return DemoResult(merger_ns, snr, place_rad=(ra_rad % (2 * np.pi), binary.dec_rad)), network.blocks(
        start_ns, start_ns + round(END_S * NS_PER_S), 1
    )


def _reporting(source: Iterator[Block], start_ns: int, progress: Progress | None) -> Iterator[Block]:
    for block in source:
        if progress is not None:
            progress((block.end_ns - start_ns) / NS_PER_S, END_S)
        yield block


def _latency_s(published: list[Published], merger_ns: int) -> float | None:
    near = [p for p in published if abs(p.candidate_ns - merger_ns) <= FOUND_WITHIN_NS]
    return round((near[0].acknowledged_ns - merger_ns) / NS_PER_S, 4) if near else None


def _write(result: DemoResult, watcher: _Watcher, as_json: list[ReceivedAlert], out: Path) -> None:
    """Write the first superevent's last alert, its best, in both forms, and the picture of its candidate."""
    name = result.superevent_ids[0]
    *_, alert = (a for a in result.alerts if a.superevent_id == name)
    *_, json_alert = (a for a in as_json if a.superevent_id == name)
    (out / "alert.avro").write_bytes(alert.raw)
    (out / "alert.json").write_text(json.dumps(json.loads(json_alert.raw), indent=2) + "\n")
    result.files = {"avro": str(out / "alert.avro"), "json": str(out / "alert.json")}
    if result.joined is not None and result.joined.combined_fits is not None:
        (out / "combined.fits").write_bytes(result.joined.combined_fits)
        result.files["combined map"] = str(out / "combined.fits")
    candidate = next((c for c in watcher.candidates if c.gps_ns == alert.extra["gps_ns"]), None)
    page = out / "pages" / "events" / f"{name}.html"
    if page.exists():
        result.files["page"] = str(page)
    if candidate is not None:
        heard = watcher.recorder.around(candidate.gps_ns)
        title = f"{name}: injected merger, SNR {result.network_snr:.1f}"
        draw(heard, candidate, title, out / "event.png")
        result.files["picture"] = str(out / "event.png")
