"""``tocsin localize`` on real events: where they came from and what they were, as published; mistakes are told."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from localize_scene import peak_ns
from rich.console import Console
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.offline import localize as localize_module
from pipelines.offline.localize import Localization, Near, PeerMap, localize_archive
from pipelines.show.localized import as_dict, table, write
from stream.codec.skymap import decode_skymap
from stream.errors import ConfigurationError, DataError
from stream.localize.likeness import searched
from stream.settings import Settings
from stream.timebase import NS_PER_S

Localize = Callable[..., Localization]


@pytest.fixture(scope="module")
def localize(data_dir: Path) -> Localize:
    def run(pattern: str, gps_s: float) -> Localization:
        paths = sorted((data_dir / "strain").glob(pattern))
        assert paths, pattern
        return localize_archive(paths, gps_s, settings=Settings())

    return run


@pytest.fixture(scope="module")
def gw150914(localize: Localize) -> Localization:
    return localize("GW150914/*_4_V2*.hdf5", 1126259462.42)


def test_gw150914_is_where_and_what_it_was(gw150914: Localization) -> None:
    """Abbott et al., PRL 116, 061102 (2016); ApJL 826, L13 (2016): 6.9 ms from L1 to H1, 410 Mpc, the southern arc."""
    found = gw150914.found
    arrival_ns = {s.detector: peak_ns(s) for s in gw150914.series}
    assert (arrival_ns["H1"] - arrival_ns["L1"]) * 1e-6 == pytest.approx(6.9, abs=0.5)
    assert found.area90_deg2 is not None
    assert 150.0 < found.area90_deg2 < 600.0
    assert found.distance_mpc == pytest.approx(430.0, abs=120.0)
    assert found.mchirp_msun == pytest.approx(31.0, abs=1.5)
    assert searched(gw150914.skymap, np.radians(8.0 * 15.0), np.radians(-70.0)).level < 0.9
    assert found.source is not None
    assert found.source.classification is not None
    assert found.source.classification["BBH"] > 0.9


def test_gw200311_of_three_detectors_is_near_its_place_in_the_catalogue(localize: Localize) -> None:
    """GWTC-3: 1170 Mpc (-400, +280), 35 deg2 from the full analysis, chirp mass 32.7 as the detector sees it."""
    result = localize("GW200311_115853/*.hdf5", 1267963151.3)
    found = result.found
    assert result.skymap.detectors == ("H1", "L1", "V1")
    assert found.area90_deg2 is not None
    assert 15.0 < found.area90_deg2 < 120.0
    assert found.distance_mpc == pytest.approx(1170.0, abs=400.0)
    assert found.mchirp_msun == pytest.approx(32.7, abs=3.5)


def test_the_json_form_is_as_promised(gw150914: Localization, tmp_path: Path) -> None:
    alone = as_dict(gw150914, tmp_path / "x.fits")
    assert list(alone) == [
        "seconds", "area90_deg2", "area50_deg2", "distance_mpc", "detectors", "fits", "peer",
    ]  # fmt: skip
    assert alone["detectors"] == ["H1", "L1"]
    assert alone["peer"] is None
    peer = PeerMap("bayestar", gw150914.skymap, 340.0, 0.999, 6.0)
    told = as_dict(replace(gw150914, peer=peer), tmp_path / "x.fits")["peer"]
    assert told == {"name": "bayestar", "seconds": 6.0, "area90_deg2": 340.0, "overlap": 0.999}
    json.dumps(alone)


def test_map_picture_and_the_peers_map_are_written(gw150914: Localization, tmp_path: Path) -> None:
    peer = PeerMap("bayestar", gw150914.skymap, 340.0, 0.999, 6.0)
    files = write(replace(gw150914, peer=peer), tmp_path / "new")
    assert {kind: path.exists() for kind, path in files.items()} == dict.fromkeys(("fits", "plot", "peer"), True)
    assert decode_skymap(files["fits"].read_bytes()).detectors == ("H1", "L1")
    printed = io.StringIO()
    Console(width=100, file=printed).print(table(replace(gw150914, peer=peer)))
    for told in ("90 % area", "340 deg²", "0.9990", "BBH", "6.000 s"):
        assert told in printed.getvalue()


@pytest.mark.parametrize(
    ("gps_s", "error", "why"),
    [
        (1126259000.0, ConfigurationError, "1126259446 to 1126259478: give a time that is"),
        (1126259450.0, ConfigurationError, "4.0 s before.*give files that begin earlier"),
    ],
)
def test_a_time_that_cannot_be_localized_is_told_with_the_remedy(
    localize: Localize, gps_s: float, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        localize("GW150914/*_4_V2*.hdf5", gps_s)


def test_a_time_without_a_peak_is_told_where_the_nearest_is() -> None:
    gps_ns = 1126259470 * NS_PER_S
    near = Near(gps_ns, others_ns=[gps_ns - 7 * NS_PER_S, gps_ns + 2 * NS_PER_S], deaf=False)
    with pytest.raises(DataError, match=r"within 0.5 s of GPS 1126259470\.000, .* GPS 1126259472\.000"):
        near.loudest(gps_ns - 20 * NS_PER_S)


def test_the_command_prints_one_document(
    gw150914: Localization, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(localize_module, "localize_archive", lambda *_, **__: gw150914)
    done = CliRunner().invoke(
        app, ["localize", "x.hdf5", "--gps", "1126259462.42", "--out", str(tmp_path), "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert Path(told["fits"]).exists()
    assert re.fullmatch(r"\d+\.multiorder\.fits", Path(told["fits"]).name)
