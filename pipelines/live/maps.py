"""Sky map and class of what the search finds, made beside it: snapshots to the follow-up, its answers to the events.

``localize.refine`` has a second process, which makes BAYESTAR's map of what the first one has mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from pipelines.follow import FOLLOW_UP, REFINEMENT, Order
from pipelines.live.followup import FollowUps
from stream.infer import ModelCard
from stream.records import Finding, Localized, Snapshot
from stream.settings import Settings

_REFINING = 12
"""A refined map may take so many times as long: BAYESTAR's takes ten seconds of two processors for three detectors."""


class Maps:
    """The follow-up of a daemon, if its settings want one.

    Parameters
    ----------
    settings : Settings
    card : callable
        The card of the network that is live now.
    publish : callable
        Takes what was found, from a thread of the follow-up.
    maker : str
        What makes the follower.

    Attributes
    ----------
    wait_s : float or None
        So long a candidate's alert waits for its map; None where none is made.
    """

    def __init__(
        self, settings: Settings, card: Callable[[], ModelCard], publish: Callable[[Finding], Any],
        maker: str = FOLLOW_UP,
    ) -> None:  # fmt: skip
        localize = settings.localize
        self.wait_s = settings.publish.wait_for_map_s if localize.enabled else None
        self._publish = publish
        self._maps = self._refined = None

        def order(maker: str, times: int) -> Callable[[], Order]:
            return lambda: Order(maker, (settings, card()), times * localize.timeout_s)

        if localize.enabled:
            self._maps = FollowUps(order(maker, 1), self._found, localize.queue)
        if localize.enabled and localize.refine != "none":
            found = lambda _, localized: publish(localized)  # noqa: E731
            self._refined = FollowUps(order(REFINEMENT, _REFINING), found, localize.queue, "refined")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def submit(self, snapshot: Snapshot) -> None:
        """Hand a snapshot over; returns at once."""
        if self._maps is not None:
            self._maps.submit(snapshot)

    def describe(self) -> str:
        """Return how its process is, as ``/readyz`` says it."""
        return "off" if self._maps is None else self._maps.state

    def close(self) -> None:
        """Finish what can be finished soon, and end."""
        for follow in (self._maps, self._refined):
            if follow is not None:
                follow.close()

    def _found(self, snapshot: Snapshot, localized: Localized) -> None:
        self._publish(localized)
        if self._refined is not None and localized.skymap_fits:
            self._refined.submit(snapshot, localized)
