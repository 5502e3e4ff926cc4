"""``tocsin observe``: what is told and drawn of the best fields at sites."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from skymaps import skymap
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.subscribe.observing import Bounds, plan
from stream.codec.skymap import encode_skymap
from stream.errors import ConfigurationError, DataError
from stream.sky.shapes import Circle, Field, Polygon
from stream.sky.sites import find_site

AT_NS = 1_795_348_800 * 10**9
"""2026-11-22T12:00Z."""
FOUND = skymap(0.9, -0.5, 0.12, rounds=7, split=64)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "S.fits"
    path.write_bytes(encode_skymap(FOUND))
    return path


def told(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["observe", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_it_says_where_to_point_and_when(file: Path) -> None:
    text = told(file, "--site", "vlt", "--site", "greenwich", "--at", "2026-11-22T12:00Z", "--best", "3")
    lines = text.splitlines()
    assert lines[0].startswith("paranal: dark 11-23 00:36 to 11-23 08:19 UTC (7.7 h), moon 97 % lit")
    assert lines[1].startswith("can be seen: 100.0 %")
    assert [line.split()[:2] for line in lines[6:9]] == [["best", "1"], ["best", "2"], ["best", "3"]]
    assert "greenwich: dark" in text
    assert "never" in text


def test_fields_of_a_file_stand_by_their_probability(file: Path, tmp_path: Path) -> None:
    fields = tmp_path / "fields.txt"
    fields.write_text("far 200 10 3\nnear 51.6 -28.6 3.5 3.5 10\nbeside polygon 55 -30 60 -30 60 -25 55 -25\n")
    found = json.loads(told(file, "--site", "vlt", "--fields", fields, "--at", "2026-11-22T12:00Z", "--json"))
    assert [target["name"] for target in found["targets"]] == ["beside", "near", "far"]
    (site,) = found["sites"]
    assert {len(site[name]) for name in ("unix_ns", "sun_deg", "moon_deg")} == {len(site["targets"][0]["altitude_deg"])}
    _, near, far = site["targets"]
    assert near["airmass"] < 1.1
    assert near["hours"] == pytest.approx(site["visibility"]["dark_hours"], abs=0.1)
    assert (far["best_unix_ns"], far["airmass"], far["hours"]) == (None, None, 0.0)
    assert site["visibility"]["site"]["name"] == "paranal"


def test_the_night_is_drawn(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "out" / "night.png"
    text = told(file, "--site", "vlt", "--site", "0,90", "--at", "2026-06-22", "--plot", path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert f"plot: {path}" in text
    assert "dark never UTC (0.0 h)" in text
    assert "the sun stays above -18 degrees" in text


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--site", "atlantis"], ConfigurationError, "no site is named 'atlantis'"),
        (["--site", "vlt", "--at", "tomorrow"], ConfigurationError, "--at tomorrow"),
        (["--site", "vlt", "--at", "2199-01-01"], DataError, "from 1980 to 2100"),
    ],
)
def test_what_makes_no_sense_is_refused(file: Path, arguments: list[str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        told(file, *arguments)


def test_names_from_a_file_are_cleaned_before_they_are_shown() -> None:
    fields: list[Field] = [Circle("\x1b[31mred", 51, -28, 2), Polygon("ok", ((50, -30), (52, -30), (51, -28)))]
    shown = plan(FOUND, [find_site("vlt")], AT_NS, fields, count=1)
    assert "\x1b" not in shown.as_text()
    assert "1 more fields hold less" in shown.as_text()
    assert len(shown.as_dict()["sites"][0]["targets"]) == 1


def test_a_wider_bound_shows_more() -> None:
    site = [find_site("greenwich")]
    narrow, wide = (plan(FOUND, site, AT_NS, count=1, bounds=Bounds(airmass=a)).sites[0].seen for a in (2.0, 5.0))
    assert narrow.probability < wide.probability


def test_what_is_left_of_a_night_and_the_evening_after_it_both_count() -> None:
    """Of a place that stands low in the rest of the night, and high in the next."""
    late = int(1_795_413_600e9)  # 06:00Z on the 23rd: two hours are left at Paranal
    site = plan(FOUND, [find_site("vlt")], late, count=1).sites[0]
    assert len(site.night.dark) == 2
    best_ns = site.curves[0].best_unix_ns
    assert best_ns is not None
    assert best_ns > site.night.dark[1][0]
