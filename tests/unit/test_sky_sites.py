"""Sites by name and by numbers."""

from __future__ import annotations

import pytest

from stream.errors import ConfigurationError
from stream.sky.sites import Site, find_site, site_names


@pytest.mark.parametrize("name", ["vlt", "VLT", "Paranal Observatory", "paranal-observatory", " cerro_paranal "])
def test_a_site_has_many_names(name: str) -> None:
    assert find_site(name) == Site("paranal", -70.403, -24.6252, 2635.0)


@pytest.mark.parametrize(
    "name",
    ["rubin", "lsst", "keck", "palomar", "ztf", "lasilla", "gemini_north", "gemini-south", "subaru", "ctio", "orm",
     "tarot_calern", "tarot_chile", "tarot_reunion", "goto-north", "goto-south", "saao", "siding spring", "het"],
)  # fmt: skip
def test_what_telescopes_call_themselves_is_known(name: str) -> None:
    assert find_site(name).name in site_names()


def test_every_site_of_the_table_is_a_place_on_the_earth() -> None:
    assert len(site_names()) == 100
    for name in site_names():
        assert -180 <= find_site(name).longitude_deg <= 180


def test_a_place_is_given_by_numbers() -> None:
    assert find_site("-70.4, -24.6, 2635") == Site("-70.4,-24.6,2635", -70.4, -24.6, 2635.0)
    assert find_site("0,90").latitude_deg == 90.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("paranl", "is it paranal"),
        ("nowhere at all", "longitude,latitude,height"),
        ("1,2,3,4", "no site"),
        ("1,x", "no site"),
        ("0,91", "latitude 91"),
        ("nan,0", "longitude nan"),
        ("0,0,1e9", "height 1e\\+09"),
    ],
)
def test_what_is_no_site_is_refused_with_the_remedy(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        find_site(text)
