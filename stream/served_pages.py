"""Which file of the pages' folder a request's target is: the list of events, or the page of one; nothing else.

What came in a request is never a path: a page's name is made of a superevent's id, whose form is checked, and no link
is followed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from stream.superevent import is_superevent_id

_MAX_BYTES = 8 << 20
_NONE_YET = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="30">'
    b'<meta name="viewport" content="width=device-width, initial-scale=1"><title>Tocsin: events</title></head>'
    b'<body style="background:#10141a;color:#e8e4dc;font-family:sans-serif;padding:16px"><h1>Events</h1>'
    b"<p>No event yet.</p></body></html>\n"
)


class ServedPages:
    """Reads the pages that the daemon has written.

    Parameters
    ----------
    folder : Path
        As ``daemon.pages_dir``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, target: str) -> bytes | None:
        """Return the page of a request's target; None where there is none."""
        if target in ("/", "/index.html"):
            return _read(self._folder / "index.html") or _NONE_YET
        name = target.removeprefix("/events/").removesuffix(".html")
        if target != f"/events/{name}.html" or not is_superevent_id(name):
            return None
        return _read(self._folder / "events" / f"{name}.html")


def _read(path: Path) -> bytes | None:
    """Return a regular file's content; None where there is none, or it is too long to be a page."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    told = os.fstat(descriptor)
    if not stat.S_ISREG(told.st_mode) or told.st_size > _MAX_BYTES:
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_MAX_BYTES)
