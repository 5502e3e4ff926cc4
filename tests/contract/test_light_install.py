"""What `pip install tocsin` puts on a telescope's machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import schemas

ROOT = Path(__file__).parents[2]
MOST_BYTES = 250 << 20
OF_THE_SEARCH = ("lal", "onnxruntime", "scipy", "astropy", "gwpy", "h5py", "numba", "pyarrow")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    quiet = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, check=False, env=quiet
    )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh environment with the package and what it brings."""
    uv, folder = shutil.which("uv"), tmp_path_factory.mktemp("light")
    if uv is None:
        pytest.skip("uv is not on the path: it makes the fresh environment")
    assert run(uv, "venv", "--quiet", folder / "env").returncode == 0
    done = run(uv, "pip", "install", "--quiet", "--python", folder / "env", ROOT)
    if done.returncode:
        pytest.skip(f"the package index could not be reached: {done.stderr[-300:]}")
    return folder / "env"


def test_it_is_small_and_brings_nothing_of_the_search(installed: Path) -> None:
    (packages,) = installed.glob("lib/python3*/site-packages")
    assert [name for name in OF_THE_SEARCH if (packages / name).exists()] == []
    files = {(s.st_dev, s.st_ino): s.st_size for p in installed.rglob("*") if not p.is_symlink() for s in [p.stat()]}
    assert sum(files.values()) < MOST_BYTES


def test_alerts_are_received_read_and_drawn(installed: Path, tmp_path: Path) -> None:
    alert, tocsin = tmp_path / "alert.avro", installed / "bin" / "tocsin"
    alert.write_bytes(schemas.example("alert", "1.3"))
    for arguments in (["subscribe", "--help"], ["page", alert, "--out", tmp_path / "event.html"]):
        done = run(tocsin, *arguments)
        assert done.returncode == 0, done.stderr
    assert "tocsin[search]" in run(tocsin, "run").stderr
