"""Sky maps of others as FITS, and what is refused of them, by name."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skymaps import same, skymap

from stream.codec.fits_table import Column, Value, write_table
from stream.codec.limits import MAX_SKYMAP_BYTES
from stream.codec.skymap import decode_skymap, encode_skymap
from stream.errors import CodecError
from stream.healpix import area_sr, split_uniq
from stream.records import SkyMap
from stream.types import AnyArray, IntArray

MAP = skymap()
SOUND = encode_skymap(MAP, ["made for a test"])
HEADER: list[tuple[str, Value]] = [("PIXTYPE", "HEALPIX"), ("ORDERING", "NUNIQ"), ("COORDSYS", "C")]


def fits(columns: dict[str, AnyArray], *cards: tuple[str, Value]) -> bytes:
    """Return a table of these columns, with the cards of a multi-order map or those given before them."""
    return write_table([Column(name, values) for name, values in columns.items()], [*cards, *HEADER], [])


def card_of(payload: bytes, name: str) -> str:
    found = re.search(rb"(?:^|.{80})*?" + f"{name:8}= ".encode() + rb"(.{70})", payload)
    assert found is not None
    return found[1].decode().strip()


def with_card(payload: bytes, name: str, value: str) -> bytes:
    """Return a file with another value on one card."""
    at = payload.index(f"{name:8}= ".encode())
    return payload[:at] + f"{name:8}= {value:>20}".ljust(80).encode() + payload[at + 80 :]


@pytest.mark.parametrize("name", ["bayestar", "combined-ext"])
def test_lvks_multi_order_maps_are_read(name: str, data_dir: Path) -> None:
    payload = (data_dir / "alerts" / "lvk_userguide" / f"{name}.multiorder.fits").read_bytes()
    found = decode_skymap(payload)
    assert (len(found.uniq), found.creator, found.gps_ns) == (19200, "BAYESTAR", 1225146184654437000)
    assert found.detectors == (("Fermi",) if name == "combined-ext" else ()) + ("H1", "L1", "V1")
    assert found.distmean_mpc == pytest.approx(39.8, abs=0.2)
    assert found.distmu_mpc is not None
    assert np.sum(np.isinf(found.distmu_mpc)) == 176
    again = decode_skymap(gzip.compress(payload))
    assert np.array_equal(again.probdensity, found.probdensity)


def test_distances_are_left_out_where_they_are_not_wanted() -> None:
    assert same(decode_skymap(SOUND, distances=False), replace(MAP, distmu_mpc=None, distsigma_mpc=None, distnorm=None))


def test_pixels_in_any_order_are_put_in_order() -> None:
    at = np.random.default_rng(2).permutation(len(MAP.uniq))
    assert same(decode_skymap(SOUND), decode_skymap(encode_skymap(_reordered(at), ["made for a test"])))


def _reordered(at: IntArray) -> SkyMap:
    assert MAP.distmu_mpc is not None and MAP.distsigma_mpc is not None and MAP.distnorm is not None
    return replace(
        MAP, uniq=MAP.uniq[at], probdensity=MAP.probdensity[at], distmu_mpc=MAP.distmu_mpc[at],
        distsigma_mpc=MAP.distsigma_mpc[at], distnorm=MAP.distnorm[at],
    )  # fmt: skip


def test_lvks_flat_map_of_gw170817_becomes_multi_order_without_loss(data_dir: Path) -> None:
    payload = (data_dir / "alerts" / "skymaps" / "GW170817_prelim.fits.gz").read_bytes()
    found = decode_skymap(payload, MAX_SKYMAP_BYTES["file"])
    assert 10_000 < len(found.uniq) < 20_000
    assert (found.gps_ns, found.detectors) == (1187008882429126000, ())
    assert float(np.sum(found.probdensity * area_sr(split_uniq(found.uniq)[0]))) == pytest.approx(1, abs=1e-9)
    with pytest.raises(CodecError, match="expands to more than"):
        decode_skymap(payload)  # as of a message


def test_the_header_says_what_lvks_says() -> None:
    expected = {
        "XTENSION": "'BINTABLE'", "NAXIS1": "40", "NAXIS2": str(len(MAP.uniq)), "TTYPE1": "'UNIQ    '",
        "TTYPE2": "'PROBDENSITY'", "TUNIT2": "'sr-1    '", "TUNIT3": "'Mpc     '", "TUNIT5": "'Mpc-2   '",
        "PIXTYPE": "'HEALPIX '", "ORDERING": "'NUNIQ   '", "COORDSYS": "'C       '", "INDXSCHM": "'EXPLICIT'",
        "INSTRUME": "'H1,L1   '", "DATE-OBS": "'2015-09-14T09:50:45.420000'", "DISTMEAN": "430.5",
        "DISTSTD": "118.25", "MOCORDER": str(split_uniq(MAP.uniq)[0].max()),
    }  # fmt: skip
    assert {name: card_of(SOUND, name) for name in expected} == expected
    assert float(card_of(SOUND, "MJD-OBS")) == pytest.approx(57279.4102479, abs=1e-6)


UNIQ, DENSITY = MAP.uniq, MAP.probdensity
GAP = np.concatenate([UNIQ[:40], UNIQ[41:]])
TWICE = np.concatenate([UNIQ[:40], UNIQ[39:]])
NEGATIVE, ENDLESS, NO_NUMBER = (np.concatenate([[value], DENSITY[1:]]) for value in (-1e-9, np.inf, np.nan))
PARENT = np.where(np.arange(len(UNIQ)) == 0, 4, UNIQ)
FLAT = np.full(48, 1 / 48)

WRONG = {
    "no UNIQ": (fits({"PROBDENSITY": DENSITY}), "no column UNIQ"),
    "no density": (fits({"UNIQ": UNIQ, "PROB": DENSITY}), "no column PROBDENSITY"),
    "a gap": (fits({"UNIQ": GAP, "PROBDENSITY": DENSITY[1:]}), "covers 0.9"),
    "a pixel twice": (fits({"UNIQ": TWICE, "PROBDENSITY": np.append(DENSITY, 0)}), "lies in another"),
    "a parent beside its children": (fits({"UNIQ": PARENT, "PROBDENSITY": DENSITY}), "lies in another"),
    "UNIQ of 3": (fits({"UNIQ": UNIQ - UNIQ.min() + 3, "PROBDENSITY": DENSITY}), "a pixel that is none"),
    "UNIQ beyond order 29": (fits({"UNIQ": UNIQ + (1 << 62), "PROBDENSITY": DENSITY}), "a pixel that is none"),
    "negative UNIQ": (fits({"UNIQ": -UNIQ, "PROBDENSITY": DENSITY}), "a pixel that is none"),
    "UNIQ of floats": (fits({"UNIQ": UNIQ.astype(float), "PROBDENSITY": DENSITY}), "not of whole numbers"),
    "density of whole numbers": (fits({"UNIQ": UNIQ, "PROBDENSITY": UNIQ}), "PROBDENSITY is of whole numbers"),
    "negative density": (fits({"UNIQ": UNIQ, "PROBDENSITY": NEGATIVE}), "negative or not finite"),
    "infinite density": (fits({"UNIQ": UNIQ, "PROBDENSITY": ENDLESS}), "negative or not finite"),
    "no number": (fits({"UNIQ": UNIQ, "PROBDENSITY": NO_NUMBER}), "negative or not finite"),
    "half of it": (fits({"UNIQ": UNIQ, "PROBDENSITY": DENSITY / 2}), "adds up to 0.5"),
    "nothing": (fits({"UNIQ": UNIQ[:0], "PROBDENSITY": DENSITY[:0]}), r"columns of \[0\] pixels"),
    "galactic": (fits({"UNIQ": UNIQ, "PROBDENSITY": DENSITY}, ("COORDSYS", "G")), "COORDSYS is 'G'"),
    "no HEALPix": (fits({"UNIQ": UNIQ, "PROBDENSITY": DENSITY}, ("PIXTYPE", "CAR")), "PIXTYPE is 'CAR'"),
    "other ordering": (fits({"UNIQ": UNIQ, "PROBDENSITY": DENSITY}, ("ORDERING", "SPIRAL")), "ORDERING is 'SPIRAL'"),
    "flat of 47 pixels": (fits({"PROB": FLAT[1:]}, ("ORDERING", "RING")), "flat sky map has 47 pixels"),
    "flat of another NSIDE": (fits({"PROB": FLAT}, ("ORDERING", "RING"), ("NSIDE", 4)), "NSIDE is 4"),
    "flat of a part": (fits({"PROB": FLAT}, ("ORDERING", "RING"), ("INDXSCHM", "EXPLICIT")), "part of the sky"),
    "flat without PROB": (fits({"X": FLAT}, ("ORDERING", "NESTED")), "no column PROB"),
    "no bytes": (b"", "no FITS file"),
    "a picture": (b"\x89PNG" + bytes(4000), "no FITS file"),
    "cut in the header": (SOUND[:4000], "ends within a header"),
    "cut in the table": (SOUND[:-8000], "bytes are left"),
    "only its first header": (SOUND[:2880], "no extension"),
    "a header without end": (SOUND[:2880] + b"COMMENT x".ljust(80) * 20_000, "header of more than"),
    "an image": (with_card(SOUND, "XTENSION", "'IMAGE   '"), "expected a binary table"),
    "more rows than bytes": (with_card(SOUND, "NAXIS2", str(1 << 39)), "bytes are left"),
    "rows without number": (with_card(SOUND, "NAXIS2", str(10**30)), "NAXIS2 is"),
    "fewer than no rows": (with_card(SOUND, "NAXIS2", "-1"), "NAXIS2 is '-1'"),
    "rows of another width": (with_card(SOUND, "NAXIS1", "39"), "columns take 40 bytes"),
    "too many columns": (with_card(SOUND, "TFIELDS", "999"), "TFIELDS is"),
    "a form that is none": (with_card(SOUND, "TFORM2", "'7Y      '"), "TFORM2 is '7Y'"),
    "a row of a gigabyte": (with_card(SOUND, "TFORM2", "'999999999D'"), "asks for 999999999"),
    "a damaged gzip": (gzip.compress(SOUND)[:-100], "ends too early"),
    "a gzip of noise": (b"\x1f\x8b" + bytes(range(255)), "is damaged"),
    "a gzip and more": (gzip.compress(SOUND) + b"more", "4 bytes follow"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str) -> None:
    payload, message = WRONG[name]
    with pytest.raises(CodecError, match=message):
        decode_skymap(payload)


def test_a_bomb_is_not_expanded() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([packer.compress(bytes(1 << 24)) for _ in range(8)]) + packer.flush()
    assert len(bomb) < 200_000
    with pytest.raises(CodecError, match="expands to more than 33554432"):
        decode_skymap(bomb)


def test_a_total_that_is_nearly_one_is_brought_to_one() -> None:
    found = decode_skymap(fits({"UNIQ": UNIQ, "PROBDENSITY": DENSITY * 1.01}))
    assert float(np.sum(found.probdensity * area_sr(split_uniq(UNIQ)[0]))) == pytest.approx(1, abs=1e-12)


def test_pixels_may_come_in_any_order_and_leave_in_rising_order() -> None:
    shuffled = np.random.default_rng(1).permutation(len(UNIQ))
    found = decode_skymap(fits({"UNIQ": UNIQ[shuffled], "PROBDENSITY": DENSITY[shuffled]}))
    assert np.array_equal(found.uniq, UNIQ)
    assert np.array_equal(found.probdensity, DENSITY)


def test_a_distance_that_is_none_is_none() -> None:
    """NaN, a width that is not positive, a negative norm: the pixel keeps its probability and has no distance."""
    assert MAP.distmu_mpc is not None and MAP.distsigma_mpc is not None and MAP.distnorm is not None
    mu, sigma, norm = MAP.distmu_mpc.copy(), MAP.distsigma_mpc.copy(), MAP.distnorm.copy()
    best = np.argsort(-DENSITY)[:3]
    mu[best[0]], sigma[best[1]], norm[best[2]] = np.nan, 0.0, -1.0
    columns = {"UNIQ": UNIQ, "PROBDENSITY": DENSITY, "DISTMU": mu, "DISTSIGMA": sigma, "DISTNORM": norm}
    found = decode_skymap(fits(columns))
    assert found.distmu_mpc is not None and found.distsigma_mpc is not None and found.distnorm is not None
    assert [found.distmu_mpc[k] for k in best] == [np.inf] * 3
    assert [found.distsigma_mpc[k] for k in best] == [1.0] * 3
    assert [found.distnorm[k] for k in best] == [0.0] * 3


def test_what_a_header_claims_is_taken_where_it_has_the_form() -> None:
    columns = {"UNIQ": UNIQ, "PROBDENSITY": DENSITY}
    told: list[tuple[str, Value]] = [
        ("INSTRUME", "H1,<script>,../../L1, V1"), ("DATE-OBS", "yesterday"), ("DISTMEAN", -3.0), ("DISTSTD", True),
        ("CREATOR", "me"),
    ]  # fmt: skip
    found = decode_skymap(fits(columns, *told).replace(b"'me      '", b"'m\x1b[2J   '"))
    assert (found.detectors, found.gps_ns) == (("H1", "V1"), None)
    assert (found.distmean_mpc, found.diststd_mpc) == (None, None)
    assert "\x1b" not in found.creator


def test_a_date_beyond_any_clock_is_none() -> None:
    columns = {"UNIQ": UNIQ, "PROBDENSITY": DENSITY}
    assert decode_skymap(fits(columns, ("DATE-OBS", "9999-12-31T23:59:59"))).gps_ns is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (replace(MAP, uniq=UNIQ[1:], probdensity=DENSITY[1:]), "covers"),
        (replace(MAP, probdensity=DENSITY * 2), "adds up to 2"),
        (replace(MAP, probdensity=NO_NUMBER), "not finite"),
    ],
)
def test_a_map_that_is_none_is_not_written(wrong: SkyMap, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        encode_skymap(wrong)
