"""The probability of an astrophysical origin: rising with the statistic, null where nothing is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluate.foreground import ForegroundConfig, comoving_share, densities, signal_rates
from pipelines.evaluate.scene import Scene, SceneConfig
from stream.errors import ModelError
from stream.infer import open_model
from stream.infer.model import record_hash
from stream.records import Peak
from stream.settings import SignificanceSettings
from stream.significance import BackgroundCounts, Curve, Foreground, Shipped, Significance, load_foreground

YEAR_S = 31_557_600.0
SETTINGS = SignificanceSettings()
floats = st.floats(-20, 40, allow_nan=False)
KNOWN = Foreground((-2.0, 0.0, 2.0, 5.0, 9.0), (1e-6, 8e-7, 4e-7, 3e-7, 1e-7), (1.0, 1.1, 0.9, 0.8, 0.8))


def peak(statistic: float, detectors: tuple[str, ...] = ("H1", "L1"), heard: tuple[str, ...] = ("H1", "L1")) -> Peak:
    return Peak(1_000_000_000, statistic, detectors, (), 1_100_000_000, heard=heard)


def significance(counts: BackgroundCounts) -> Significance:
    return Significance(SETTINGS, {"H1+L1": counts}, None, "m-1", ranks_alone=True, foreground={"H1+L1": KNOWN})


@given(values=st.lists(floats, max_size=60), duration_s=st.floats(1e3, 1e9), a=floats, b=floats)
def test_p_astro_never_falls_as_the_statistic_grows(values: list[float], duration_s: float, a: float, b: float) -> None:
    """Whatever the background, in whose gaps signals thin out and noise does not."""
    of = significance(BackgroundCounts(duration_s, values))
    low, high = (of.assess(peak(s)).p_astro for s in sorted((a, b)))
    assert low is not None
    assert high is not None
    assert 0.0 <= low <= high <= 1.0


def test_p_astro_is_the_share_of_signals_among_what_is_that_loud() -> None:
    """999 events in 1e8 s above 0, falling by 1.1 of themselves a unit; between 0 and 2 nothing else is known."""
    candidate = significance(BackgroundCounts(1e8, [0.4] * 999 + [-1.0] * 9000)).assess(peak(0.3))
    assert candidate.p_astro == pytest.approx(8e-7 / (8e-7 + 1000 / 1e8 * 1.1))
    loud = significance(BackgroundCounts(1e8, [0.4] * 999 + [-1.0] * 9000)).assess(peak(12.0))
    assert loud.p_astro is not None
    assert loud.p_astro > 0.9


@pytest.mark.parametrize(
    ("detectors", "heard", "reason"),
    [
        (("H1",), ("H1", "L1"), "m-1 has no foreground of H1 of H1+L1"),
        (("H1", "V1"), ("H1", "V1"), "m-1 has no foreground of H1+V1"),
    ],
)
def test_what_was_not_measured_is_null_with_its_reason(
    detectors: tuple[str, ...], heard: tuple[str, ...], reason: str
) -> None:
    candidate = significance(BackgroundCounts(1e8)).assess(peak(9.0, detectors, heard))
    assert (candidate.p_astro, candidate.p_astro_reason) == (None, reason)
    of = Significance(SETTINGS, {}, None, "m-1", ranks_alone=True, foreground={"H1+L1": KNOWN})
    assert of.assess(peak(9.0)).p_astro_reason == "no background of H1+L1 was measured"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(open_model("first").folder, tmp_path / "model"))


def with_foreground(model: Path, foreground: object) -> dict[str, Foreground]:
    path = model / "background.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "foreground": foreground}))
    record_hash(model, "background.json")
    return load_foreground(open_model(f"{model}/"))


def test_a_foreground_is_read_at_its_prior_rate_and_a_damaged_one_refused(model: Path) -> None:
    assert load_foreground(open_model(f"{model}/")) == {}
    values = {"statistics": [0.0, 1.0], "signals_hz_per_rate": [2e-9, 1e-9], "fall": [1.0, 1.0]}
    read = with_foreground(model, {"rate_per_gpc3_yr": 10.0, "classes": {"H1+L1": values}})
    assert read["H1+L1"].statistics == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert read["H1+L1"].signals_hz[::2] == pytest.approx((2e-8, 2**0.5 * 1e-8, 1e-8))
    for broken in ({"fall": [1.0]}, {"statistics": [1.0, 0.0]}, {"signals_hz_per_rate": [1e-9, 0.0]}):
        with pytest.raises(ModelError, match=r"evaluate foreground"):
            with_foreground(model, {"rate_per_gpc3_yr": 10.0, "classes": {"H1+L1": {**values, **broken}}})


def test_binaries_come_as_often_as_volume_and_expansion_say() -> None:
    """Some hundred a year above network SNR 4.5 for one a year and cubic gigaparsec; nearby as in flat space."""
    assert comoving_share(np.array([1.0, 100.0, 2000.0])) == pytest.approx([1.0, 0.92, 0.25], abs=0.08)
    rates = signal_rates(Scene(SceneConfig(seed=3, stretch_s=480), 0))
    assert len(rates) == 50
    assert 10.0 < rates.sum() * YEAR_S < 1000.0


def test_densities_add_up_to_the_signals_and_fall_as_the_noise_does() -> None:
    rng = np.random.default_rng(1)
    statistic, signals_hz = rng.exponential(3.0, 2000), np.full(2000, 1e-9)
    events = np.sort(rng.exponential(0.5, 4000))
    noise = Shipped((Curve(1e6, tuple(events.tolist()), tuple(range(4000, 0, -1))),))
    made = densities(statistic, signals_hz, ForegroundConfig(binned=50), noise)
    at = np.array(made["statistics"])
    expected = 2000 * 1e-9 * np.exp(-at / 3.0) / 3.0
    assert made["signals_hz_per_rate"][:30] == pytest.approx(expected[:30], rel=0.5)
    assert made["fall"][0] == pytest.approx(2.0, rel=0.1)
    assert made["fall"][-1] == pytest.approx(2.0, rel=0.4)
