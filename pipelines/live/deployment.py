"""Networks beside the live one: a shadow that is compared with it, and one that is about to take its place.

Both search the same whitened strain in the search's own thread, after the live network has had the span, and ring no
bell. One that raises, or takes more than ``_MOST_WORK`` of the time that the data last, is dropped, and the live one
goes on. A network is opened in a thread of its own, for that takes seconds.

**The swap.** A promoted network searches beside the live one until it hears: it can search every detector that sends
(one that it cannot after a minute holds up nothing), and has heard ``_CONTEXT_NS`` of strain. It then takes over
between two spans, once neither has had a candidate for ``_QUIET_NS``. So a merger is confirmed before the swap by the
old one, or after it by the new one, and never by both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from pipelines.live import promotion
from pipelines.live.compared import Comparison, Difference
from pipelines.live.promotion import Answer, Promoted, Wish
from pipelines.networks import Network, Stopwatch, open_network
from pipelines.search import Stages
from stream import metrics
from stream.errors import ModelError, TocsinError
from stream.records import Candidate, WhitenedSegment
from stream.settings import Settings
from stream.timebase import NS_PER_S, ns_to_gps_s

log = structlog.get_logger()
_CONTEXT_NS = 10 * NS_PER_S
_PATIENCE_NS = 60 * NS_PER_S
"""A detector that is not searched after so much strain of others cannot be: what it sends is no noise."""
_QUIET_NS = 2 * NS_PER_S
_MOST_WORK = 0.5
_JUDGED_NS = 10 * NS_PER_S

Open = Callable[[Settings, str], Network]


@dataclass(slots=True)
class _Companion:
    """A network beside the live one: the shadow, one that is to be promoted (with whose wish), or both."""

    network: Network
    is_shadow: bool
    wish: Wish | None = None
    compared: Comparison = field(default_factory=Comparison)
    heard_ns: int = 0
    searched_ns: int = 0
    watch: Stopwatch = field(default_factory=Stopwatch)
    _judged: tuple[int, float] = (0, 0.0)

    def step(self, whitened: Sequence[WhitenedSegment], far_threshold_hz: float) -> list[Candidate]:
        """Search a span as the live network does; return its candidates.

        Raises
        ------
        ModelError
            If it is so slow that the live network would fall behind.
        """
        self._judge(max((s.end_ns for s in whitened), default=0))
        peaks, statistic = self.network.step(whitened, self.watch)
        found = [c for c in map(self.network.significance.assess, peaks) if c.far_hz <= far_threshold_hz]
        for candidate in found:
            self.network.slides.exclude(candidate.gps_ns)
        with self.watch("slides"):
            self.network.learn()
        sending = {s.detector for s in whitened if s.valid.any()}
        self.searched_ns += statistic.heard_ns
        is_waiting = bool(sending & set(statistic.deaf)) and self.searched_ns < _PATIENCE_NS
        self.heard_ns = 0 if is_waiting else self.heard_ns + statistic.heard_ns
        return found

    def _judge(self, end_ns: int) -> None:
        """Compare its work with the length of the data, every so much of them."""
        begun_ns, before_s = self._judged
        spent_s, data_ns = sum(self.watch.seconds.values()), end_ns - begun_ns
        if begun_ns and 0 < data_ns < _JUDGED_NS:
            return
        self._judged = (end_ns, spent_s)
        if begun_ns and data_ns > 0 and spent_s - before_s > _MOST_WORK * data_ns / NS_PER_S:
            share = (spent_s - before_s) / (data_ns / NS_PER_S)
            raise ModelError(
                f"model {self.network.card.label} needs {share:.2f} s for a second of data: the live network would "
                "fall behind; give it fewer templates or a faster machine"
            )


class Deployment:
    """What runs beside the live network of a search, and in its place.

    Parameters
    ----------
    stages : Stages
        Its network is replaced by one that is promoted.
    settings : Settings
        With the model that is live.
    of_settings : str
        ``infer.model`` as it is set, whatever was promoted.
    opening : callable
        Opens a network.
    """

    def __init__(self, stages: Stages, settings: Settings, of_settings: str, opening: Open = open_network) -> None:
        self._stages = stages
        self._settings = settings
        self._of_settings = of_settings
        self._opening = opening
        self._folder = settings.daemon.state_dir
        self._companions: list[_Companion] = []
        self._opened: list[tuple[Wish | None, Network | Exception]] = []
        self._coming: Wish | None = None
        self._last_ns = 0
        if settings.infer.shadow is not None:
            self._open(settings.infer.shadow, None)
        self._show()

    def turn(self) -> None:
        """Take up what was asked for and what has been opened; called between spans."""
        wish = promotion.take_wish(self._folder)
        if wish is not None:
            self._begin(wish)
        while self._opened:
            self._take(*self._opened.pop(0))

    def after_span(self, whitened: Sequence[WhitenedSegment], found: Sequence[Candidate]) -> None:
        """Let the networks beside the live one search a span too, and one that is ready take its place."""
        end_ns = max((s.end_ns for s in whitened), default=0)
        if self._last_ns > end_ns:  # the data jumped back
            self._last_ns = 0
        self._note(found)
        for companion in list(self._companions):
            with self._stages.watch("shadow"):
                self._search(companion, whitened, found, end_ns)
        ready = [c for c in self._companions if c.wish is not None and c.heard_ns >= _CONTEXT_NS]
        if ready and end_ns - self._last_ns >= _QUIET_NS:
            self._swap(ready[-1], end_ns)

    def describe(self) -> str:
        """Return which network is live, and what runs beside it, as ``/readyz`` says it."""
        live = self._stages.network.card.label
        promoted = self._settings.infer.model != self._of_settings
        words = [f"{live} is live" + (f" (promoted; infer.model is {self._of_settings})" if promoted else "")]
        words += [
            f"{c.network.card.label} {'shadows it' if c.wish is None else 'listens, to be promoted'}"
            for c in self._companions
        ]
        return "; ".join(words)

    def close(self) -> None:
        """End what runs beside."""
        for companion in self._companions:
            companion.network.close()
        self._companions = []

    # -- what is asked for --------------------------------------------------------------------------------------

    def _begin(self, wish: Wish) -> None:
        log.info("promotion_asked", model=wish.model, who=wish.who)
        if self._coming is not None:
            self._refuse(self._coming, f"{wish.who} asked for {wish.model} since")
        for companion in [c for c in self._companions if c.wish is not None]:
            companion.wish = None
            if not companion.is_shadow:
                self._drop(companion)
        self._coming = wish
        self._answer(wish, "opening", f"{wish.model} is being opened")
        self._open(wish.model, wish)

    def _open(self, model: str, wish: Wish | None) -> None:
        """Open a network in a thread; the search goes on meanwhile."""

        def work() -> None:
            try:
                opened: Network | Exception = self._opening(self._settings, model)
            except Exception as error:  # a supervisor: whatever a broken model brings up, the live one goes on
                opened = error
            self._opened.append((wish, opened))

        threading.Thread(target=work, name="model", daemon=True).start()

    def _take(self, wish: Wish | None, opened: Network | Exception) -> None:
        """Let an opened network search beside the live one, or say why it cannot."""
        if isinstance(opened, Exception):
            why = str(opened) if isinstance(opened, TocsinError) else repr(opened)
            if wish is None:
                metrics.SHADOW_FAULTS.inc()
                log.error("shadow_refused", model=self._settings.infer.shadow, error=why)
            elif wish is self._coming:
                self._refuse(wish, why)
            return
        identity = opened.card.identity
        if identity == self._stages.network.card.identity:
            _end(opened)
            if wish is None:
                log.warning("shadow_is_live", model=opened.card.label, remedy="name another with infer.shadow")
            elif wish is self._coming:
                self._coming = None
                self._answer(wish, "live", f"{opened.card.label} was live already")
            return
        if wish is not None and wish is not self._coming:
            _end(opened)
            return
        if wish is not None and not opened.card.is_measured:
            _end(opened)
            self._refuse(wish, f"{opened.card.label} has no background and would ring no bell: measure one first")
            return
        self._join(opened, wish)

    def _join(self, opened: Network, wish: Wish | None) -> None:
        shadow = next((c for c in self._companions if c.network.card.identity == opened.card.identity), None)
        if shadow is not None:  # it hears already
            _end(opened)
            shadow.wish = wish
        else:
            self._companions.append(_Companion(opened, wish is None, wish))
        label = opened.card.label
        if wish is not None:
            self._answer(wish, "listening", f"{label} listens until it hears as the live network does")
        log.info(
            "shadow_begun", model=label, live=self._stages.network.card.label, to_be_promoted=wish is not None,
            has_background=opened.card.is_measured,
        )  # fmt: skip
        self._show()

    # -- what follows -------------------------------------------------------------------------------------------

    def _search(
        self, companion: _Companion, whitened: Sequence[WhitenedSegment], live: Sequence[Candidate], end_ns: int
    ) -> None:
        try:
            found = companion.step(whitened, self._stages.far_threshold_hz)
        except Exception as error:  # a supervisor: the live network goes on
            metrics.SHADOW_FAULTS.inc()
            label = companion.network.card.label
            log.error("shadow_died", model=label, error=repr(error), exc_info=not isinstance(error, ModelError))
            self._drop(companion)
            if companion.wish is not None:
                self._refuse(companion.wish, f"{label} failed while it listened: {error}")
            return
        self._note(found)
        companion.compared.add(list(live), found)
        for difference in companion.compared.settle(end_ns):
            _report(difference, companion.network.card.label)

    def _note(self, found: Sequence[Candidate]) -> None:
        self._last_ns = max([self._last_ns, *(c.peak.confirmed_ns for c in found)])

    def _swap(self, coming: _Companion, end_ns: int) -> None:
        """Let a network take the live one's place; it is kept first, so that a restart comes up with it."""
        assert coming.wish is not None
        wish, old, new = coming.wish, self._stages.network, coming.network
        if not self._kept(wish, end_ns):
            self._drop(coming)
            self._refuse(wish, f"it cannot be kept in {self._folder}: free its disk, or make it writable")
            return
        self._companions.remove(coming)
        self._coming = None
        self._stages.network = new
        self._settings = promotion.with_model(self._settings, wish.model)
        _end(old)
        log.warning(
            "model_promoted", model=new.card.label, identity=new.card.identity, was=old.card.label, who=wish.who,
            gps=ns_to_gps_s(end_ns),
        )  # fmt: skip
        self._answer(
            wish, "live", f"{new.card.label} is live since GPS {ns_to_gps_s(end_ns):.4f}, after {old.card.label}"
        )
        self._show()

    def _kept(self, wish: Wish, end_ns: int) -> bool:
        try:
            promotion.keep(self._folder, Promoted(wish.model, self._of_settings, wish.who, end_ns))
        except OSError as error:
            log.error("promotion_not_kept", model=wish.model, error=str(error))
            return False
        return True

    def _refuse(self, wish: Wish, why: str) -> None:
        self._coming = None
        log.error("promotion_refused", model=wish.model, error=why, live=self._stages.network.card.label)
        self._answer(wish, "refused", why)

    def _answer(self, wish: Wish, state: promotion.State, detail: str) -> None:
        promotion.write_answer(self._folder, Answer(wish.wish_id, state, detail, self._stages.network.card.label))

    def _drop(self, companion: _Companion) -> None:
        self._companions.remove(companion)
        _end(companion.network)
        self._show()

    def _show(self) -> None:
        """Bring the metric of which networks run up to date."""
        metrics.MODEL.clear()
        metrics.MODEL.labels(self._stages.network.card.label, "live").set(1)
        for companion in self._companions:
            metrics.MODEL.labels(companion.network.card.label, "shadow").set(1)


def _end(network: Network) -> None:
    """Close a network in a thread: it may wait for filters that are being made."""
    threading.Thread(target=network.close, name="model-end", daemon=True).start()


def _report(difference: Difference, label: str) -> None:
    live, shadow = difference.live, difference.shadow
    metrics.SHADOW_EVENTS.labels(difference.outcome).inc()
    if live is not None and shadow is not None:
        metrics.SHADOW_FAR_RATIO.observe(shadow.far_hz / live.far_hz)
    log.info(
        "shadow_event", outcome=difference.outcome, gps=ns_to_gps_s(difference.gps_ns), shadow=label,
        live_far_hz=live and live.far_hz, shadow_far_hz=shadow and shadow.far_hz,
        live_statistic=live and round(live.peak.statistic, 4),
        shadow_statistic=shadow and round(shadow.peak.statistic, 4),
    )  # fmt: skip
