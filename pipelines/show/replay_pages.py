"""Event pages of a replay: what was heard is taken while it passes by, the pages are written at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.show.evidence import AFTER_S, Evidence, Recorder
from pipelines.show.page_folder import PageFolder
from stream.codec.alert import decode, encode
from stream.records import Revision, Statistic, WhitenedSegment
from stream.settings import Settings
from stream.timebase import NS_PER_S


class ReplayPages:
    """Sees what a replay hears and says."""

    def __init__(self) -> None:
        self._recorder = Recorder()
        self._revisions: list[Revision] = []
        self._passing: set[int] = set()
        self._heard: dict[int, Evidence] = {}

    def tap(self, whitened: Sequence[WhitenedSegment], statistic: Statistic) -> None:
        """Remember a span, and take what has passed by around the events."""
        self._recorder(whitened, statistic)
        past_ns = whitened[0].end_ns - round(AFTER_S * NS_PER_S)
        self._take([gps_ns for gps_ns in self._passing if gps_ns <= past_ns])

    def told(self, revision: Revision) -> None:
        """Take a revision."""
        self._revisions.append(revision)
        self._passing.add(revision.gps_ns)

    def _take(self, times_ns: Sequence[int]) -> None:
        for gps_ns in times_ns:
            self._heard[gps_ns] = self._recorder.around(gps_ns)
            self._passing.discard(gps_ns)

    def write(self, folder: Path, settings: Settings) -> list[Path]:
        """Write a page of each event, and the list of them.

        Returns
        -------
        list of Path
            The list first, then each page.
        """
        self._take(list(self._passing))
        pages = PageFolder(folder, max(settings.daemon.pages_kept, len(self._revisions)))
        pages.write_index()
        written = [folder / "index.html"]
        for revision in self._revisions:
            alert = encode(revision, settings.publish, settings.significance)
            record, extra = decode(alert.avro, alert.headers)
            written.append(pages.add(record, extra, self._heard.get(revision.gps_ns)))
        return list(dict.fromkeys(written))
