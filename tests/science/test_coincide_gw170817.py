"""GW170817 with GRB 170817A over the archive: LVK's map and GBM's position, through ``tocsin coincide``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alerts import alert
from typer.testing import CliRunner

from pipelines.cli.entry import app
from stream.codec.alert import write_alerts
from stream.codec.limits import MAX_SKYMAP_BYTES
from stream.codec.skymap import decode_skymap, encode_skymap

GBM = {
    "$schema": "https://gcn.nasa.gov/schema/main/gcn/notices/fermi/gbm/trigger.schema.json", "mission": "Fermi",
    "instrument": "GBM", "messenger": "EM", "id": ["524666471", "bn170817529"], "event_name": "GRB 170817A",
    "alert_type": "update", "alert_tense": "archival", "alert_datetime": "2017-08-17T12:41:31Z",
    "trigger_time": "2017-08-17T12:41:06.47Z", "ra": 176.8, "dec": -39.8, "ra_dec_error": 11.6,
    "containment_probability": 0.68, "systematic_included": False, "classification": {"GRB": 0.97},
    "record_number": 5, "subtype": "GROUND_POSITION",
}  # fmt: skip
"""GBM's trigger time and the position of Goldstein et al., ApJL 848, L14 (2017); the form is GCN's."""
FAR_HZ = 1 / (10_000 * 31_557_600.0)
"""One in ten thousand years: GCN circular 21509."""


@pytest.mark.slow
def test_they_coincide_as_the_readme_shows(data_dir: Path, tmp_path: Path) -> None:
    whole = (data_dir / "alerts" / "skymaps" / "GW170817_prelim.fits.gz").read_bytes()
    skymap = encode_skymap(decode_skymap(whole, MAX_SKYMAP_BYTES["file"]), ["LVK's, made multi-order"])
    record = alert(
        superevent_id="S170817a", time_created="2017-08-17T13:21:42Z", time="2017-08-17T12:41:04.430Z", far=FAR_HZ,
        instruments=["H1", "L1", "V1"], skymap=skymap,
    )  # fmt: skip
    write_alerts(tmp_path / "gw170817.avro", [record])
    (tmp_path / "grb.json").write_text(json.dumps(GBM))
    paths = ["--events", str(tmp_path / "grb.json"), "--alerts", str(tmp_path / "gw170817.avro")]
    result = CliRunner().invoke(app, ["coincide", *paths, "--json"])
    assert result.exit_code == 0, result.output
    [superevent] = json.loads(result.output)["superevents"]
    told = superevent["coincidence"]
    assert told["names"][0] == "GRB 170817A"
    assert told["time_difference_s"] == pytest.approx(2.04)
    assert told["time_far_hz"] == pytest.approx(1.96e-16, rel=0.01)
    assert told["sky_far_hz"] == pytest.approx(6.82e-17, rel=0.01)
    assert told["overlap"] == pytest.approx(2.87, rel=0.01)
    assert told["combined_area90_deg2"] == pytest.approx(27.5, rel=0.02)
