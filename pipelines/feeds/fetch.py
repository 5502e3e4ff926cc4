"""``tocsin fetch``: public strain of an event from GWOSC, by resumable downloads.

GWOSC's catalogue says which files hold an event (``gwosc.locate``). A file is written beside its place as ``.part``,
continued from where an earlier try ended, opened and checked, and only then moved to its name.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from gwosc.locate import get_event_urls

from pipelines.progress import Progress
from stream.codec.files import read_strain_file
from stream.errors import ConfigurationError, StrainFileError, TransportError

log = structlog.get_logger()
_CHUNK = 1 << 18
_TRIES = 5
_TIMEOUT_S = 30.0


def fetch(
    event: str,
    detectors: Sequence[str],
    out: Path,
    *,
    duration_s: int = 32,
    sample_rate_hz: int = 4096,
    file_format: str = "hdf5",
    progress: Progress | None = None,
) -> list[Path]:
    """Download an event's files; those that are there and sound are not fetched again.

    Returns
    -------
    list of Path
        One per detector.

    Raises
    ------
    ConfigurationError
        If GWOSC knows no such event, detector, rate or length.
    TransportError
        If GWOSC cannot be reached, or a download broke off more often than it was worth trying.
    StrainFileError
        If a complete file is not sound.
    """
    paths = []
    for detector in detectors:
        urls = _locate(
            event, detector=detector, duration=duration_s, sample_rate=sample_rate_hz, format=file_format
        )  # fmt: skip
        paths += [download(url, out, progress) for url in urls]
    return paths


def _locate(event: str, **wanted: object) -> list[str]:
    try:
        urls: list[str] = get_event_urls(event, **wanted)
    except (ValueError, KeyError) as error:
        raise ConfigurationError(f"GWOSC has no {event} with {wanted}: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise TransportError(f"GWOSC cannot be reached: {error}; check the network, then try again") from error
    if not urls:
        raise ConfigurationError(f"GWOSC has no files of {event} with {wanted}")
    return urls


def download(
    url: str, out: Path, progress: Progress | None = None, sleep: Callable[[float], None] = time.sleep
) -> Path:
    """Download one file, going on from where an earlier try ended.

    Raises
    ------
    TransportError
        If it broke off too often; what is there stays, and the next call goes on from it.
    StrainFileError
        If the complete file is not sound; it is removed.
    """
    path = out / url.rpartition("/")[2]
    out.mkdir(parents=True, exist_ok=True)
    if path.exists() and _is_sound(path):
        log.info("already_there", path=str(path))
        return path
    part = path.with_name(path.name + ".part")
    for attempt in range(_TRIES):
        try:
            _append(url, part, progress)
            break
        except (OSError, http.client.HTTPException) as error:
            refused = isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500
            if refused or attempt == _TRIES - 1:
                raise TransportError(f"{url}: {error}; the same command goes on from what is there") from error
            log.warning("download_broke_off", url=url, error=str(error), attempt=attempt + 1)
            sleep(2.0**attempt)
    part.replace(path)
    if not _is_sound(path):
        path.unlink()
        raise StrainFileError(f"{url} arrived, but is not sound strain: fetch it again")
    return path


def _append(url: str, part: Path, progress: Progress | None) -> None:
    """Fetch what is missing of a file."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # nothing is missing
        raise
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                if progress is not None and total:
                    progress(have / 1e6, total / 1e6)
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)


def _is_sound(path: Path) -> bool:
    try:
        read_strain_file(path)
    except StrainFileError as error:
        log.warning("file_is_damaged", path=str(path), error=str(error))
        return False
    return True
