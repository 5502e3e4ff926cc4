"""What coincides with what, of all that was heard lately: the state around the pure functions of this package.

``ExternalEvent ─heard→`` each superevent of that time with its most significant coincidence now;
``GwEvent ─of→`` the same for one superevent, as its alert is made. Both put before they look, so that of an external
event and a superevent that come at one moment from two threads at least one finds the other.

**An alert never fails because of this**: where the store cannot be read, or a notice's region cannot be compared, it is
logged, counted, and the alert says what it knows.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import structlog

from stream import metrics
from stream.coincide.joint_far import check_rates
from stream.coincide.judge import best, judge
from stream.coincide.prepare import prepared
from stream.coincide.store import May, Store
from stream.coincide.windows import check_windows, widest_ns, window_ns
from stream.errors import StoreError
from stream.records import Coincidence, ExternalEvent, GwEvent, Joined
from stream.settings import ExternalSettings

log = structlog.get_logger()
MOST_JUDGED = 16
"""So many external events are compared with one superevent, those nearest in time: each costs a comparison of maps, for
which an alert waits, and at the rates of chance there is seldom one. More are a flood."""
_MOST_UNSAVED = 256
_REAL = ("current", "archival")


class Coincidences:
    """Keep what comes, and say what coincides; calls come from any thread.

    Parameters
    ----------
    settings : ExternalSettings
    store : Store
    kind : {"production", "mock", "test"}
        Production joins real events alone; mock and test, whose alerts are marked so, join injections and tests too.

    Raises
    ------
    ConfigurationError
        If a search has no window or no rate.
    """

    def __init__(
        self, settings: ExternalSettings, store: Store, kind: Literal["production", "mock", "test"]
    ) -> None:  # fmt: skip
        check_windows(settings)
        check_rates(settings)
        self._settings = settings
        self._store = store
        self._kind = kind
        self._lock = threading.Lock()
        self._unsaved: dict[str, GwEvent] = {}

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def heard(self, external: ExternalEvent) -> tuple[Coincidence, ...]:
        """Take a notice; return what coincides now with each superevent that it may concern.

        That is, in whose window its event lies, or lay as it was told before.

        Raises
        ------
        StoreError
            If it cannot be kept; the same notice may be given again.
        """
        if not self._is_looked_for(external):
            return ()
        self._save()
        before, now = self._store.put_external(self._prepared(external))
        low, high = widest_ns(self._settings)
        near: dict[str, GwEvent] = {}
        for gps_ns in {now.gps_ns, now.gps_ns if before is None else before.gps_ns}:
            near |= {gw.superevent_id: gw for gw in self._store.gws_between(gps_ns - high, gps_ns - low)}
        return tuple(self._now(gw) for gw in near.values() if self._concerns(gw, before, now))

    def of(self, gw: GwEvent, told: Joined | None = None) -> Coincidence | None:
        """Take what a superevent's alert is about to say; return what coincides with it now.

        Parameters
        ----------
        gw : GwEvent
        told : Joined, optional
            What the alert before this one told.

        Returns
        -------
        Coincidence or None
            Its ``external`` is None where nothing coincides. None where nobody can say: the store cannot be read, or
            has forgotten what was told.
        """
        with self._lock:
            self._unsaved[gw.superevent_id] = gw
        try:
            self._save()
        except StoreError as error:
            log.error("superevent_not_kept", superevent_id=gw.superevent_id, error=str(error))
        try:
            found = self._now(gw)
            forgotten = (
                found.external is None and told is not None and not self._store.knows(told.source, told.event_id)
            )
        except StoreError as error:
            log.error("coincidence_not_looked_for", superevent_id=gw.superevent_id, error=str(error))
            return None
        return None if forgotten else found

    def know(self, gws: Sequence[GwEvent]) -> None:
        """Take superevents that were told before this start, as far as the store lacks them."""
        try:
            self._store.know_gws(gws)
        except StoreError as error:
            log.error("superevents_not_kept", superevents=len(gws), error=str(error))

    def _is_looked_for(self, external: ExternalEvent) -> bool:
        """Return whether a notice is kept: also whatever one says of an event that is known, which may so leave."""
        looked_for = not external.search or external.search in self._settings.searches
        return looked_for or self._store.knows(external.source, external.event_id)

    def _save(self) -> None:
        """Put what superevents say; what the disk did not take is tried again, the newest of it."""
        with self._lock:
            for gw in list(self._unsaved.values()):
                try:
                    self._store.put_gw(gw)
                except StoreError:
                    for superevent_id in list(self._unsaved)[:-_MOST_UNSAVED]:
                        del self._unsaved[superevent_id]
                    raise
                del self._unsaved[gw.superevent_id]

    def _now(self, gw: GwEvent) -> Coincidence:
        """Return the most significant coincidence of a superevent."""
        may = self._store.externals_near(
            gw.gps_ns, widest_ns(self._settings), self._in_window_of(gw), self._is_real, MOST_JUDGED + 1
        )
        if len(may) > MOST_JUDGED:
            log.warning("too_many_external_events", superevent_id=gw.superevent_id, compared=MOST_JUDGED)
            may = may[:MOST_JUDGED]
        found = [found for external in may if (found := self._judged(gw, external)) is not None]
        best_one = best(found)
        return Coincidence(gw, None) if best_one is None else self._combined(best_one)

    def _concerns(self, gw: GwEvent, before: ExternalEvent | None, now: ExternalEvent) -> bool:
        """Return whether a notice may change what coincides: one that takes back always may."""
        if now.alert_type == "retraction":
            return True
        may = self._in_window_of(gw)
        return any(may(event.source, event.search, event.gps_ns) for event in (before, now) if event is not None)

    def _is_real(self, external: ExternalEvent) -> bool:
        return self._kind != "production" or external.tense in _REAL

    def _in_window_of(self, gw: GwEvent) -> May:
        """Return what says whether an external event lies in its window around a superevent."""
        windows: dict[tuple[str, str], tuple[int, int] | None] = {}

        def may(source: str, search: str, gps_ns: int) -> bool:
            if (source, search) not in windows:
                one = ExternalEvent("", source, "", "initial", gps_ns, gps_ns, search=search)
                windows[source, search] = window_ns(one, gw.group, self._settings)
            window = windows[source, search]
            return window is not None and window[0] <= gps_ns - gw.gps_ns <= window[1]

        return may

    def _prepared(self, external: ExternalEvent) -> ExternalEvent:
        try:
            ready = prepared(external)
        except Exception as error:  # a stranger's region: what cannot be drawn has no place, and an alert no delay
            metrics.EXTERNAL_NOT_COMPARED.inc()
            log.error(
                "external_event_not_prepared", source=external.source, event_id=external.event_id, error=repr(error),
                exc_info=True,
            )  # fmt: skip
            return replace(external, skymap=None, corners_deg=())
        if external.skymap is not None and ready.skymap is None and external.alert_type != "retraction":
            log.warning("external_map_not_read", source=external.source, event_id=external.event_id)
        return ready

    def _combined(self, found: Coincidence) -> Coincidence:
        """Return the coincidence that is told with the product of the maps, which is made of no other."""
        if found.overlap is None or found.external is None:
            return found
        try:
            whole = judge(found.gw, found.external, self._settings)
        except Exception as error:  # as above
            metrics.EXTERNAL_NOT_COMPARED.inc()
            log.error("sky_maps_not_combined", superevent_id=found.gw.superevent_id, error=repr(error), exc_info=True)
            return found
        return found if whole is None else replace(whole, others=found.others)

    def _judged(self, gw: GwEvent, external: ExternalEvent) -> Coincidence | None:
        try:
            return judge(gw, self._store.with_map(external), self._settings, combined=False)
        except StoreError:
            raise
        except Exception as error:  # a stranger's region must not keep an alert from leaving
            metrics.EXTERNAL_NOT_COMPARED.inc()
            log.error(
                "external_event_not_compared", superevent_id=gw.superevent_id, source=external.source,
                event_id=external.event_id, error=repr(error), exc_info=True,
            )  # fmt: skip
            return None
