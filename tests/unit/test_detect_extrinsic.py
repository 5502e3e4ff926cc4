"""The extrinsic term: its tables against the sum over sources that they stand for, and how it behaves."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from pipelines.train.extrinsic import Sources, direct, draw_sources, nominal_sensitivity, pair_table, travel_ns
from stream.detect.extrinsic import (
    BANDWIDTH_HZ,
    MEAN_FREQUENCY_HZ,
    ExtrinsicTerm,
    Seen,
    load_extrinsic,
    log_peak_rate,
)
from stream.errors import ModelError
from stream.types import BoolArray, ComplexArray, FloatArray

ALL = ("H1", "L1", "V1", "K1")


@pytest.fixture(scope="module")
def term() -> ExtrinsicTerm:
    return load_extrinsic()


def seen(detectors: tuple[str, ...], snr: ComplexArray, time_s: FloatArray) -> Seen:
    members: BoolArray = np.abs(snr) > 0
    return Seen(detectors, members, snr, np.rint(time_s * 1e9).astype(np.int64))


def at(term: ExtrinsicTerm, what: Seen) -> FloatArray:
    """Return the term with no detector heard but those that triggered, at nominal sensitivities."""
    return term.at(what, what.members, np.ones(what.snr.shape))


def signals(sources: Sources, network_snr: float, rng: np.random.Generator) -> tuple[ComplexArray, FloatArray]:
    """Return what noise leaves of sources of one SNR: complex SNRs, and times in seconds."""
    snr = network_snr * sources.response / np.linalg.norm(sources.response, axis=1)[:, None]
    snr = snr + rng.standard_normal(snr.shape) + 1j * rng.standard_normal(snr.shape)
    late_s = rng.standard_normal(snr.shape) / (2 * np.pi * BANDWIDTH_HZ * np.maximum(np.abs(snr), 1.0))
    return snr * np.exp(2j * np.pi * MEAN_FREQUENCY_HZ * late_s), sources.delay_s + late_s


def sources(detectors: tuple[str, ...], count: int, seed: int) -> Sources:
    drawn = draw_sources(np.random.default_rng(seed), count, detectors)
    return Sources(drawn.response * np.array([nominal_sensitivity(d) for d in detectors]), drawn.delay_s)


@pytest.mark.parametrize("pair", [("H1", "L1"), ("H1", "V1"), ("V1", "K1")])
def test_a_pairs_table_equals_the_sum_over_sources(term: ExtrinsicTerm, pair: tuple[str, str]) -> None:
    """For signals of the table's SNR the shipped table is the log-mean likelihood, within a fifth."""
    rng = np.random.default_rng(3)
    snr, time_s = signals(sources(pair, 200, 11), 8.5, rng)
    keep = np.flatnonzero(np.abs(snr).min(axis=1) > 2.5)[:25]
    many = sources(pair, 60_000, 12)
    expected = np.array([direct(many, snr[k], time_s[k]) for k in keep])

    found = at(term, seen(pair, snr[keep], time_s[keep])) + log_peak_rate(np.abs(snr[keep])).sum(axis=1)

    assert np.median(np.abs(found - expected)) < 0.2
    assert abs(np.mean(found - expected)) < 0.1


def test_tables_follow_from_their_sources() -> None:
    """A table made here equals the shipped one where sources are found."""
    pair = ("H1", "L1")
    made = pair_table(sources(pair, 100_000, 5), travel_ns(*pair))
    shipped = load_extrinsic().pairs[pair]
    common = shipped.values > shipped.values.max() - 4.0

    assert made.values.shape == shipped.values.shape
    assert np.abs(made.values - shipped.values)[common].mean() < 0.1


def test_one_detector_alone_is_the_sum_over_sources(term: ExtrinsicTerm) -> None:
    snr = np.array([[9.0 + 2.0j]])
    expected = direct(sources(("V1",), 200_000, 7), snr[0], np.zeros(1))

    found = at(term, seen(("V1",), snr, np.zeros((1, 1)))) + log_peak_rate(np.abs(snr[:, 0]))

    assert found[0] == pytest.approx(expected, abs=0.03)


