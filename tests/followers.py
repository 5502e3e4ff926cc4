"""Followers for tests: they find what they are told to, late, or never; made by name in the follow-up's process."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

from findings import mapped

from stream.errors import ModelError
from stream.records import Localized, Snapshot
from stream.settings import Settings


class _Unreadable:
    """What is no number when it is unpickled."""

    def __reduce__(self) -> tuple[type[int], tuple[str]]:
        return int, ("none",)


class Scripted:
    """Find a map at once, unless the candidate's statistic is one of these: then hang, die, raise or answer nonsense.

    Parameters
    ----------
    pace_s : float
        Time that an answer takes.
    """

    HANGS, DIES, RAISES, ANSWERS_NONSENSE = 101.0, 102.0, 103.0, 104.0

    def __init__(self, pace_s: float = 0.0) -> None:
        self._pace_s = pace_s

    def follow(self, snapshot: Snapshot) -> Localized:
        """Follow as the statistic says."""
        statistic = snapshot.candidate.peak.statistic
        print("what a library prints is no answer")
        if statistic == self.HANGS:
            time.sleep(600)
        if statistic == self.DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        if statistic == self.RAISES:
            raise ValueError("a matrix is singular")
        if statistic == self.ANSWERS_NONSENSE:
            return replace(mapped(snapshot.candidate), reasons={"skymap": _Unreadable()})  # type: ignore[dict-item]
        time.sleep(self._pace_s)
        return mapped(snapshot.candidate)


def scripted(*_: object) -> Scripted:
    """Return one, whatever the settings and the network are."""
    return Scripted()


class Refined(Scripted):
    """Find BAYESTAR's map."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def follow(self, snapshot: Snapshot) -> Localized:
        """Follow with the other method."""
        return mapped(snapshot.candidate, "bayestar")


def unable(*_: object) -> Scripted:
    """Refuse to be made."""
    raise ModelError("network first has no templates")


def crashes() -> Scripted:
    """Die in the making."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class TellsTemplate:
    """Say which template the candidate is of, where a reason would stand."""

    def __init__(self, pace_s: float) -> None:
        self._pace_s = pace_s

    def follow(self, snapshot: Snapshot) -> Localized:
        """Say it, after a while."""
        time.sleep(self._pace_s)
        return Localized(snapshot.candidate, reasons={"skymap": str(snapshot.candidate.peak.template)})


class KilledOnce(Scripted):
    """Die over the first candidate of all, in whatever process, however often; find a map of each other."""

    def __init__(self, settings: Settings, _: object) -> None:
        super().__init__()
        self._mark = settings.daemon.state_dir / "killed"

    def follow(self, snapshot: Snapshot) -> Localized:
        """Follow, unless it is the first."""
        name = str(snapshot.candidate.gps_ns)
        if not self._mark.exists():
            self._mark.write_text(name)
        if self._mark.read_text() == name:
            os.kill(os.getpid(), signal.SIGKILL)
        return mapped(snapshot.candidate)
