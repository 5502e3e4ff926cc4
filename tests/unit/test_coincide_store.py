"""Recent events on disk: what is known of one from all its notices, what survives, and what is let go."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from findings import MERGER_NS
from messengers import burst, retracted
from structlog.testing import capture_logs

from stream.coincide import store as module
from stream.coincide.account import Account, with_notice
from stream.coincide.store import Store
from stream.errors import StoreError
from stream.records import ExternalEvent, GwEvent
from stream.timebase import NS_PER_S

GW = GwEvent("TS150914a", MERGER_NS, 1e-6, "CBC", b"map")
HOUR_NS = 3600 * NS_PER_S


class At:
    """A clock that is set."""

    def __init__(self, now_ns: int = MERGER_NS) -> None:
        self.ns = now_ns

    def now_ns(self) -> int:
        return self.ns


def all_of(store: Store) -> tuple[ExternalEvent, ...]:
    return store.externals_between(0, 2**62)


FIRST = burst(names=(), skymap=b"old", raw=b"{}")
SECOND = burst(
    1.9, alert_type="update", ra_deg=None, dec_deg=None, error_radius_deg=None, search="",
    issued_ns=MERGER_NS + HOUR_NS, names=("GRB 150914A",), received_ns=MERGER_NS + HOUR_NS,
)  # fmt: skip
THIRD = burst(
    1.8,
    alert_type="update",
    ra_deg=198.0,
    error_radius_deg=1.0,
    issued_ns=MERGER_NS + 2 * HOUR_NS,
    search="",
    received_ns=MERGER_NS + 2 * HOUR_NS,
)


def test_an_update_does_not_lose_the_place_and_one_with_a_place_replaces_it_whole() -> None:
    """An old map must not outweigh a new position."""
    known = with_notice(with_notice(None, FIRST), SECOND).event
    assert (known.gps_ns, known.ra_deg, known.skymap, known.search) == (SECOND.gps_ns, 197.45, b"old", "GRB")
    assert (known.names, known.raw, known.alert_type) == (("GRB 150914A",), b"", "update")
    third = with_notice(with_notice(None, FIRST), THIRD).event
    assert (third.ra_deg, third.error_radius_deg, third.skymap, third.search) == (198.0, 1.0, None, "GRB")


def test_in_whatever_order_its_notices_come_the_same_is_known_of_an_event() -> None:
    found: list[Account] = []
    for notices in itertools.permutations([FIRST, SECOND, THIRD, retracted(FIRST)]):
        account = None
        for notice in notices:
            account = with_notice(account, notice)
        assert account is not None and account.retracted
        found.append(account)
    assert all(account == found[0] for account in found)
    assert found[0].event.gps_ns == THIRD.gps_ns  # a retraction's own time is not the event's


def test_a_retraction_is_final_though_another_notice_follows(tmp_path: Path) -> None:
    store = Store(tmp_path / "events.sqlite")
    for notice in (FIRST, retracted(FIRST), replace(THIRD, issued_ns=MERGER_NS + 9 * HOUR_NS)):
        store.put_external(notice)
    assert all_of(store) == ()
    assert store.knows("Fermi-GBM", FIRST.event_id)
    assert not store.knows("Fermi-GBM", "1")


def test_both_kinds_survive_a_restart_and_are_found_by_their_time(tmp_path: Path) -> None:
    path = tmp_path / "state" / "events.sqlite"
    before = Store(path)
    assert before.put_external(FIRST) == (None, replace(FIRST, skymap=None, raw=b""))
    before.put_gw(GW)
    before.close()
    store = Store(path)
    [found] = store.externals_between(MERGER_NS, MERGER_NS + 5 * NS_PER_S)
    assert store.with_map(found) == replace(FIRST, raw=b"")
    assert store.externals_between(MERGER_NS - NS_PER_S, MERGER_NS) == ()
    assert store.gws_between(MERGER_NS, MERGER_NS) == (GW,)
    known, now = store.put_external(SECOND)
    assert known is not None and (known.gps_ns, now.gps_ns) == (FIRST.gps_ns, SECOND.gps_ns)


def test_a_superevent_of_before_does_not_replace_what_is_known_of_it() -> None:
    store = Store(None)
    store.put_gw(GW)
    store.know_gws([replace(GW, skymap_fits=None), GwEvent("TS150914b", MERGER_NS, 1e-7)])
    assert store.gws_between(0, 2**62) == (GW, GwEvent("TS150914b", MERGER_NS, 1e-7))


def test_rows_go_after_their_days_by_our_own_clock_whatever_a_notice_says_of_its_times(tmp_path: Path) -> None:
    clock = At()
    store = Store(tmp_path / "events.sqlite", keep_days=1.0, clock=clock)
    store.put_external(burst(event_id="old", received_ns=2**61, issued_ns=2**61))
    store.put_gw(GW)
    clock.ns += 25 * HOUR_NS
    for k in range(module._PRUNE_EVERY):
        store.put_external(burst(event_id=str(k)))
    assert store.count() == (module._PRUNE_EVERY, 0)
    assert not store.knows("Fermi-GBM", "old")


def test_there_are_at_most_so_many_rows_and_bytes_of_maps_and_the_oldest_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_EXTERNAL", 50)
    monkeypatch.setattr(module, "MOST_MAP_BYTES", 1000)
    monkeypatch.setattr(module, "_PRUNE_EVERY", 1)
    store = Store(None)
    for k in range(120):
        store.put_external(burst(event_id=str(k), skymap=bytes(100)))
    assert store.count() == (50, 0)
    with_maps = [event for event in all_of(store) if store.with_map(event).skymap is not None]
    assert [event.event_id for event in with_maps] == [str(k) for k in range(110, 120)]
    assert all(event.ra_deg == 197.45 for event in all_of(store))


@pytest.mark.parametrize("content", [b"no database at all, " * 500, b"SQLite format 3\0" + bytes(range(256)) * 64])
def test_a_damaged_file_is_set_aside_with_its_name_in_the_log_and_begun_anew(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    path.write_bytes(content)
    with capture_logs() as logged:
        store = Store(path)
        store.put_external(FIRST)
    assert [(e["event"], e["path"]) for e in logged] == [("external_store_set_aside", f"{path}.damaged")]
    assert (tmp_path / "events.sqlite.damaged").read_bytes() == content
    assert len(all_of(store)) == 1


def test_a_row_that_cannot_be_read_is_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    store = Store(path)
    store.put_external(FIRST)
    store.close()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE external SET told = '{}'")
    file.close()
    assert all_of(Store(path)) == ()
    assert (tmp_path / "events.sqlite.damaged").exists()


def test_a_disk_that_takes_nothing_and_a_file_that_another_holds_are_errors_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    store = Store(path)
    store.put_gw(GW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"locked: free the disk of external\.store"):
        store.put_external(FIRST)
    assert store.gws_between(0, 2**62) == (GW,)
    other.execute("ROLLBACK")
    other.close()
    store.put_external(FIRST)
    assert store._file._open is not None
    (pages,) = store._file._open.execute("PRAGMA page_count").fetchone()
    store._file._open.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        store.put_external(burst(event_id="2", skymap=bytes(100_000)))
    assert len(all_of(store)) == 1
    with pytest.raises(StoreError):
        Store(tmp_path).put_gw(GW)  # a folder


def test_calls_come_from_any_thread() -> None:
    store = Store(None)

    def put(first: int) -> None:
        for k in range(first, first + 25):
            store.put_external(burst(event_id=str(k)))
            store.put_gw(replace(GW, superevent_id=f"TS150914{k}"))

    threads = [threading.Thread(target=put, args=(100 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count() == (100, 100)


def test_a_notice_that_says_it_was_made_long_after_it_was_received_outranks_none_that_follows() -> None:
    """A mistaken date would pin an event's time, place and tense for ever."""
    wrong = replace(FIRST, issued_ns=MERGER_NS + 10**6 * HOUR_NS, received_ns=MERGER_NS + HOUR_NS)
    right = replace(SECOND, issued_ns=MERGER_NS + 2 * HOUR_NS, received_ns=MERGER_NS + 2 * HOUR_NS)
    for order in ((wrong, right), (right, wrong)):
        account = None
        for notice in order:
            account = with_notice(account, notice)
        assert account is not None and account.event.gps_ns == right.gps_ns
        assert account.event.alert_type == right.alert_type