def test_order_of_detectors_does_not_matter(term: ExtrinsicTerm) -> None:
    rng = np.random.default_rng(1)
    snr, time_s = signals(sources(ALL, 20, 2), 12.0, rng)
    expected = at(term, seen(ALL, snr, time_s))
    for order in permutations(range(4)):
        names = tuple(ALL[k] for k in order)
        found = at(term, seen(names, snr[:, order], time_s[:, order]))
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_common_time_and_phase_do_not_matter(term: ExtrinsicTerm) -> None:
    rng = np.random.default_rng(4)
    snr, time_s = signals(sources(("H1", "L1", "V1"), 20, 3), 10.0, rng)
    expected = at(term, seen(("H1", "L1", "V1"), snr, time_s))

    found = at(term, seen(("H1", "L1", "V1"), snr * np.exp(1.3j), time_s + 0.004))

    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_sources_fit_better_than_noise(term: ExtrinsicTerm) -> None:
    """Two, three and four detectors: the term of a signal is well above that of uniform phases and delays."""
    rng = np.random.default_rng(5)
    for n in (2, 3, 4):
        names = ALL[:n]
        snr, time_s = signals(sources(names, 400, 6), 12.0, rng)
        shuffled = np.abs(snr) * np.exp(2j * np.pi * rng.random(snr.shape))
        scattered = time_s + rng.uniform(-0.01, 0.01, time_s.shape)
        signal, noise = at(term, seen(names, snr, time_s)), at(term, seen(names, shuffled, scattered))
        assert np.median(signal) - np.median(noise) > 1.5


def test_a_silent_detector_counts_by_how_well_it_should_have_heard(term: ExtrinsicTerm) -> None:
    """A loud H1 with a silent L1 is unlikely, one with a silent and insensitive L1 is not."""
    what = seen(("H1", "L1"), np.array([[20.0 + 0j, 0j]]), np.zeros((1, 2)))
    alone = term.at(what, np.array([[True, False]]), np.ones((1, 2)))[0]
    silent = term.at(what, np.array([[True, True]]), np.ones((1, 2)))[0]
    insensitive = term.at(what, np.array([[True, True]]), np.array([[1.0, 0.05]]))[0]

    assert silent < alone - 2.0
    assert alone - 0.2 < insensitive <= alone


def test_all_detectors_twice_as_sensitive_is_eight_times_the_volume(term: ExtrinsicTerm) -> None:
    rng = np.random.default_rng(6)
    for n in (1, 2, 3):
        snr, time_s = signals(sources(ALL[:n], 5, 8), 10.0, rng)
        what = seen(ALL[:n], snr, time_s)
        found = term.at(what, what.members, np.full((5, n), 2.0)) - term.at(what, what.members, np.ones((5, n)))
        np.testing.assert_allclose(found, 3 * np.log(2.0), atol=1e-9)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_no_signal_is_above_what_the_term_can_be_at_most(term: ExtrinsicTerm, count: int) -> None:
    rng = np.random.default_rng(9)
    names = ALL[:count]
    snr, time_s = signals(sources(names, 4000, 9), 8.0 * np.sqrt(count), rng)
    modulus = np.abs(snr)
    equal = np.flatnonzero(modulus.min(axis=1) > 0.4 * modulus.max(axis=1))
    found = at(term, seen(names, snr[equal], time_s[equal]))
    assert np.all(found <= term.most(np.sum(modulus[equal] ** 2, axis=1), count, 1.0) + 0.5)


def test_tables_survive_their_file(term: ExtrinsicTerm, tmp_path: Path) -> None:
    term.save(tmp_path / "tables.npz")
    again = load_extrinsic(tmp_path / "tables.npz")
    assert again.detectors == term.detectors
    for pair, table in term.pairs.items():
        assert again.pairs[pair].travel_ns == table.travel_ns
        np.testing.assert_allclose(again.pairs[pair].values, table.values, atol=0.051)
        np.testing.assert_allclose(again.pairs[pair].delay_s, table.delay_s, atol=1e-12)


def test_a_file_that_is_no_table_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"pipelines\.train\.extrinsic"):
        load_extrinsic(tmp_path / "none.npz")
    with pytest.raises(ModelError, match="no extrinsic table for H1 and X1"):
        load_extrinsic().window_ns("H1", "X1")
