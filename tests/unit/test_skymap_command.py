"""``tocsin skymap``: the map of whatever somebody has, or why there is none."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_schema_examples as made
import numpy as np
import pytest
from skymaps import same, skymap

from pipelines.cli import entry
from stream.codec.alert import encode_alert, encode_alert_json, write_alerts
from stream.codec.fits_table import Column, write_table
from stream.codec.skymap import decode_skymap, encode_skymap

Tocsin = Callable[..., tuple[int, str, str]]
ALERT: dict[str, Any] = dict(made.ALERT)
MAP = skymap()
FITS = encode_skymap(MAP)


@pytest.fixture
def tocsin(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tocsin:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["tocsin", "skymap", *arguments])
        with pytest.raises(SystemExit) as ended:
            entry.main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def alert(skymap_fits: bytes | None = FITS, **changes: Any) -> dict[str, Any]:
    """Return an alert with a map of its own and none of another messenger."""
    return {**ALERT, "event": {**ALERT["event"], "skymap": skymap_fits}, "external_coinc": None, **changes}


def kept(path: Path, payload: bytes) -> str:
    path.write_bytes(payload)
    return str(path)


@pytest.mark.parametrize("form", ["avro", "json", "fits"])
def test_the_map_of_any_form_is_told_written_and_drawn(form: str, tocsin: Tocsin, tmp_path: Path) -> None:
    payload = {"avro": encode_alert(alert()), "json": encode_alert_json(alert(), {}), "fits": FITS}[form]
    source, out, plot = kept(tmp_path / "in", payload), tmp_path / "a" / "S..fits", tmp_path / "b" / "S.png"
    code, text, err = tocsin(source, "--out", str(out), "--plot", str(plot), "--json")
    assert (code, err) == (0, "")
    told = json.loads(text)
    assert told["superevent_id"] == (None if form == "fits" else made.ALERT["superevent_id"])
    assert told["distance_mpc"] == MAP.distmean_mpc
    assert told["area50_deg2"] < told["area90_deg2"] < 41253
    assert (told["detectors"], told["pixels"]) == (["H1", "L1"], len(MAP.uniq))
    assert (told["fits"], told["plot"]) == (str(out), str(plot))
    assert same(decode_skymap(out.read_bytes()), MAP)
    assert plot.read_bytes()[:4] == b"\x89PNG"


def test_it_is_told_to_people_too(tocsin: Tocsin, tmp_path: Path) -> None:
    code, text, _ = tocsin(kept(tmp_path / "in", encode_alert(alert())))
    assert code == 0
    assert "430 ± 118 Mpc" in text
    assert "H1+L1" in text
    assert "Dec -6" in text


def test_of_several_alerts_the_last_that_has_a_map_counts(tocsin: Tocsin, tmp_path: Path) -> None:
    """A replay keeps all its alerts in one file; each with a map is a block of its own."""
    coarse = encode_skymap(skymap(rounds=0))
    written = [alert(superevent_id="TS150914a"), alert(coarse, superevent_id="TS150914b"), alert(None)]
    write_alerts(tmp_path / "out.avro", written)
    _, text, _ = tocsin(str(tmp_path / "out.avro"), "--json")
    assert (json.loads(text)["superevent_id"], json.loads(text)["pixels"]) == ("TS150914b", 48)
    _, text, _ = tocsin(str(tmp_path / "out.avro"), "--json", "--superevent", "TS150914a")
    assert (json.loads(text)["superevent_id"], json.loads(text)["pixels"]) == ("TS150914a", len(MAP.uniq))
    code, _, err = tocsin(str(tmp_path / "out.avro"), "--superevent", "TS150914z")
    assert (code, "holds no alert of TS150914z" in err) == (1, True)


EXTERNAL = {**ALERT["external_coinc"], "combined_skymap": FITS}
NONE = {
    "its reason": (
        encode_alert_json(alert(None), {"unknown": {"skymap": "worker killed"}}),
        "says: worker killed",
    ),
    "no reason": (encode_alert(alert(None)), "does not say why"),
    "a reason of another form": (encode_alert_json(alert(None), {"unknown": [1]}), "does not say why"),
    "a retraction": (encode_alert(alert(event=None, alert_type="RETRACTION")), "withdraws the event"),
    "no FITS": (encode_alert(alert(b"no map")), "no FITS file"),
    "no alert": (b"[1, 2]", "expected an object"),
    "a damaged file": (encode_alert(alert())[:-9], "damaged"),
    "nothing": (b"", "neither an Avro nor a JSON"),
}


@pytest.mark.parametrize("name", NONE)
def test_why_there_is_none_is_told(name: str, tocsin: Tocsin, tmp_path: Path) -> None:
    payload, message = NONE[name]
    code, out, err = tocsin(kept(tmp_path / "in", payload))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err


def test_the_combined_map_is_another_one(tocsin: Tocsin, tmp_path: Path) -> None:
    both = encode_alert(alert(encode_skymap(skymap(rounds=0)), external_coinc=EXTERNAL))
    _, own, _ = tocsin(kept(tmp_path / "in", both), "--json")
    _, combined, _ = tocsin(str(tmp_path / "in"), "--combined", "--json")
    assert (json.loads(own)["pixels"], json.loads(combined)["pixels"]) == (48, len(MAP.uniq))
    code, _, err = tocsin(kept(tmp_path / "alone", encode_alert(alert())), "--combined")
    assert (code, "no other messenger" in err) == (1, True)


def test_a_peer_is_drawn_beside_it(tocsin: Tocsin, tmp_path: Path) -> None:
    source, plot = kept(tmp_path / "in.fits", FITS), str(tmp_path / "S.png")
    code, _, err = tocsin(source, "--peer", source, "--plot", plot)
    assert (code, err) == (0, "")
    code, _, err = tocsin(source, "--peer", source)
    assert (code, "--plot" in err) == (2, True)


def test_what_an_alert_says_names_no_file_and_moves_no_cursor(tocsin: Tocsin, tmp_path: Path) -> None:
    bad = alert(superevent_id="../../\x1b[2Jetc")
    code, out, _ = tocsin(kept(tmp_path / "in", encode_alert(bad)), "--plot", str(tmp_path / "S.png"))
    assert code == 0
    assert "\x1b" not in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["S.png", "in"]


@pytest.mark.parametrize("name", ["MS181101ab-ext-update.avro", "MS181101ab-initial.json", "bayestar.multiorder.fits"])
def test_lvks_own_are_read(name: str, data_dir: Path, tocsin: Tocsin, tmp_path: Path) -> None:
    path, out = data_dir / "alerts" / "lvk_userguide" / name, tmp_path / "S.fits"
    code, text, _ = tocsin(str(path), "--json", "--out", str(out))
    assert code == 0
    assert json.loads(text)["area90_deg2"] == pytest.approx(31, abs=2)
    assert out.read_bytes() == (data_dir / "alerts" / "lvk_userguide" / "bayestar.multiorder.fits").read_bytes()


def test_a_flat_map_is_written_as_multi_order(tocsin: Tocsin, tmp_path: Path) -> None:
    flat = write_table([Column("PROB", np.full(192, 1 / 192))], [("ORDERING", "RING"), ("NSIDE", 4)], [])
    out = tmp_path / "S.fits"
    code, text, _ = tocsin(kept(tmp_path / "flat.fits.gz", gzip.compress(flat)), "--json", "--out", str(out))
    assert (code, json.loads(text)["pixels"]) == (0, 12)
    assert len(decode_skymap(out.read_bytes()).uniq) == 12
