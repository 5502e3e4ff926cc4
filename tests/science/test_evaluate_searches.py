"""The data of a sensitivity, the known-template limit and a model's search, on stretches of a minute or two."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.evaluate.limit import KnownTemplate, snr_series
from pipelines.evaluate.model import ModelSearch
from pipelines.evaluate.population import FAINTEST_SNR, Population, Proposal, stratified_snrs
from pipelines.evaluate.scene import RATE_HZ, SETTLED_S, START_S, Scene, SceneConfig, loudest_near
from stream.simulate.glitches import optimal_snr
from stream.simulate.psds import psd
from stream.simulate.waveforms import project
from stream.types import FloatArray

CONFIG = SceneConfig(seed=3, stretch_s=200, spacing_s=8.0)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(CONFIG, 0)


def strain(scene: Scene, detector: str, *, signals: bool = True, glitches: bool = True) -> FloatArray:
    return np.concatenate(list(scene.strain(detector, signals=signals, glitches=glitches)))


def test_a_stretch_follows_from_seed_and_number(scene: Scene) -> None:
    again, other = Scene(CONFIG, 0), Scene(CONFIG, 1)
    np.testing.assert_array_equal(strain(again, "L1"), strain(scene, "L1"))
    assert [i.as_dict() for i in again.injections] == [i.as_dict() for i in scene.injections]
    assert not np.array_equal(strain(other, "L1"), strain(scene, "L1"))


def test_without_signals_is_the_same_noise(scene: Scene) -> None:
    """What is left is the sum of the injections, whose SNRs are what the report says."""
    added = strain(scene, "H1") - strain(scene, "H1", signals=False)
    one = scene.injections[5]
    own = one.signals["H1"]
    at = own.start_sample - START_S * RATE_HZ
    np.testing.assert_allclose(added[at : at + len(own.samples)][-RATE_HZ:], own.samples[-RATE_HZ:], atol=1e-24)
    assert optimal_snr(own.samples, scene.spectra["H1"], RATE_HZ) == pytest.approx(one.snrs["H1"], rel=1e-6)


def test_glitches_are_left_out_where_they_are_not_wanted() -> None:
    with_them = Scene(SceneConfig(seed=3, stretch_s=200, glitch_rate_hz=0.1), 0)
    quiet = strain(with_them, "H1", signals=False, glitches=False)
    loud = strain(with_them, "H1", signals=False)
    changed = float(np.mean(loud != quiet))
    assert 0.02 < changed < 0.5


def test_blocks_are_what_the_searches_hear(scene: Scene) -> None:
    blocks = [b for b in scene.blocks() if b.detector == "L1"]
    np.testing.assert_array_equal(np.concatenate([b.samples for b in blocks]), strain(scene, "L1"))
    assert (blocks[0].gps_ns, len(blocks)) == (START_S * 1_000_000_000, 200)


def test_snrs_are_volume_uniform_from_the_faintest_on() -> None:
    snrs = stratified_snrs(np.random.default_rng(2), 1000)
    assert snrs.min() >= FAINTEST_SNR
    assert [int((snrs > s).sum()) for s in (9.0, 4.5 * 10 ** (1 / 3))] == [125, 100]


def test_kinds_are_drawn_as_often_as_they_can_be_found() -> None:
    """Mean chirp mass of what is drawn, against plain draws weighted by the cube of their SNR at one distance."""
    spectra = [psd("aLIGO_O4")] * 2
    drawn = Proposal(Population(), ("H1", "L1"), spectra, np.random.default_rng(1))
    kinds = [drawn.draw(START_S * 1_000_000_000).parameters for _ in range(400)]
    plain = Proposal(Population(), ("H1", "L1"), spectra, np.random.default_rng(2))
    plain._loudest = 1e-9  # every kind is accepted
    masses, weights = [], []
    for _ in range(1500):
        (m1, m2), spins = plain._masses_and_spins()
        masses.append((m1 * m2) ** 0.6 / (m1 + m2) ** 0.2)
        weights.append(plain._sigma((m1, m2), spins) ** 3)
    expected = float(np.average(masses, weights=weights))
    assert np.mean([k.chirp_mass_msun for k in kinds]) == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize(("precessing", "scatter"), [(False, 0.04), (True, 0.6)])
def test_weights_make_up_for_what_the_proposal_does_not_know(precessing: bool, scatter: float) -> None:
    """Aligned binaries are proposed exactly; of precessing ones the weight is the cube of what is missing."""
    proposal = Proposal(
        Population(precessing=precessing), ("H1", "L1"), [psd("aLIGO_O4")] * 2, np.random.default_rng(4)
    )
    ratios = []
    for _ in range(25):
        drawn = proposal.draw(START_S * 1_000_000_000)
        signals = project(drawn.parameters, ("H1", "L1"), RATE_HZ)
        true = np.sqrt(sum(optimal_snr(s.samples, psd("aLIGO_O4"), RATE_HZ) ** 2 for s in signals.values()))
        ratios.append((true / drawn.proposed_sigma) ** 3)
    deviation = float(np.std(ratios) / np.mean(ratios))
    assert deviation < scatter
    assert precessing == (deviation > 0.04)


def test_a_known_template_has_unit_variance_per_quadrature_in_noise(scene: Scene) -> None:
    noise = strain(scene, "H1", signals=False)[: 64 * RATE_HZ]
    z = snr_series(noise, scene.injections[0].signals["H1"], scene.spectra["H1"])
    assert float(np.mean(z[8192:-8192] ** 2)) == pytest.approx(2.0, abs=0.15)


def test_a_known_template_finds_a_loud_binary_with_its_snr_at_its_time(scene: Scene) -> None:
    loud = max(scene.injections, key=lambda i: i.snrs["H1"])
    own = loud.signals["H1"]
    start = int(loud.at_s) - 20
    z = snr_series(strain(scene, "H1")[start * RATE_HZ : (start + 32) * RATE_HZ], own, scene.spectra["H1"])
    peak = int(z.argmax())
    assert z[peak] == pytest.approx(loud.snrs["H1"], abs=3.0)
    assert start + peak / 2048 == pytest.approx(own.arrival_ns / 1e9 - START_S, abs=0.002)


def test_the_limit_ranks_by_network_snr_and_slides_every_second(scene: Scene) -> None:
    found = KnownTemplate().search(scene, 1.0)
    loud = np.array([i.network_snr for i in scene.injections]) > 7.5
    snrs = np.array([i.network_snr for i in scene.injections])
    assert np.abs(found.ranks[loud] - snrs[loud]).max() < 3.5
    heard_s = np.sqrt(found.background.duration_s / 4)
    assert 150 < heard_s < 200 - 8


def test_a_model_is_searched_through_the_loop_and_slid(scene: Scene) -> None:
    """Loud binaries rank above what the noise does in slides, and the background is as long as was asked."""
    found = ModelSearch.of("first").search(scene, 2000.0)
    snrs = np.array([i.network_snr for i in scene.injections])
    assert found.ranks[snrs.argmax()] > found.background.loudest[0]
    assert np.median(found.ranks[snrs < 5.5]) < found.background.loudest[0]
    assert 2000 - 2 * (200 - SETTLED_S) < found.background.duration_s < 2000 + 200


def test_an_event_belongs_to_the_injection_that_it_is_near(scene: Scene) -> None:
    at = [i.at_s for i in scene.injections[:3]]
    times = np.array([at[0] + 0.05, at[0] - 0.2, at[1] - 0.09, at[1] + 0.02])
    ranks = loudest_near(scene.injections[:3], times, np.array([5.0, 9.0, 6.0, 7.0]), 0.1)
    assert ranks.tolist() == [5.0, 7.0, -np.inf]
