"""Sky maps' files of any length: read from the disk a part at a time, as those that fit the memory."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skymaps import same, skymap

import stream.codec.skymap
from stream.codec.fits_table import Column, write_table
from stream.codec.flat_map import multi_order
from stream.codec.skymap import decode_skymap, encode_skymap
from stream.codec.skymap_file import open_skymap
from stream.errors import CodecError
from stream.healpix import ring_index
from stream.sky.sums import Sums
from stream.types import FloatArray

MAP = skymap()
ORDER = 6


def flat_fits(density: FloatArray, ordering: str) -> bytes:
    header = [("ORDERING", ordering), ("PIXTYPE", "HEALPIX")]
    held = density / density.sum()
    mu = np.where(held > held.mean(), 100.0, np.nan)
    columns = {"PROB": held, "DISTMU": mu, "DISTSIGMA": np.full(len(held), 20.0), "DISTNORM": np.full(len(held), 1e-4)}
    return write_table([Column(name, values) for name, values in columns.items()], header, [])


def random_density(order: int = ORDER) -> FloatArray:
    return np.random.default_rng(2).exponential(size=12 << (2 * order)) + 0.1


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("in_memory", [1 << 29, 1000])
def test_a_file_is_the_same_map_from_memory_and_from_the_disk(tmp_path: Path, packed: bool, in_memory: int) -> None:
    path = tmp_path / "S.fits"
    payload = encode_skymap(MAP)
    path.write_bytes(gzip.compress(payload) if packed else payload)
    assert same(open_skymap(path, in_memory), replace(MAP, uniq=np.sort(MAP.uniq)))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (gzip.compress(encode_skymap(MAP))[:-2000], "ends too early"),
        (gzip.compress(encode_skymap(MAP)) + b"x", "follow the end"),
        (b"\x1f\x8b" + bytes(range(255)), "damaged after 0"),
        (gzip.compress(b""), "holds nothing"),
        (gzip.compress(encode_skymap(MAP)[:5000]), "ends within a header"),
        (b"SIMPLE  = nothing", "ends within a header"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, payload: bytes, message: str) -> None:
    path = tmp_path / "S.fits"
    path.write_bytes(payload)
    with pytest.raises(CodecError, match=message):
        open_skymap(path, 10)


@pytest.mark.parametrize("ordering", ["RING", "NESTED"])
def test_a_flat_map_holds_in_each_pixel_what_it_held(tmp_path: Path, ordering: str) -> None:
    density, index = random_density(), np.arange(12 << (2 * ORDER))
    stood = np.empty_like(density)
    stood[ring_index(ORDER, index) if ordering == "RING" else index] = density
    path = tmp_path / "flat.fits"
    path.write_bytes(flat_fits(stood, ordering))
    held, _ = Sums(open_skymap(path, 10)).of(ORDER, index)
    np.testing.assert_allclose(held, density / density.sum(), rtol=1e-9)


def test_a_flat_map_of_too_many_different_pixels_becomes_coarser_and_keeps_its_probability(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    density = random_density()
    monkeypatch.setattr(stream.codec.skymap, "MAX_PIXELS", 12 << 8)
    monkeypatch.setattr(stream.codec.skymap, "_KEPT_ORDER", 4)
    found = decode_skymap(flat_fits(density, "NESTED"))
    assert len(found.uniq) == 12 << 8
    held, _ = Sums(found).of(4, np.arange(12 << 8))
    np.testing.assert_allclose(held, density.reshape(-1, 16).sum(axis=1) / density.sum(), rtol=1e-9)
    assert found.distmu_mpc is not None
    assert set(found.distmu_mpc) <= {100.0, np.inf}


def test_rows_may_hold_many_values_each() -> None:
    """As healpy writes them, 1024 to a row."""
    density = random_density(5)
    wide = density.reshape(-1, 1024)
    for column in (density[:, None], wide):
        found = multi_order(5, [column], ring=True, sound=lambda part: part, most=1 << 20)
        assert found is not None
        np.testing.assert_allclose(np.sort(found[1][0]), np.sort(density))
