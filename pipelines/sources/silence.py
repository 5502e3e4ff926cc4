"""Whether a source that sends heartbeats still does: a token that ended, or a broker gone mute, is else not noticed."""

from __future__ import annotations

import structlog

from stream.metrics import SOURCE_HEARD, SOURCE_SILENCES

log = structlog.get_logger()


class SilenceWatch:
    """Says once that nothing comes, again each time as long, and once that it does again; ends nothing.

    Parameters
    ----------
    source, topic : str
        The topic says no more than that the source lives.
    limit_s : float
    now_s : float
        Monotonic time at the start.
    """

    def __init__(self, source: str, topic: str, limit_s: float, now_s: float) -> None:
        self.topic = topic
        self._source, self._limit_s = source, limit_s
        self._heard_s = self._told_s = now_s
        self.silent = False
        self.heard = 0

    def __call__(self, now_s: float, messages: int) -> None:
        """Take how many messages of any kind came just now."""
        if messages:
            self._heard(now_s, messages)
        silence_s = now_s - self._heard_s
        SOURCE_HEARD.labels(self._source).set(silence_s)
        if silence_s < self._limit_s or (self.silent and now_s - self._told_s < self._limit_s):
            return
        if not self.silent:
            SOURCE_SILENCES.labels(self._source).inc()
        self.silent, self._told_s = True, now_s
        log.warning(
            "source_silent", source=self._source, since_s=round(silence_s),
            hint="not even a heartbeat came: are the credentials still good, and is the broker up?",
        )  # fmt: skip

    def _heard(self, now_s: float, messages: int) -> None:
        self.heard += messages
        if self.silent:
            log.info("source_heard_again", source=self._source, after_s=round(now_s - self._heard_s))
        self._heard_s, self.silent = now_s, False
