"""What telescopes read sky maps with reads ours: ligo.skymap and its commands, mocpy, astropy, healpy."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import astropy_healpix
import numpy as np
import pytest
from astropy.table import Table
from skymaps import skymap

from stream.codec.skymap import decode_skymap, encode_skymap
from stream.healpix import area_sr, split_uniq
from stream.regions import credible_areas_deg2, distance_density, probability

MAP = skymap(rounds=8, split=64)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what they import
    import ligo.skymap.bayestar
    import ligo.skymap.distance
    import ligo.skymap.io
    import mocpy


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("skymap") / "ours.multiorder.fits"
    path.write_bytes(encode_skymap(MAP, ["of a test, with a line longer than a card has room for: " + "x" * 100]))
    return path


def test_ligo_skymap_reads_it(path: Path) -> None:
    table: Any = ligo.skymap.io.read_sky_map(str(path), moc=True, distances=True)
    assert np.array_equal(table["UNIQ"], MAP.uniq)
    assert np.array_equal(table["PROBDENSITY"], MAP.probdensity)
    assert MAP.distmu_mpc is not None
    assert np.array_equal(table["DISTMU"], MAP.distmu_mpc)
    assert table.meta["distmean"] == MAP.distmean_mpc
    assert table.meta["instruments"] == {"H1", "L1"}
    assert table.meta["gps_time"] == pytest.approx(1126259462.42, abs=1e-5)
    assert table.meta["creator"] == "Tocsin 0.1.0"


def test_ligo_skymap_makes_it_flat(path: Path) -> None:
    (prob, mu, _, _), meta = ligo.skymap.io.read_sky_map(str(path), moc=False, distances=True)
    assert prob.sum() == pytest.approx(1, abs=1e-9)
    assert np.isfinite(mu[np.argmax(prob)])
    assert meta["nest"] is True


def test_mocpy_reads_it(path: Path) -> None:
    of_file = mocpy.MOC.from_multiordermap_fits_file(str(path), cumul_to=0.9)
    probability = MAP.probdensity * area_sr(split_uniq(MAP.uniq)[0])
    of_cells = mocpy.MOC.from_valued_healpix_cells(
        MAP.uniq, probability, int(split_uniq(MAP.uniq)[0].max()), cumul_to=0.9
    )
    (area90_deg2,) = credible_areas_deg2(MAP, [0.9])
    for moc in (of_file, of_cells):
        assert moc.sky_fraction * 41252.961 == pytest.approx(area90_deg2, rel=0.05)


def test_astropy_reads_it(path: Path) -> None:
    table: Any = Table.read(BytesIO(path.read_bytes()), format="fits")
    assert table["PROBDENSITY"].unit == "1 / sr"
    assert table["DISTMU"].unit == "Mpc"
    level, index = astropy_healpix.uniq_to_level_ipix(np.asarray(table["UNIQ"]))
    assert np.array_equal(level, split_uniq(MAP.uniq)[0])
    assert np.array_equal(index, split_uniq(MAP.uniq)[1])
    assert table.meta["HISTORY"][0].startswith("of a test")


def tool(name: str, *arguments: str, folder: Path) -> str:
    """Run a command of ligo.skymap."""
    program = Path(sys.executable).parent / name
    environment = os.environ | {"MPLBACKEND": "agg", "MPLCONFIGDIR": str(folder)}
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_ligo_skymap_stats_counts_its_areas(path: Path, tmp_path: Path) -> None:
    out = tool("ligo-skymap-stats", str(path), "--contour", "50", "90", folder=tmp_path)
    names, values = (line.split("\t") for line in out.splitlines() if not line.startswith("#"))
    told = dict(zip(names, values, strict=True))
    area50_deg2, area90_deg2 = credible_areas_deg2(MAP, [0.5, 0.9])
    assert float(told["area(50)"]) == pytest.approx(area50_deg2, rel=1e-6)
    assert float(told["area(90)"]) == pytest.approx(area90_deg2, rel=1e-6)


@pytest.mark.slow
def test_ligo_skymap_plot_draws_it(path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "theirs.png"
    tool("ligo-skymap-plot", str(path), "-o", str(picture), "--contour", "50", "90", folder=tmp_path)
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_the_density_over_distance_is_theirs(data_dir: Path) -> None:
    found = decode_skymap((data_dir / "alerts" / "lvk_userguide" / "bayestar.multiorder.fits").read_bytes())
    distance_mpc = np.linspace(1, 90, 50)
    theirs = ligo.skymap.distance.marginal_pdf(
        distance_mpc, probability(found), found.distmu_mpc, found.distsigma_mpc, found.distnorm
    )
    ours = distance_density(found, distance_mpc)
    assert ours is not None
    assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-12)
