"""What every action is: something that is called with an alert, and returns when it is done or raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pipelines.subscribe.delivery import again
from pipelines.subscribe.queue import Job
from pipelines.subscribe.received import ReceivedAlert


@dataclass(frozen=True, slots=True)
class Call:
    """An alert for an action.

    Attributes
    ----------
    alert : ReceivedAlert
    key : str
        The same for the same alert, however often it is tried: what makes a second attempt harmless.
    attempt : int
        From 1.
    told : dict
        What the rules said; see :meth:`pipelines.subscribe.delivery.Delivery.told`.
    """

    alert: ReceivedAlert
    key: str
    attempt: int
    told: dict[str, Any]

    @classmethod
    def of(cls, job: Job) -> Call:
        """Return the call of a job; its message is read again where it comes from the file."""
        alert, told = again(job.raw, job.told) if job.alert is None else (job.alert, job.told["told"])
        return cls(alert, job.key, job.attempt, told)

    def body(self) -> bytes:
        """Return what a command reads and a webhook gets: a line of JSON, as ``tocsin subscribe --json`` prints it."""
        return self.alert.as_json({"subscription": self.told})


class Action(Protocol):
    """Something to do about alerts."""

    @property
    def kind(self) -> str:
        """``file``, ``command``, ``webhook`` or ``slack``."""
        ...

    def run(self, call: Call) -> None:
        """Do it.

        Raises
        ------
        ActionFailed
            If it was not done: it is tried again.
        """
        ...

    def check(self) -> str:
        """Return in words what it would do, having looked whether it can, without doing it.

        Raises
        ------
        ConfigurationError
            If it cannot.
        """
        ...

    def cancel(self) -> None:
        """End what runs now, if it takes long."""
        ...
