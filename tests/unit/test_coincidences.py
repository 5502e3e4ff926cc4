"""What coincides, of all that was heard lately: in whichever order it came, and whatever fails on the way."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from findings import MERGER_NS
from messengers import burst, retracted
from skymaps import skymap
from structlog.testing import capture_logs

from stream.codec.skymap import encode_skymap
from stream.coincide import coincidences as module
from stream.coincide import store as store_module
from stream.coincide.coincidences import Coincidences
from stream.coincide.judge import judge as judge_of
from stream.coincide.store import Store
from stream.errors import ConfigurationError, StoreError
from stream.records import Coincidence, GwEvent, Joined
from stream.settings import ExternalSettings
from stream.timebase import NS_PER_S

GW = GwEvent("TS150914a", MERGER_NS, 1e-6)
HOUR_NS = 3600 * NS_PER_S
Kinds = Literal["production", "mock", "test"]
KINDS: tuple[Kinds, ...] = ("production", "mock", "test")


def fresh(store: Store | None = None, kind: Kinds = "test") -> Coincidences:
    return Coincidences(ExternalSettings(), store or Store(None), kind)


def names(found: tuple[Coincidence, ...]) -> list[tuple[str, str | None]]:
    return [(c.gw.superevent_id, None if c.external is None else c.external.event_id) for c in found]


def joined(found: Coincidence | None) -> Joined | None:
    return None if found is None else Joined.of(found)


def test_a_burst_1_7_s_after_a_merger_coincides_and_one_60_s_after_does_not_whichever_was_heard_first() -> None:
    after, late = burst(1.7), burst(60.0, "2")
    gw_first, burst_first = fresh(), fresh()
    assert gw_first.of(GW) == Coincidence(GW, None)
    assert gw_first.heard(late) == ()
    [found] = gw_first.heard(after)
    for notice in (late, after):
        assert burst_first.heard(notice) == ()
    assert burst_first.of(GW) == found
    assert (found.time_difference_ns, found.significant) == (1_700_000_000, True)
    assert found.external == replace(after, raw=b"")


def test_a_neutrino_told_three_hours_late_coincides_and_its_retraction_leaves() -> None:
    track = burst(
        4.0, "track", source="IceCube", messenger="neutrino", search="HEN", received_ns=MERGER_NS + 3 * HOUR_NS
    )  # fmt: skip
    coincidences = fresh()
    coincidences.of(GW)
    assert names(coincidences.heard(track)) == [("TS150914a", "track")]
    assert coincidences.heard(retracted(track)) == (Coincidence(GW, None),)
    assert coincidences.of(GW, joined(Coincidence(GW, track))) == Coincidence(GW, None)


def test_the_most_significant_is_told_and_the_next_once_that_one_is_taken_back() -> None:
    both = (burst(), burst(2.5, "track", source="IceCube", messenger="neutrino", search="HEN"))
    coincidences = fresh()
    coincidences.of(GW)
    for notice in both:
        found = coincidences.heard(notice)
    assert names(found) == [("TS150914a", "track")]  # fifteen tracks a year, 325 bursts
    assert found[0].others == ("Fermi-GBM 524666471",)
    assert names(coincidences.heard(retracted(both[1]))) == [("TS150914a", "524666471")]


def test_an_update_that_moves_the_time_away_leaves_where_it_was() -> None:
    coincidences = fresh()
    coincidences.of(GW)
    coincidences.heard(burst())
    later = burst(400.0, alert_type="update", issued_ns=MERGER_NS + HOUR_NS)
    assert coincidences.heard(later) == (Coincidence(GW, None),)


def test_maps_are_compared_where_both_are_known_and_an_update_without_place_keeps_the_place() -> None:
    fits = encode_skymap(skymap(width=0.15))
    mapped = replace(GW, skymap_fits=fits)
    coincidences = fresh()
    coincidences.heard(burst(skymap=fits))
    alone = coincidences.of(GW)
    assert alone is not None and alone.sky_far_hz is None and alone.reasons["sky_far_hz"]
    found = coincidences.of(mapped)
    assert found is not None and found.sky_far_hz is not None and found.combined_fits is not None
    assert found.sky_far_hz < (alone.far_hz or 0)
    again = coincidences.heard(burst(ra_deg=None, dec_deg=None, error_radius_deg=None, issued_ns=MERGER_NS + HOUR_NS))
    assert [c.sky_far_hz for c in again] == [found.sky_far_hz]


def test_production_joins_real_events_alone_and_a_test_joins_tests() -> None:
    for tense, kinds in (("current", 3), ("archival", 3), ("test", 2), ("injection", 2)):
        found = 0
        for kind in KINDS:
            coincidences = fresh(kind=kind)
            coincidences.heard(burst(tense=tense))
            answer = coincidences.of(GW)
            found += answer is not None and answer.external is not None
        assert found == kinds


def test_what_is_not_looked_for_is_not_kept() -> None:
    store = Store(None)
    assert fresh(store).heard(burst(search="Optical")) == ()
    assert fresh(store).heard(burst(event_id="2", search="")) == ()  # an update may tell
    assert store.count() == (1, 0)


def test_an_event_that_is_said_to_be_another_kind_after_all_leaves() -> None:
    coincidences = fresh()
    coincidences.of(GW)
    assert names(coincidences.heard(burst())) == [("TS150914a", "524666471")]
    other = burst(search="X-ray", alert_type="update", issued_ns=MERGER_NS + HOUR_NS)
    assert coincidences.heard(other) == (Coincidence(GW, None),)


def test_after_a_restart_both_kinds_are_known(tmp_path: Path) -> None:
    first = Store(tmp_path / "events.sqlite")
    fresh(first).of(GW)
    first.close()
    second = fresh(Store(tmp_path / "events.sqlite"))
    assert names(second.heard(burst())) == [("TS150914a", "524666471")]
    second.close()


def test_where_what_was_told_has_been_forgotten_nobody_can_say() -> None:
    """The file was lost: that nothing coincides any more is not known; once it is taken back it is."""
    coincidences, told = fresh(), joined(Coincidence(GW, burst()))
    assert coincidences.of(GW, told) is None
    coincidences.know([GW])
    coincidences.heard(retracted(burst()))
    assert coincidences.of(GW, told) == Coincidence(GW, None)


def test_a_superevent_that_the_disk_did_not_take_is_kept_with_the_next_and_its_alert_says_what_is_known(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.sqlite"
    coincidences = fresh(Store(path))
    coincidences.heard(burst())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with capture_logs() as logged:
        found = coincidences.of(GW)
    assert [e["event"] for e in logged] == ["superevent_not_kept"]
    assert found is not None and found.external is not None
    with pytest.raises(StoreError):
        coincidences.heard(burst(2.0, "2"))
    other.execute("ROLLBACK")
    other.close()
    assert names(coincidences.heard(burst(2.0, "2"))) == [("TS150914a", "524666471")]


def test_a_store_that_cannot_be_read_costs_no_alert(tmp_path: Path) -> None:
    coincidences = fresh(Store(tmp_path))  # a folder
    with capture_logs() as logged:
        assert coincidences.of(GW) is None
        coincidences.know([GW])
    assert [e["event"] for e in logged] == [
        "superevent_not_kept", "coincidence_not_looked_for", "superevents_not_kept",
    ]  # fmt: skip


def test_a_region_that_cannot_be_compared_is_named_and_the_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(gw: GwEvent, external: Any, settings: ExternalSettings, **how: bool) -> Coincidence | None:
        if external.event_id == "evil":
            raise FloatingPointError("overflow")
        return judge_of(gw, external, settings, **how)

    monkeypatch.setattr(module, "judge", judge)
    coincidences = fresh()
    for notice in (burst(event_id="evil"), burst()):
        coincidences.heard(notice)
    with capture_logs() as logged:
        found = coincidences.of(GW)
    assert found is not None and names((found,)) == [("TS150914a", "524666471")]
    assert [(e["event"], e["event_id"]) for e in logged] == [("external_event_not_compared", "evil")]


def test_of_a_flood_those_nearest_in_time_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def judge(gw: GwEvent, external: Any, settings: ExternalSettings, **how: bool) -> None:
        compared.append(external.event_id)

    monkeypatch.setattr(module, "judge", judge)
    coincidences = fresh()
    for k in range(200):
        coincidences.heard(burst(k / 50, str(k)))
    assert coincidences.of(GW) == Coincidence(GW, None)
    assert sorted(compared, key=int) == [str(k) for k in range(module.MOST_JUDGED)]


def test_of_a_flood_of_thousands_few_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """An alert waits while its window is read: tests and injections, which production passes over, count too."""
    read: list[str] = []

    def event(told: str, skymap: bytes | None) -> Any:
        read.append(told)
        return event_of(told, skymap)

    event_of = store_module._event
    coincidences = fresh(kind="production")
    for k in range(store_module.MOST_READ + 200):
        coincidences.heard(burst(k / 1000, str(k), tense="test" if k else "current"))
    monkeypatch.setattr(store_module, "_event", event)
    found = coincidences.of(GW)
    assert found is not None and names((found,)) == [("TS150914a", "0")]
    assert len(read) == store_module.MOST_READ


@pytest.mark.parametrize(
    "settings",
    [ExternalSettings(searches=("X-ray",)), ExternalSettings(searches=("X-ray",), windows_s={"X-ray": (-1.0, 5.0)})],
)
def test_a_search_that_cannot_be_judged_is_refused_live_and_in_the_archive_alike(settings: ExternalSettings) -> None:
    with pytest.raises(ConfigurationError, match="external"):
        Coincidences(settings, Store(None), "test")


def test_a_map_that_cannot_be_read_is_told_of_and_the_circle_counts_instead() -> None:
    each = fresh()
    each.of(GW)
    with capture_logs() as logged:
        [found] = each.heard(burst(1.7, skymap=b"SIMPLE  = no map"))
    assert [entry["event"] for entry in logged] == ["external_map_not_read"]
    assert found.external == replace(burst(1.7), raw=b"")
