"""Processes under a supervisor, as in production: what ends is started again, and its end is written down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .fault_reader import now_ns

_BACK_OFF_S = 0.5
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Death:
    """A child that ended: exit code (negative: the signal), and whether that was asked for."""

    name: str
    at_ns: int
    code: int
    asked: bool


class Child:
    """A process that is started again shortly after it ends, until :meth:`close`.

    Parameters
    ----------
    name : str
        In the list of deaths; its output goes to ``<folder>/<name>.log``.
    module : str
        Run by this Python from the repository's root.
    arguments : sequence of str
    folder : Path
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str], folder: Path) -> None:
        self.name = name
        self.deaths: list[Death] = []
        self._command, self._log = [sys.executable, "-m", module, *arguments], folder / f"{name}.log"
        self._asked = False
        self._away_until_s = 0.0
        self._closing = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._supervise, name=f"supervisor of {name}", daemon=True)
        self._thread.start()

    def strike(self, number: signal.Signals, away_s: float = 0.0) -> None:
        """Send a signal that ends it; it is started again, after ``away_s`` at the earliest."""
        self._away_until_s = time.monotonic() + away_s
        self._asked = True
        self._process.send_signal(number)

    def close(self, timeout_s: float = 40.0) -> None:
        """End it for good."""
        self._closing.set()
        self._thread.join()
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, stdout=log, stderr=log, env=environment, cwd=_ROOT)

    def _supervise(self) -> None:
        while not self._closing.wait(0.1):
            code = self._process.poll()
            if code is None:
                continue
            self.deaths.append(Death(self.name, now_ns(), code, self._asked))
            self._asked = False
            while time.monotonic() < self._away_until_s:
                if self._closing.wait(0.05):
                    return
            if self._closing.wait(_BACK_OFF_S):
                return
            self._process = self._start()
