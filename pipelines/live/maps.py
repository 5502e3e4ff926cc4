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

_REFINING = 24
"""A refined map may take so many times as long: BAYESTAR's takes twenty seconds of one core for three detectors."""
_NICE, _NICER = 5, 10


class Maps:
    """The follow-up of a daemon, if its settings want one.

    Parameters
    ----------
    settings : Settings
    card : callable
        The card of the network that is live now.
    publish : callable
        Takes what was found, from a thread of the follow-up.
    maker, refiner : str
        What makes the follower, and the one that refines.

    Attributes
    ----------
    wait_s : float or None
        So long a candidate's alert waits for its map; None where none is made.
    """

    def __init__(
        self, settings: Settings, card: Callable[[], ModelCard], publish: Callable[[Finding], Any],
        maker: str = FOLLOW_UP, refiner: str = REFINEMENT,
    ) -> None:  # fmt: skip
        localize = settings.localize
        self.wait_s = settings.publish.wait_for_map_s if localize.enabled else None
        self._publish = publish
        self._maps = self._refined = None

        def order(maker: str, times: int, nice: int) -> Callable[[], Order]:
            return lambda: Order(maker, (settings, card()), times * localize.timeout_s, nice)

        if localize.enabled:
            self._maps = FollowUps(order(maker, 1, _NICE), self._found, localize.queue)
        if localize.enabled and localize.refine != "none":
            self._refined = FollowUps(order(refiner, _REFINING, _NICER), self._found_again, localize.queue, "refined")

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

    @property
    def starting(self) -> bool:
        """Whether maps cannot be made yet; what comes now is told without."""
        return self._maps is not None and self._maps.state == "starting"

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
            self._refined.submit(snapshot)

    def _found_again(self, _: Snapshot, localized: Localized) -> None:
        self._publish(localized)
