"""Start a command for an alert: its words as they were given, never through a shell; the alert as JSON on its input.

The command inherits the environment without the credentials of the brokers and the webhook, and finds a few values of
the alert in it, cleaned; all of the alert it reads from its input. What it prints goes to the log (standard error).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from pipelines.subscribe.actions.action import Call
from stream.errors import ActionFailed, ConfigurationError
from stream.superevent import is_superevent_id
from stream.text import clean

_SECRET_PARTS = ("SECRET", "PASSWORD", "TOKEN", "CREDENTIAL")
_GRACE_S = 2.0
_WORD = 128


class CommandAction:
    """Start a command for each alert; it is done when that ends with 0.

    Parameters
    ----------
    words : sequence of str
        Program and arguments.
    timeout_s : float
        A command that takes longer is ended with all that it started: SIGTERM to its group, and SIGKILL after 2 s.
    environ : mapping
        What it inherits, but for what looks like a credential.
    """

    kind = "command"

    def __init__(self, words: Sequence[str], timeout_s: float, environ: Mapping[str, str] = os.environ) -> None:
        if not words:
            raise ConfigurationError("a command without words: name a program")
        self._words = tuple(words)
        self._timeout_s = timeout_s
        self._environ = {k: v for k, v in environ.items() if not any(part in k.upper() for part in _SECRET_PARTS)}
        self._running: subprocess.Popen[bytes] | None = None
        self._cancelled = threading.Event()

    def run(self, call: Call) -> None:
        """Start the command and wait for its end."""
        try:
            with tempfile.TemporaryFile() as given:
                given.write(call.body() + b"\n")
                given.seek(0)
                process = self._start(given, self._environ | variables(call))
        except OSError as error:
            raise ActionFailed(f"no file can be made for the input of {self._words[0]}: {error}") from error
        self._running = process
        try:
            code = process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            raise ActionFailed(f"{self._words[0]} took longer than {self._timeout_s:g} s, and was ended") from None
        finally:
            self._running = None
            _end_group(process)
        if code != 0:
            how = f"with exit code {code}" if code > 0 else f"by signal {-code}"
            raise ActionFailed(f"{self._words[0]} ended {how}")

    def _start(self, given: IO[bytes], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        if self._cancelled.is_set():
            raise ActionFailed("not started: the subscription ends")
        try:
            return subprocess.Popen(
                self._words, stdin=given, stdout=sys.__stderr__, stderr=sys.__stderr__, env=dict(environ),
                start_new_session=True, close_fds=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise ActionFailed(f"{self._words[0]} cannot be started: {error}") from error

    def check(self) -> str:
        """Say what is started, once the program is found and may be executed."""
        found = shutil.which(self._words[0])
        if found is None:
            raise ConfigurationError(
                f"{self._words[0]} is no program that can be executed here: check its path, and chmod +x it"
            )
        return f"{found} is started for each alert, for at most {self._timeout_s:g} s"

    def cancel(self) -> None:
        """End the command that runs now; its alert is tried again."""
        self._cancelled.set()
        running = self._running
        if running is not None:
            _signal_group(running, signal.SIGTERM)


def variables(call: Call) -> dict[str, str]:
    """Return the values of an alert for a command's environment: few, cleaned, and never more than a word long."""
    record: dict[str, Any] = call.alert.record
    event = record["event"] or {}
    far = event.get("far")
    values = {
        "SUPEREVENT_ID": call.alert.superevent_id if is_superevent_id(call.alert.superevent_id) else "",
        "ALERT_TYPE": str(record["alert_type"]),
        "TIME": str(event.get("time", "")),
        "FAR_HZ": "" if far is None else repr(float(far)),
        "TEST": "1" if call.told.get("test") else "0",
        "KEY": call.key,
        "ATTEMPT": str(call.attempt),
    }
    return {f"TOCSIN_{name}": clean(value, _WORD) for name, value in values.items()}


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started and left behind."""
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
