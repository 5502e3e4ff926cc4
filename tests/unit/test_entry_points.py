"""How the command is started, and what starting it loads."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from skymaps import skymap

import schemas
from stream import __version__
from stream.codec.skymap import encode_skymap
from stream.infer import model_names, open_model

ROOT = Path(__file__).resolve().parents[2]
OF_THE_SEARCH = {"onnxruntime", "gwpy", "lal", "lalsimulation", "scipy", "matplotlib", "astropy"}


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        env=os.environ | environment,
    )  # fmt: skip


@pytest.mark.parametrize(
    "modules",
    [
        "pipelines.cli",
        "pipelines.subscribe",
        "pipelines.listen",
        "pipelines.subscribe.maps",
        "pipelines.subscribe.judging",
        "pipelines.subscribe.observing",
        "pipelines.feeds.fetch, pipelines.progress",
        "stream.kafka.topics",
    ],
)
def test_commands_that_do_not_search_load_none_of_the_search(modules: str) -> None:
    done = python("-c", f"import sys, {modules}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & OF_THE_SEARCH == set()


WITHOUT_THE_SEARCH = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in entry._OF_THE_SEARCH:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

from pipelines.cli import entry
sys.meta_path.insert(0, Missing())
sys.argv[1:] = {arguments!r}
entry.main()
"""


@pytest.mark.parametrize("command", ["run", "demo", "simulate", "models list", "fetch GW150914", "doctor"])
def test_a_command_of_the_search_says_what_to_install(command: str) -> None:
    done = python("-c", WITHOUT_THE_SEARCH.replace("{arguments!r}", repr(command.split())))
    assert (done.returncode, done.stdout) == (2, "")
    assert "this command needs pip install 'tocsin[search]'" in done.stderr


def test_a_telescope_needs_none_of_the_search(tmp_path: Path) -> None:
    """Alerts are read, drawn and made pages of with the light package alone."""
    alert = tmp_path / "alert.avro"
    alert.write_bytes(schemas.example("alert", "1.3"))
    listen = f"listen --files {alert} --out {tmp_path}/external.avro"
    (tmp_path / "S.fits").write_bytes(encode_skymap(skymap()))
    observe = f"observe {tmp_path}/S.fits --site vlt --at 2026-11-22 --plot {tmp_path}/night.png"
    for command in ("subscribe --help", f"page {alert} --out {tmp_path}/event.html", listen, observe):
        done = python("-c", WITHOUT_THE_SEARCH.replace("{arguments!r}", repr(command.split())))
        assert done.returncode == 0, done.stderr


def test_what_no_help_needs_is_loaded_by_no_command_line() -> None:
    """Each of these costs a tenth or two of the half second that help may take."""
    done = python("-c", "import sys, pipelines.cli.entry; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert {"numpy", "pydantic", "confluent_kafka", "structlog", "fastavro"} & set(done.stdout.split()) == set()


def test_a_rule_that_is_wrong_is_pointed_at() -> None:
    done = python("-m", "pipelines.cli", "subscribe", "--where", "far < 1/mnth")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == ["  far < 1/mnth", "          ^^^^"]


def test_the_daemon_loads_only_what_a_restart_cannot_do_without() -> None:
    """Each of these costs a restart between a tenth and two seconds, in which nothing is heard."""
    done = python("-c", "import sys, pipelines.live.daemon, pipelines.cli; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    of_scipy = {"scipy.stats", "scipy.signal", "scipy.linalg", "scipy.fft", "scipy.ndimage", "scipy.special"}
    rarely_used = {"httpx2", "confluent_kafka.schema_registry", "pyarrow", "h5py", "torch", "stream.simulate"}
    assert loaded & (OF_THE_SEARCH - {"onnxruntime", "scipy"} | of_scipy | rarely_used) == set()


def test_the_wheel_lets_python_m_tocsin_run(tmp_path: Path) -> None:
    """The forced file is what an editable install copies as well, beside its path to this tree."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        assert set(archive.namelist()) >= {f"{package}/py.typed" for package in ("stream", "pipelines", "schemas")}
        assert "pipelines/subscribe/where/presets/tarot.toml" in archive.namelist()
        cards = [open_model(name) for name in model_names()]
        assert set(archive.namelist()) >= {f"stream/infer/models/{c.name}/{file}" for c in cards for file in c.digests}
        archive.extract("tocsin/__main__.py", tmp_path / "installed")
    path = os.pathsep.join([str(tmp_path / "installed"), str(ROOT)])
    done = python("-m", "tocsin", "--version", PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (0, f"tocsin {__version__}\n"), done.stderr
