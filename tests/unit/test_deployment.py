"""Networks beside the live one: a swap loses and doubles no merger, and whatever fails leaves the live one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from structlog.testing import capture_logs

from pipelines.live import promotion
from pipelines.live.compared import Comparison
from pipelines.live.deployment import Deployment
from pipelines.live.promotion import Answer, Wish, forget_ended, in_force, promoted_model, read_answer, write_wish
from pipelines.networks import Stopwatch
from pipelines.search import Stages, step
from pipelines.snapshots import Snapshots
from stream import metrics
from stream.errors import ModelError
from stream.records import Background, Candidate, Peak, Statistic, WhitenedSegment
from stream.settings import Settings
from stream.timebase import HOP_NS, NS_PER_S

START_NS = 1_400_000_000 * NS_PER_S
SPAN_NS = 2 * HOP_NS
WISH = Wish("1", "new", "shift")


def candidate(gps_ns: int, far_hz: float = 1e-9, model: str = "m-1", confirmed_ns: int | None = None) -> Candidate:
    peak = Peak(gps_ns, 9.0, ("H1",), (("H1", 9.0),), gps_ns if confirmed_ns is None else confirmed_ns)
    return Candidate(peak, far_hz, False, Background("shipped", 1e9, ("H1",)), model)


@dataclass
class Scripted:
    """A network that finds given mergers, each when so much data have passed; deaf for its first seconds."""

    label: str
    mergers: list[int] = field(default_factory=list)
    delay_ns: int = 180_000_000
    deaf_s: float = 0.0
    measured: bool = True
    broken: bool = False
    work_s: float = 0.0
    closed: bool = False
    learned: list[object] = field(default_factory=list)
    begun_ns: int | None = None

    def __post_init__(self) -> None:
        self.card = SimpleNamespace(label=self.label, identity=f"{self.label}-hash", is_measured=self.measured)
        self.slides = SimpleNamespace(exclude=self.learned.append, counts={})
        self.significance = SimpleNamespace(
            assess=lambda p: candidate(p.gps_ns, model=self.label, confirmed_ns=p.confirmed_ns)
        )

    def step(self, whitened: list[WhitenedSegment], watch: Stopwatch) -> tuple[list[Peak], Statistic]:
        if self.broken:
            raise RuntimeError("a fault in the graph")
        watch.seconds["infer"] = watch.seconds.get("infer", 0.0) + self.work_s
        start_ns, end_ns = whitened[0].gps_ns, whitened[0].end_ns
        self.begun_ns = self.begun_ns if self.begun_ns is not None else start_ns
        hears = start_ns - self.begun_ns >= self.deaf_s * NS_PER_S
        due = [at for at in self.mergers if start_ns < at + self.delay_ns <= end_ns and hears]
        peaks = [Peak(at, 9.0, ("H1",), (("H1", 9.0),), at + self.delay_ns) for at in due]
        nothing: Any = np.zeros(0)
        return peaks, Statistic(nothing, nothing, True, end_ns - start_ns, () if hears else ("H1",))

    def learn(self) -> None:
        self.learned.append("span")

    def close(self) -> None:
        self.closed = True


class Search:
    """A search of one detector with its deployment; ``told`` is what its sink was given."""

    def __init__(
        self, folder: Path, live: Scripted, opened: Scripted | Exception | None = None, shadow: str | None = None
    ) -> None:
        self.told: list[Candidate] = []
        self.settings = Settings.model_validate(
            {"daemon": {"state_dir": folder}, "infer": {"model": "first", "shadow": shadow}}
        )
        self.stages = cast(
            "Stages",
            SimpleNamespace(
                denoise={}, condition={"H1": SimpleNamespace(step=lambda s: s)}, network=live, tap=None, beside=None,
                watch=Stopwatch(), far_threshold_hz=1e-4, snapshots=Snapshots(),
            ),
        )  # fmt: skip
        self.stages.denoise = {"H1": cast("Any", SimpleNamespace(step=lambda s: s))}

        def opening(_: Settings, __: str) -> Any:
            if isinstance(opened, Exception):
                raise opened
            return opened

        self.deployment = Deployment(self.stages, self.settings, self.settings.infer.model, opening)
        self.stages.beside = self.deployment.after_span
        self.now_ns = START_NS

    def run(self, seconds: float) -> None:
        """Search so much strain, and take up what has been asked for between spans."""
        end_ns = self.now_ns + int(seconds * NS_PER_S)
        sink: Any = SimpleNamespace(candidate=lambda c, _: self.told.append(c), masked=lambda _: None)
        while self.now_ns < end_ns:
            samples = np.zeros(2 * 128, np.float32)
            segment = WhitenedSegment("H1", self.now_ns, 2048, samples, np.ones(2, np.bool_))
            step(cast("Any", SimpleNamespace(masked=(), segments=(segment,))), self.stages, sink)
            self.now_ns += SPAN_NS
            self.deployment.turn()

    def ask(self, wish: Wish = WISH) -> Answer:
        """Ask for a promotion; return the answer once the network has been opened."""
        write_wish(self.settings.daemon.state_dir, wish)
        self.deployment.turn()
        return self.answer("opening")

    def answer(self, but_not: str = "", wish: Wish = WISH) -> Answer:
        end_s = time.monotonic() + 60
        while True:
            self.deployment.turn()
            found = read_answer(self.settings.daemon.state_dir, wish)
            if found is not None and found.state != but_not:
                return found
            assert time.monotonic() < end_s
            time.sleep(0.002)

    @property
    def live(self) -> str:
        return self.stages.network.card.label


def until(so: Callable[[], object]) -> None:
    end_s = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end_s
        time.sleep(0.002)


@pytest.mark.parametrize(("old_ms", "new_ms"), [(180, 100), (100, 300)])
def test_a_merger_at_any_time_about_the_swap_is_told_once(tmp_path: Path, old_ms: int, new_ms: int) -> None:
    """Whichever confirms sooner; the swap itself is at 10 s, or later if a candidate is near."""
    tellers = set()
    for k in range(0, 60):
        at_ns = START_NS + int((8.0 + 0.11 * k) * NS_PER_S)
        folder = tmp_path / str(k)
        folder.mkdir()
        new = Scripted("new-1", [at_ns], new_ms * 1_000_000)
        search = Search(folder, Scripted("old-1", [at_ns], old_ms * 1_000_000), new)
        assert search.ask().state == "listening"
        search.run(17.0)
        assert [c.gps_ns for c in search.told] == [at_ns]
        assert search.live == "new-1"
        tellers.add(search.told[0].model)
    assert tellers == {"old-1", "new-1"}


def test_a_network_takes_over_only_when_it_has_heard_what_it_needs(tmp_path: Path) -> None:
    search = Search(tmp_path, old := Scripted("old-1"), new := Scripted("new-1", deaf_s=5.0))
    search.ask()
    search.run(14.5)
    assert (search.live, search.answer().state) == ("old-1", "listening")
    search.run(1.0)
    assert (search.live, search.answer().state) == ("new-1", "live")
    until(lambda: old.closed)
    assert not new.closed


def test_a_detector_that_nothing_can_be_searched_for_holds_up_no_swap_for_ever(tmp_path: Path) -> None:
    """Its strain stands still, say: the new network hears the others, as the old one does."""
    search = Search(tmp_path, Scripted("old"), Scripted("new", deaf_s=1e6))
    search.ask()
    search.run(50)
    assert search.live == "old"
    search.run(30)
    assert search.live == "new"


def test_a_candidate_of_a_clock_that_was_ahead_holds_up_no_swap(tmp_path: Path) -> None:
    search = Search(tmp_path, Scripted("old", [START_NS + NS_PER_S]), Scripted("new"))
    search.run(2)
    assert len(search.told) == 1
    search.now_ns -= 86_400 * NS_PER_S
    search.ask()
    search.run(12)
    assert search.live == "new"


def test_the_promoted_model_is_kept_for_a_restart_as_long_as_the_settings_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Search(tmp_path, Scripted("old-1"), Scripted("new-1"))
    search.ask(Wish("1", "carillon", "shift"))
    search.run(11)
    assert search.answer().state == "live"
    assert "infer.model is first" in search.deployment.describe()
    with capture_logs() as logs:
        assert in_force(search.settings).infer.model == "carillon"
    assert [(line["event"], line["model"], line["instead_of"]) for line in logs] == [
        ("promoted_model", "carillon", "first")
    ]
    changed = Settings.model_validate({"daemon": {"state_dir": tmp_path}, "infer": {"model": "second"}})
    with capture_logs() as logs:
        assert in_force(changed).infer.model == "second"
    assert [line["event"] for line in logs] == ["promotion_ended"]
    forget_ended(search.settings)
    assert promoted_model(search.settings) is not None

    def gone(_: str) -> None:
        raise ModelError("no model 'carillon'")

    monkeypatch.setattr(promotion, "open_model", gone)
    with capture_logs() as logs:
        assert in_force(search.settings).infer.model == "first"
    assert [line["event"] for line in logs] == ["promoted_model_refused"]
    forget_ended(changed)
    assert promoted_model(search.settings) is None


def test_a_promotion_that_cannot_be_read_is_said_and_the_settings_count(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{")
    with capture_logs() as logs:
        assert in_force(Settings.model_validate({"daemon": {"state_dir": tmp_path}})).infer.model == "carillon"
    assert [line["event"] for line in logs] == ["promoted_model_unreadable"]


def test_going_back_to_the_model_of_the_settings_leaves_nothing_kept(tmp_path: Path) -> None:
    search = Search(tmp_path, Scripted("old-1"), Scripted("new-1"))
    search.ask()
    search.run(11)
    assert promoted_model(search.settings) is not None
    back = Search(tmp_path, Scripted("new-1"), Scripted("old-1"))
    wish = Wish("2", "first", "shift")
    write_wish(tmp_path, wish)
    back.deployment.turn()
    back.answer("opening", wish)
    back.run(11)
    assert back.answer("", wish).state == "live"
    assert promoted_model(search.settings) is None


@pytest.mark.parametrize(
    ("opened", "why"),
    [
        (ModelError("model file head.onnx is missing"), "head.onnx is missing"),
        (RuntimeError("boom"), "boom"),
        (Scripted("new-1", measured=False), "no background"),
    ],
)
def test_what_cannot_be_opened_or_would_ring_no_bell_leaves_the_old_one_and_says_why(
    tmp_path: Path, opened: Scripted | Exception, why: str
) -> None:
    search = Search(tmp_path, Scripted("old-1"), opened)
    answer = search.ask()
    assert (answer.state, answer.live) == ("refused", "old-1")
    assert why in answer.detail
    search.run(12)
    assert search.live == "old-1"
    assert promoted_model(search.settings) is None


def test_a_network_that_fails_while_it_listens_is_refused_and_the_old_one_goes_on(tmp_path: Path) -> None:
    at_ns = START_NS + 3 * NS_PER_S
    search = Search(tmp_path, Scripted("old-1", [at_ns]), new := Scripted("new-1", broken=True))
    search.ask()
    with capture_logs() as logs:
        search.run(12)
    assert {"shadow_died", "promotion_refused"} <= {line["event"] for line in logs}
    assert (search.answer().state, search.live) == ("refused", "old-1")
    assert [c.gps_ns for c in search.told] == [at_ns]
    until(lambda: new.closed)


@pytest.mark.parametrize(("share", "state"), [(0.4, "live"), (0.6, "refused")])
def test_a_network_that_would_let_the_live_one_fall_behind_is_dropped(tmp_path: Path, share: float, state: str) -> None:
    search = Search(tmp_path, Scripted("old-1"), Scripted("new-1", deaf_s=2.0, work_s=share * SPAN_NS / NS_PER_S))
    search.ask()
    search.run(15)
    assert search.answer().state == state
    if state == "refused":
        assert "new-1 needs 0.60 s for a second of data" in search.answer().detail


def test_a_model_that_cannot_be_kept_is_not_promoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    search = Search(tmp_path, Scripted("old-1"), Scripted("new-1"))
    search.ask()
    monkeypatch.setattr(promotion, "keep", full)
    search.run(12)
    assert (search.answer().state, search.live) == ("refused", "old-1")


def test_a_later_wish_takes_the_place_of_one_that_still_waits(tmp_path: Path) -> None:
    search = Search(tmp_path, Scripted("old-1"), Scripted("new-1"))
    search.ask()
    later = Wish("2", "newer", "another")
    write_wish(tmp_path, later)
    search.deployment.turn()
    assert search.answer("opening", later).state == "listening"
    search.run(12)
    assert search.answer("", later).state == "live"


def test_a_wish_that_cannot_be_read_is_removed_and_said(tmp_path: Path) -> None:
    search = Search(tmp_path, Scripted("old-1"))
    (tmp_path / "promote.json").write_text('{"model": ["x"], "__class__": 1}')
    with capture_logs() as logs:
        search.deployment.turn()
    assert [line["event"] for line in logs] == ["promotion_unreadable"]
    assert not (tmp_path / "promote.json").exists()


def shadow_events(outcome: str) -> float:
    return float(metrics.SHADOW_EVENTS.labels(outcome)._value.get())


def test_a_shadow_is_compared_event_by_event_and_rings_no_bell(tmp_path: Path) -> None:
    both, missed, extra = (START_NS + s * NS_PER_S for s in (3, 6, 9))
    before = [shadow_events(outcome) for outcome in ("both", "live_only", "shadow_only")]
    shadow = Scripted("new-1", [both + 10_000_000, extra])
    search = Search(tmp_path, Scripted("old-1", [both, missed]), shadow, shadow="new")
    until(lambda: search.deployment._opened)
    search.deployment.turn()
    with capture_logs() as logs:
        search.run(20)
    told = [(line["outcome"], line["shadow"]) for line in logs if line["event"] == "shadow_event"]
    assert told == [("both", "new-1"), ("live_only", "new-1"), ("shadow_only", "new-1")]
    after = [shadow_events(outcome) for outcome in ("both", "live_only", "shadow_only")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]
    assert {c.model for c in search.told} == {"old-1"}
    assert search.live == "old-1"
    assert search.stages.watch.calls["shadow"] > 0
    assert shadow.learned.count("span") > 0
    assert "new-1 shadows it" in search.deployment.describe()


def test_a_shadow_that_is_promoted_needs_not_hear_again(tmp_path: Path) -> None:
    search = Search(tmp_path, Scripted("old-1"), Scripted("new-1"), shadow="new")
    until(lambda: search.deployment._opened)
    search.deployment.turn()
    search.run(11)
    search.ask()
    search.run(0.2)
    assert (search.live, search.answer().state) == ("new-1", "live")


def test_a_shadow_that_cannot_be_opened_is_said_and_the_live_one_goes_on(tmp_path: Path) -> None:
    search = Search(tmp_path, Scripted("old-1"), ModelError("no model 'new'"), shadow="new")
    until(lambda: search.deployment._opened)
    with capture_logs() as logs:
        search.run(1)
    assert [(line["event"], line["error"]) for line in logs] == [("shadow_refused", "no model 'new'")]
    assert search.deployment.describe() == "old-1 is live"


def test_events_are_compared_by_their_loudest_candidates_once_nothing_more_can_come() -> None:
    compared = Comparison()
    compared.add([candidate(START_NS, 1e-6), candidate(START_NS + 500_000_000, 1e-8)], [candidate(START_NS, 1e-7)])
    assert compared.settle(START_NS + NS_PER_S) == []
    (one,) = compared.settle(START_NS + 6 * NS_PER_S)
    assert one.outcome == "both"
    assert (one.live, one.shadow) == (candidate(START_NS + 500_000_000, 1e-8), candidate(START_NS, 1e-7))
    assert compared.settle(START_NS + 60 * NS_PER_S) == []
