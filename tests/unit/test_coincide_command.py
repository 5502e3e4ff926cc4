"""``tocsin coincide``: archived alerts and notices joined as live; what is near and not told says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alerts import EVIL, FITS, alert
from typer.testing import CliRunner

from pipelines.cli.entry import app
from pipelines.offline.archived import ArchivedAlert, Refusals, read_archived_alerts, read_archived_events
from pipelines.offline.coincide import Outcome, coincide, update_of
from pipelines.offline.coincide_report import report_of, text_of, write_maps
from stream.codec.alert import read_alerts, write_alerts
from stream.codec.external_file import write_external_file
from stream.codec.skymap import decode_skymap
from stream.notices import read_notice
from stream.records import ExternalEvent
from stream.regions import most_probable_deg
from stream.settings import Settings
from stream.simulate.notices import Seen, gbm_notices
from stream.timebase import NS_PER_S, SystemClock

GPS_NS = 1_126_259_462_420_000_000
ALERT = alert(far=1e-9, time="2015-09-14T09:50:45.420Z", time_created="2015-09-14T09:51:00Z")
PLACE = tuple(np.radians(most_probable_deg(decode_skymap(FITS))))


def burst(after_s: float, *, withdrawn: bool = False, seed: int = 5) -> list[ExternalEvent]:
    """Return GBM's notices of a burst so long after the merger, each received when it was sent."""
    seen = Seen(GPS_NS + round(after_s * NS_PER_S), *PLACE)
    notices = gbm_notices(seen, np.random.default_rng(seed), withdrawn=withdrawn)
    return [event for n in notices for event in read_notice(n.payload, n.sent_ns, n.topic)]


def joined(*events: ExternalEvent, record: dict[str, Any] = ALERT) -> Outcome:
    return coincide([ArchivedAlert(record, {}, GPS_NS + 15 * NS_PER_S)], events, Settings())


def test_a_burst_just_after_a_merger_is_found_with_rates_and_a_combined_map() -> None:
    [one] = joined(*burst(1.7)).found
    told = one.coincidence
    assert told.external is not None
    assert told.external.source == "Fermi-GBM"
    assert told.time_difference_ns / NS_PER_S == pytest.approx(1.7, abs=1e-5)
    assert told.time_far_hz == pytest.approx(6 * 325 / (365.25 * 86_400) * 1e-9, rel=0.01)
    assert told.time_far_hz is not None
    assert told.sky_far_hz is not None
    assert told.sky_far_hz < told.time_far_hz
    assert [change.external is not None for change in one.changes] == [True]
    assert one.near == ()


def test_one_a_minute_away_is_near_and_says_why_it_does_not_coincide() -> None:
    outcome = joined(*burst(60.0))
    [one] = outcome.found
    assert one.coincidence.external is None
    assert [near.why for near in one.near] == ["the external event lies outside the window"]
    text = text_of(outcome, Refusals(), Refusals())
    assert "with nothing" in text
    assert "60 s after the merger: the external event lies outside the window" in text
    assert update_of(one, Settings()) is None


def test_one_that_is_withdrawn_leaves() -> None:
    [one] = joined(*burst(1.7, withdrawn=True)).found
    assert one.coincidence.external is None
    assert [change.external is not None for change in one.changes] == [True, False]
    assert [near.why for near in one.near] == ["the external event is retracted"]


def test_a_retracted_superevent_is_not_looked_at() -> None:
    gone = alert(event=None, alert_type="RETRACTION")
    alerts = [ArchivedAlert(ALERT, {}, 1), ArchivedAlert(gone, {}, 2)]
    outcome = coincide(alerts, burst(1.7), Settings())
    assert (outcome.found, outcome.retracted) == ((), ("TS150914a",))
    assert "TS150914a  retracted" in text_of(outcome, Refusals(), Refusals())


def test_the_order_in_which_notices_lie_does_not_matter() -> None:
    one, other = joined(*burst(1.7)), joined(*reversed(burst(1.7)))
    assert report_of(one, Refusals(), Refusals(), 7) == report_of(other, Refusals(), Refusals(), 7)


