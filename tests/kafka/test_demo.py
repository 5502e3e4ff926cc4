"""The demo is the README's first command: one alert, no false one, and the files it promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.show.demo import demo
from pipelines.show.present import demo_text
from stream.codec.alert import decode_alert


@pytest.mark.kafka
@pytest.mark.alone
@pytest.mark.slow
def test_the_demo_rings_once_and_writes_what_it_shows(tmp_path: Path) -> None:
    result = demo(tmp_path)
    shown = result.as_dict()
    assert (shown["alerts"], shown["false_alarms"]) == (1, 0)
    assert result.ok
    assert result.burst_joined
    assert result.merger_to_alert_s is not None
    assert result.merger_to_alert_s > 0
    alert = decode_alert(Path(result.files["avro"]).read_bytes())
    assert alert["superevent_id"] == shown["superevent_ids"][0]  # type: ignore[index]
    assert json.loads(Path(result.files["json"]).read_text())["superevent_id"] == alert["superevent_id"]
    assert Path(result.files["picture"]).read_bytes().startswith(b"\x89PNG")
    assert "whitened strain and Q-scan" in Path(result.files["page"]).read_text()
    joined = shown["joined"]
    assert isinstance(joined, dict)
    assert (joined["observatory"], joined["search"], joined["others"]) == ("Fermi-GBM", "GRB", ())
    assert abs(joined["time_difference_s"] - 1.7) < 0.1
    assert joined["sky_far_hz"] < joined["time_far_hz"]
    assert result.notice_to_revision_s is not None
    assert "external_coinc" in alert
    assert alert["external_coinc"]["combined_skymap"] == Path(result.files["combined map"]).read_bytes()
    first = result.alerts[0]
    assert (first.record["alert_type"], first.record["external_coinc"]) == ("PRELIMINARY", None)
    assert "Where, together with" in Path(result.files["page"]).read_text()
    assert "s after the merger, joint FAR 1 per" in demo_text(result)
    assert f"merger to alert: {result.merger_to_alert_s:.3f} s" in demo_text(result)
