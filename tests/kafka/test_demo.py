"""The demo is the README's first command: one alert, no false one, and the files it promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.show.demo import demo
from pipelines.show.present import demo_text
from stream.codec.alert import decode_alert


@pytest.mark.kafka
@pytest.mark.slow
def test_the_demo_rings_once_and_writes_what_it_shows(tmp_path: Path) -> None:
    result = demo(tmp_path)
    shown = result.as_dict()
    assert (shown["alerts"], shown["false_alarms"]) == (1, 0)
    assert result.ok
    assert result.merger_to_alert_s is not None
    assert result.merger_to_alert_s > 0
    alert = decode_alert(Path(result.files["avro"]).read_bytes())
    assert alert["superevent_id"] == shown["superevent_ids"][0]  # type: ignore[index]
    assert json.loads(Path(result.files["json"]).read_text())["superevent_id"] == alert["superevent_id"]
    assert Path(result.files["picture"]).read_bytes().startswith(b"\x89PNG")
    assert "whitened strain and Q-scan" in Path(result.files["page"]).read_text()
    assert f"merger to alert: {result.merger_to_alert_s:.3f} s" in demo_text(result)
