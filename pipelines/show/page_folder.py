"""The folder of event pages: one page of each event, what is needed to make it anew, and the list of all.

::

    index.html                       the events, the newest first
    events/TS261122a.html            the page of an event's last alert
    events/TS261122a.json, .npz      what its alerts said; what was heard around it

A name is made of a superevent's id, whose form is checked. Files appear whole; the oldest events go when there are too
many.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.show import evidence as heard
from pipelines.show.event_page import event_page
from pipelines.show.evidence import Evidence
from pipelines.show.index_page import index_page
from pipelines.show.summary import Summary
from stream.errors import SchemaError
from stream.superevent import is_superevent_id

_MOST_ALERTS = 50
_SUFFIXES = (".html", ".json", ".npz")


class PageFolder:
    """Writes the pages; one writer to a folder.

    Parameters
    ----------
    folder : Path
    kept : int
        Most events.
    """

    def __init__(self, folder: Path, kept: int = 200) -> None:
        self._folder = folder
        self._events = folder / "events"
        self._kept = kept
        self._events.mkdir(parents=True, exist_ok=True)

    def add(self, record: Mapping[str, Any], extra: Mapping[str, Any], evidence: Evidence | None = None) -> Path:
        """Write the page of an alert and the list; an alert that is older than the page's changes the list alone.

        Returns
        -------
        Path
            Of the page.

        Raises
        ------
        SchemaError
            If the alert's id has not the form of one.
        """
        name = record["superevent_id"]
        if not is_superevent_id(name):
            raise SchemaError(f"alert of {str(name)[:32]!r}: a page is named after a superevent, such as TS261122a")
        evidence = self._evidence(name, evidence)
        known = self._told(name)
        earlier = [each for each in known if _order(each) < _order_of(extra)]
        page, told = event_page(record, extra, evidence, earlier, "../index.html")
        others = [each for each in known if _order(each) != _order(told)]
        told_of_all = sorted([*others, told], key=_order)[-_MOST_ALERTS:]
        path = self._events / f"{name}.html"
        if told_of_all[-1] is told:
            _write(path, page)
        _write(path.with_suffix(".json"), json.dumps([each.as_dict() for each in told_of_all]))
        self._forget()
        self.write_index()
        return path

    def write_index(self) -> None:
        """Write the list of all events."""
        names = sorted(path.stem for path in self._events.glob("*.json"))
        events = [told for name in names if (told := self._told(name))]
        _write(self._folder / "index.html", index_page(events))

    def _evidence(self, name: str, evidence: Evidence | None) -> Evidence | None:
        """Return what was heard of an event, now or at an alert before, whichever has more, and keep it."""
        path = self._events / f"{name}.npz"
        before = heard.load(path)
        if evidence is None or not evidence.strain:
            return before or evidence
        if before is not None and before.gps_ns == evidence.gps_ns and before.until_ns >= evidence.until_ns:
            return before
        temporary = path.with_suffix(".part")
        heard.save(evidence, temporary)
        temporary.replace(path)
        return evidence

    def _told(self, name: str) -> list[Summary]:
        """Return what an event's alerts said, the oldest first; of a damaged file nothing."""
        try:
            return [Summary.from_dict(told) for told in json.loads((self._events / f"{name}.json").read_bytes())]
        except (OSError, ValueError, TypeError, AttributeError):
            return []

    def _forget(self) -> None:
        """Remove the oldest events, by when their last alert was written."""
        told = sorted(self._events.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in told[: max(0, len(told) - self._kept)]:
            for suffix in _SUFFIXES:
                path.with_suffix(suffix).unlink(missing_ok=True)


def _order(told: Summary) -> int:
    return -1 if told.revision is None else told.revision


def _order_of(extra: Mapping[str, Any]) -> int:
    revision = extra.get("revision")
    return revision if isinstance(revision, int) else -1


def _write(path: Path, text: str) -> None:
    """Write a file so that whoever reads it has the old one or the new one."""
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