def test_the_alert_that_tells_of_it_is_one_that_every_reader_reads(tmp_path: Path) -> None:
    [one] = joined(*burst(1.7)).found
    record = update_of(one, Settings())
    assert record is not None
    write_alerts(tmp_path / "joined.avro", [record])
    [back] = read_alerts((tmp_path / "joined.avro").read_bytes())
    assert (back["alert_type"], back["superevent_id"], back["event"]["far"]) == ("UPDATE", "TS150914a", 1e-9)
    told = back["external_coinc"]
    assert (told["observatory"], told["search"]) == ("Fermi", "GRB")
    assert told["time_difference"] == pytest.approx(1.7, abs=1e-5)
    assert told["combined_skymap"] == one.coincidence.combined_fits
    assert back["urls"] == ALERT["urls"]


def test_an_id_that_is_none_names_no_file(tmp_path: Path) -> None:
    outcome = joined(*burst(1.7), record={**ALERT, "superevent_id": "../../" + EVIL})
    [path] = write_maps(outcome.found, tmp_path / "maps")
    assert path.parent == tmp_path / "maps"
    assert path.name.startswith("event-")
    decode_skymap(path.read_bytes())
    assert text_of(outcome, Refusals(), Refusals()).replace("\n", "").isprintable()
    assert "\x1b" not in json.dumps(report_of(outcome, Refusals(), Refusals(), 7), ensure_ascii=False)


def test_the_command_reads_folders_and_files_and_counts_what_it_refuses(tmp_path: Path) -> None:
    notices = tmp_path / "notices"
    notices.mkdir()
    for k, notice in enumerate(gbm_notices(Seen(GPS_NS + 2 * NS_PER_S, *PLACE), np.random.default_rng(1))):
        (notices / f"{k}.json").write_bytes(notice.payload)
    (notices / "junk.json").write_text("{}")
    write_external_file(tmp_path / "external.avro", burst(300.0))
    write_alerts(tmp_path / "alerts.avro", [ALERT])
    (tmp_path / "none.avro").write_bytes(b"Obj\x01junk")
    report = tmp_path / "r.json"
    arguments = ["coincide", "--events", str(notices), "--events", str(tmp_path / "external.avro")]
    arguments += ["--alerts", str(tmp_path / "alerts.avro"), "--alerts", str(tmp_path / "none.avro")]
    arguments += ["--report", str(report), "--out", str(tmp_path / "out.avro"), "--maps", str(tmp_path / "maps")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "with bn150914410 (Fermi-GBM) 2 s after the merger" in result.output
    told = json.loads(report.read_text())
    assert (told["joined"], told["external_notices"]) == (1, 14)
    assert (sum(told["refused"].values()), sum(told["refused_alerts"].values())) == (1, 1)
    [superevent] = told["superevents"]
    assert superevent["coincidence"]["time_difference_s"] == pytest.approx(2.0, abs=1e-5)
    assert [near["time_difference_s"] for near in superevent["near"]] == pytest.approx([300.0])
    assert len(read_alerts((tmp_path / "out.avro").read_bytes())) == 1
    assert (tmp_path / "maps" / "TS150914a-combined.multiorder.fits").exists()


def test_lvks_alerts_are_read_in_all_their_forms(data_dir: Path) -> None:
    folder, refused = data_dir / "alerts" / "lvk_userguide", Refusals()
    alerts = read_archived_alerts([folder], refused)
    assert {a.superevent_id for a in alerts} == {"MS181101ab"}
    assert len(alerts) == 18
    assert refused.kinds == {"unreadable": 2}  # bare maps


def test_every_notice_of_the_shared_folder_is_an_event_or_refused(data_dir: Path) -> None:
    refused = Refusals()
    events = list(read_archived_events([data_dir / "alerts" / "gcn_schema"], refused, SystemClock()))
    assert len(events) > 20
    assert refused.kinds
    assert all(shown["why"] for shown in refused.shown)
