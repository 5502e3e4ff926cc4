"""One deadline, shared by every call of an operation, on a monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from stream.errors import DeadlineExceeded


class Deadline:
    """Time left for an operation.

    Parameters
    ----------
    seconds : float
        From now.
    what : str
        Named in the error.
    monotonic_s : callable
        Clock; tests give a fake one.
    """

    def __init__(self, seconds: float, what: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic_s
        self._end = monotonic_s() + seconds
        self._seconds = seconds
        self._what = what
        self._why = "is the broker there?"

    @property
    def left_s(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - self._now())

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.left_s == 0.0

    def renew(self) -> None:
        """Begin anew: something was done."""
        self._end = self._now() + self._seconds

    def waits_for(self, why: str) -> None:
        """Name what is waited for in the error."""
        self._why = f"{why};"

    def check(self) -> float:
        """Return the seconds left.

        Raises
        ------
        DeadlineExceeded
            If there are none.
        """
        left = self.left_s
        if left == 0.0:
            raise DeadlineExceeded(
                f"{self._what} did not end within {self._seconds:g} s: {self._why} "
                "(kafka.bootstrap_servers, kafka.operation_timeout_s)"
            )
        return left
