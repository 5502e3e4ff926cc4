"""Which alerts pass, as they come: what a rule matches, and all that follows of the same event."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.subscribe.judging import Judges, Wanted
from pipelines.subscribe.received import ReceivedAlert

_REMEMBERED = 10_000


class Chosen:
    """What passes rules as alerts come: what one of them matches, and all that follows of the same event.

    Whoever was told of an event must hear that it is less likely now, that it coincides no longer, or is withdrawn.

    Parameters
    ----------
    wanted : sequence of Wanted
    now_unix_ns : callable
        The clock.
    """

    def __init__(self, wanted: Sequence[Wanted], now_unix_ns: Callable[[], int]) -> None:
        self._judges, self._now_unix_ns = Judges(wanted), now_unix_ns
        self._told: OrderedDict[str, None] = OrderedDict()

    def __call__(self, alert: ReceivedAlert) -> list[dict[str, Any]]:
        """Return what the rules say of an alert that passes, none where it does not, and remember its event if so."""
        now_unix_ns, said, passes = self._now_unix_ns(), [], alert.superevent_id in self._told
        for wanted in self._judges.wanted:
            verdict = self._judges.judge(wanted, alert, now_unix_ns)
            said.append({"rule": wanted.name, **verdict.as_dict()})
            passes = passes or verdict.matched
        if not passes:
            return []
        self._told[alert.superevent_id] = None
        self._told.move_to_end(alert.superevent_id)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return said
