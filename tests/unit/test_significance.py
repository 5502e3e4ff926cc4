"""False-alarm rates: monotone, never below one over the background's time, the larger of live and shipped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ModelError
from stream.infer import open_model
from stream.records import Peak
from stream.settings import SignificanceSettings
from stream.significance import BackgroundCounts, Curve, Shipped, Significance, load_foreground, load_shipped
from stream.significance.background import KEPT
from stream.significance.rate import MOST_HZ, Counts

floats = st.floats(-50, 50, allow_nan=False)
SETTINGS = SignificanceSettings()
COUNTED_S = 10 / SETTINGS.far_threshold_hz
LIMIT_S = SETTINGS.trials_factor / SETTINGS.significant_far_hz
YEAR_S = 31_557_600


def peak(statistic: float, detectors: tuple[str, ...] = ("H1", "L1")) -> Peak:
    return Peak(1_000_000_000, statistic, detectors, (), 1_100_000_000)


class Live:
    """Stands where live slides stand, with counts made by hand."""

    def __init__(self, counts: Counts, detectors: tuple[str, ...] = ("H1", "L1")) -> None:
        self._counts: Mapping[tuple[str, ...], Counts] = {detectors: counts}

    def counts_at(self, gps_ns: int) -> Mapping[tuple[str, ...], Counts]:
        return self._counts


def background(draw_s: tuple[float, float]) -> st.SearchStrategy[BackgroundCounts]:
    return st.builds(BackgroundCounts, st.floats(*draw_s), st.lists(floats, max_size=60))


def curve(values: list[float], duration_s: float, complete_above: float = -50.0) -> Curve:
    """Every distinct statistic, with how many are at least as loud."""
    loud = sorted({v for v in values if v >= complete_above})
    return Curve(duration_s, tuple(loud), tuple(sum(w >= v for w in values) for v in loud))


@st.composite
def shipped_sets(draw: st.DrawFn) -> Shipped:
    """A tail over a long time and a deep curve over a short one, which need not agree."""
    tail = draw(st.lists(floats, min_size=1, max_size=40))
    deep = draw(st.lists(floats, min_size=1, max_size=40))
    longest_s, short_s = draw(st.floats(1e6, 1e9)), draw(st.floats(1e3, 1e6))
    return Shipped((curve(tail, longest_s, draw(floats.filter(lambda v: v <= max(tail)))), curve(deep, short_s)))


@given(values=st.lists(floats, max_size=200), a=floats, b=floats)
def test_far_falls_as_the_statistic_grows(values: list[float], a: float, b: float) -> None:
    counts = BackgroundCounts(1000.0, values)
    low, high = min(a, b), max(a, b)
    assert counts.rate(high).far_hz <= counts.rate(low).far_hz


@given(values=st.lists(floats, max_size=50), at=floats, duration_s=st.floats(1, 1e8))
def test_far_is_never_below_one_over_the_time(values: list[float], at: float, duration_s: float) -> None:
    rate = BackgroundCounts(duration_s, values).rate(at)
    assert rate.far_hz >= 1 / duration_s
    assert rate.is_limit == (sum(v >= at for v in values) == 0)


@given(values=st.lists(floats, min_size=1, max_size=50, unique=True), at=floats, duration_s=st.floats(1, 1e8))
def test_a_curve_says_what_its_events_say(values: list[float], at: float, duration_s: float) -> None:
    """Exactly where every event is an entry; the most there can be where it knows nothing."""
    rate = curve(values, duration_s).rate(at)
    if at < min(values):
        assert rate.far_hz == MOST_HZ
    else:
        assert rate == BackgroundCounts(duration_s, values).rate(at)


def test_between_two_entries_of_a_curve_the_larger_number_holds() -> None:
    thinned = Curve(100.0, (1.0, 5.0, 6.0), (40, 10, 1))
    assert [round(100 * thinned.rate(at).far_hz) for at in (1.0, 3.0, 5.0, 5.5, 6.0, 6.1)] == [41, 40, 11, 10, 2, 1]


@given(shipped=shipped_sets(), a=floats, b=floats)
def test_a_set_of_several_curves_is_monotone_where_one_ends_and_the_next_begins(
    shipped: Shipped, a: float, b: float
) -> None:
    low, high = (shipped.rate(value) for value in sorted((a, b)))
    assert high.far_hz <= low.far_hz
    tail = shipped.curves[0]
    if max(a, b) >= tail.complete_above:
        assert high == tail.rate(max(a, b))


def test_the_loudest_are_kept_exactly_when_memory_is_full() -> None:
    counts = BackgroundCounts()
    counts.add([float(k) for k in range(3 * KEPT)], 100.0)
    assert counts.count(3 * KEPT - 10) == 10
    assert counts.count(0.0) == KEPT
    assert BackgroundCounts.from_dict(counts.as_dict()).as_dict() == counts.as_dict()


@given(live=background((1, 1e9)), shipped=shipped_sets(), a=floats, b=floats)
def test_a_louder_statistic_never_has_a_higher_far_and_none_is_below_what_is_known(
    live: BackgroundCounts, shipped: Shipped, a: float, b: float
) -> None:
    """Whatever the two backgrounds hold: the rule before this gave 12.5 more than 11.5 gets, 475 times too little."""
    significance = Significance(SETTINGS, {"H1+L1": shipped}, Live(live), "m-1")
    low, high = (significance.assess(peak(value)) for value in sorted((a, b)))
    assert high.far_hz <= low.far_hz
    for candidate in (low, high):
        statistic = candidate.peak.statistic
        assert candidate.far_hz >= shipped.rate(statistic).far_hz
        if live.duration_s >= (COUNTED_S if live.count(statistic) else LIMIT_S):
            assert candidate.far_hz >= live.rate(statistic).far_hz
        used = (live if candidate.background.source == "live" else shipped).rate(statistic)
        assert (candidate.far_hz, candidate.far_is_limit) == (used.far_hz, used.is_limit)
        assert candidate.background.duration_s == used.duration_s


@pytest.mark.parametrize(
    ("duration_s", "louder", "source", "far_hz"),
    [
        (0.9 * COUNTED_S, 100, "shipped", 2e-9),  # too young to be asked
        (1.1 * COUNTED_S, 100, "live", 101 / (1.1 * COUNTED_S)),
        (1e7, 9, "live", 10 / 1e7),
        (1e7, 0, "shipped", 2e-9),  # "less than 1e-7" is no objection from a run this young
        (1e8, 0, "live", 1e-8),
        (2e9, 0, "shipped", 2e-9),  # the shipped one says more
    ],
)
def test_live_speaks_once_it_is_long_enough_and_the_larger_rate_counts(
    duration_s: float, louder: int, source: str, far_hz: float
) -> None:
    live = Live(BackgroundCounts(duration_s, [9.0] * louder))
    significance = Significance(SETTINGS, {"H1+L1": BackgroundCounts(1e9, [8.5])}, live, "m-1")
    candidate = significance.assess(peak(8.0))
    assert candidate.background.source == source
    assert candidate.far_hz == pytest.approx(far_hz)
    assert candidate.far_is_limit == (source == "live" and louder == 0)


SETS: dict[str, Counts] = {"H1": BackgroundCounts(10.0), "H1+L1": BackgroundCounts(1e6), "V1": BackgroundCounts(20.0)}


def test_each_set_is_judged_by_its_own_background_by_name_whatever_the_order() -> None:
    significance = Significance(SETTINGS, SETS, None, "m")
    for detectors, duration_s in ((("V1",), 20.0), (("H1",), 10.0), (("L1", "H1"), 1e6)):
        assert significance.assess(peak(1.0, detectors)).background.duration_s == duration_s


def test_a_set_that_was_not_measured_is_said_to_be_and_rings_no_bell() -> None:
    """Neither the background of as many other detectors nor that of more or fewer is asked."""
    for detectors in (("L1",), ("H1", "V1"), ("H1", "K1", "L1")):
        candidate = Significance(SETTINGS, SETS, None, "m").assess(peak(40.0, detectors))
        assert (candidate.far_hz, candidate.far_is_limit) == (MOST_HZ, False)
        assert (candidate.background.source, candidate.background.duration_s) == ("unmeasured", 0.0)


@pytest.mark.parametrize(("duration_s", "source"), [(0.9 * COUNTED_S, "unmeasured"), (1.1 * COUNTED_S, "live")])
def test_a_set_that_was_not_measured_is_judged_by_live_slides_once_there_are_enough(
    duration_s: float, source: str
) -> None:
    live = Live(BackgroundCounts(duration_s, [3.0]), ("H1", "K1", "L1"))
    candidate = Significance(SETTINGS, SETS, live, "m").assess(peak(40.0, ("H1", "L1", "K1")))
    assert candidate.background.source == source
    assert candidate.far_is_limit == (source == "live")


def test_the_shipped_model_has_three_years_of_h1_l1_and_says_what_the_others_have() -> None:
    sets = load_shipped(open_model("first"))
    assert set(sets) == {"H1", "L1", "V1", "H1+L1", "H1+V1", "L1+V1", "H1+L1+V1"}
    assert sets["H1+L1"].duration_s >= 3 * YEAR_S
    for name in ("H1", "L1", "V1"):  # a detector alone cannot be slid
        assert 1e5 < sets[name].duration_s < 2e5
    for known in sets.values():
        assert known.curves[-1].rate(known.curves[-1].complete_above).far_hz > 0.1


def test_the_matched_filter_network_ships_three_years_and_each_detectors_own_time() -> None:
    card = open_model("carillon")
    sets, several = load_shipped(card), ("H1+L1", "H1+V1", "L1+V1", "H1+L1+V1")
    assert set(sets) == {"H1", "L1", "V1", *several, *(f"{d} of {name}" for name in several for d in name.split("+"))}
    assert sets["H1+L1+V1"].rate(100.0).far_hz < 2 / 86_400
    assert sets["H1+L1"].duration_s >= 3.25 * YEAR_S
    assert sets["H1 of H1+L1"].duration_s > 9 * 3600
    for known in sets.values():
        assert known.curves[-1].rate(known.curves[-1].complete_above).far_hz > 0.01
    assert (card.folder / "background.json").stat().st_size < 300_000
    assert set(load_foreground(card)) == {"H1+L1"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(open_model("first").folder, tmp_path / "model"))


def rewrite(model: Path, change: dict[str, Any], *, hashed: bool) -> None:
    """Change the background; with its hash in the card, as whoever measured it would."""
    before = (model / "background.json").read_bytes()
    after = json.dumps({**json.loads(before), **change}).encode()
    (model / "background.json").write_bytes(after)
    if hashed:
        card = (model / "card.toml").read_text()
        (model / "card.toml").write_text(card.replace(sha256(before).hexdigest(), sha256(after).hexdigest()))


def test_an_altered_background_is_refused(model: Path) -> None:
    rewrite(model, {"sets": {}}, hashed=False)
    with pytest.raises(ModelError, match=r"background\.json.*evaluate background --measure"):
        open_model(f"{model}/")


def test_a_background_altered_after_the_model_was_opened_is_refused(model: Path) -> None:
    card = open_model(f"{model}/")
    rewrite(model, {"sets": {}}, hashed=False)
    with pytest.raises(ModelError, match=r"background\.json.*evaluate background --measure"):
        load_shipped(card)


def test_the_background_of_another_network_is_refused(model: Path) -> None:
    rewrite(model, {"network": {"encoder.onnx": "0" * 64, "head.onnx": "0" * 64}}, hashed=True)
    with pytest.raises(ModelError, match=r"another network.*evaluate background --measure"):
        load_shipped(open_model(f"{model}/"))


def test_a_background_that_the_card_does_not_speak_of_is_not_read(model: Path) -> None:
    card = (model / "card.toml").read_text()
    (model / "card.toml").write_text("\n".join(r for r in card.splitlines() if not r.startswith('"background.json"')))
    with pytest.raises(ModelError, match=r"no background\.json in its card.*evaluate background --measure"):
        load_shipped(open_model(f"{model}/"))


@pytest.mark.parametrize(
    "sets",
    [
        [],
        {"H1": {}},
        {"H1": {"curves": []}},
        {"H1": {"curves": [{"duration_s": 1.0, "statistics": [2.0, 1.0], "counts": [2, 1]}]}},
        {"H1": {"curves": [{"duration_s": 1.0, "statistics": [1.0, 2.0], "counts": [1, 2]}]}},
        {"H1": {"curves": [{"duration_s": 0.0, "statistics": [1.0], "counts": [1]}]}},
    ],
)
def test_a_background_that_is_not_one_is_refused_by_name(model: Path, sets: object) -> None:
    rewrite(model, {"sets": sets}, hashed=True)
    with pytest.raises(ModelError, match=r"background\.json is no background"):
        load_shipped(open_model(f"{model}/"))
