"""Figures of a sensitivity: thresholds that follow from background, and rho_eff where it is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.evaluate.figures import Truth, details, rho_eff, summary
from pipelines.evaluate.population import FAINTEST_SNR, stratified_snrs
from pipelines.evaluate.searched import FARS_HZ, YEAR_S, Counts, Searched
from stream.types import FloatArray

KEYS = ["rho_eff", "fraction_of_limit", "error", "injections", "background_s", "found"]


def truth(n: int = 4000) -> Truth:
    rng = np.random.default_rng(3)
    snr = stratified_snrs(rng, n)
    by = {key: rng.uniform(0.1, 1.0, n) for key in ("chirp_mass_msun", "mass_ratio", "chi_eff")}
    return Truth(snr, np.ones(n), by)


def background(years: float, at_two_a_day: float, at_one_a_year: float) -> Counts:
    """As many events as a search has whose threshold falls evenly with the logarithm of the rate."""
    n = np.arange(1, int(2000 * years))
    slope = (at_one_a_year - at_two_a_day) / np.log(730.5)
    return Counts.of(years * YEAR_S, at_one_a_year - slope * np.log(n / years))


def test_a_sharp_threshold_has_its_own_snr_as_rho_eff() -> None:
    known = truth()
    assert rho_eff(known.snr > 8.0, known.weight) == pytest.approx(8.0, rel=2e-3)


def test_rho_eff_of_a_soft_threshold_is_what_its_efficiency_integrates_to() -> None:
    """Efficiency ``1 - (a / rho)**3`` above a leaves half the volume within a: rho_eff is a times the root of two."""
    known = truth(40_000)
    chance = np.random.default_rng(1).random(len(known))
    found = chance < 1 - (6.0 / known.snr) ** 3
    assert rho_eff(found, known.weight) == pytest.approx(6.0 * 2 ** (1 / 3), rel=0.01)


def test_weights_stand_for_volume() -> None:
    """Whoever finds only binaries that stand for three times the volume, and half of all, finds three quarters."""
    found = np.arange(1000) % 2 == 0
    expected = FAINTEST_SNR * 0.75 ** (-1 / 3)
    assert rho_eff(found, np.where(found, 3.0, 1.0)) == pytest.approx(expected)


def test_nothing_found_is_no_distance() -> None:
    assert rho_eff(np.zeros(5, np.bool_), np.ones(5)) is None


def test_an_event_counts_itself_in_its_false_alarm_rate() -> None:
    """FAR = (1 + N) / T: with ten of a rate in the background, nine may be louder."""
    counts = Counts.of(10 / FARS_HZ["1/year"], np.arange(100.0))
    assert (counts.louder(FARS_HZ["1/year"]), counts.threshold(FARS_HZ["1/year"])) == (9, 90.0)


@pytest.mark.parametrize(("years", "louder"), [(2.9, None), (3.0, 2), (3.9, 2), (4.0, 3)])
def test_three_years_of_background_are_needed_for_one_a_year(years: float, louder: int | None) -> None:
    assert Counts.of(years * YEAR_S, [1.0, 2.0, 3.0, 4.0]).louder(FARS_HZ["1/year"]) == louder


def test_a_threshold_below_the_complete_tail_is_none() -> None:
    counts = Counts.of(10 / FARS_HZ["1/year"], [9.0, 8.0, 7.0], complete_above=7.5)
    assert (counts.threshold(1.0, louder=1), counts.threshold(1.0, louder=2), counts.threshold(1.0, louder=3)) == (
        8.0,
        None,
        None,
    )


def test_kept_counts_know_above_which_value_they_are_complete() -> None:
    counts = Counts.of(1.0, np.arange(500.0))
    assert (len(counts.loudest), counts.loudest[-1], counts.complete_above) == (100, 400.0, 399.0)


def test_backgrounds_join_to_one() -> None:
    both = Counts.joined([Counts.of(3.0, [5.0, 1.0], 0.5), Counts.of(4.0, [9.0, 2.0], 1.5)])
    assert (both.duration_s, both.loudest.tolist(), both.complete_above) == (7.0, [9.0, 5.0, 2.0, 1.0], 1.5)


def test_counts_and_ranks_come_back_from_json() -> None:
    made = Searched(np.array([3.25, -np.inf]), Counts.of(5.0, [2.0, 1.0]))
    back = Searched.from_dict(made.as_dict())
    assert (back.as_dict(), back.ranks.tolist()) == (made.as_dict(), [3.25, -np.inf])


def test_the_figures_have_the_form_that_is_promised_and_the_values_that_are_known() -> None:
    known = truth()
    limit = Searched(known.snr, background(4.0, 6.0, 7.1))
    model = Searched(known.snr * 10, background(4.0, 75.0, 91.0))
    found = summary(known, {"limit": limit, "model": model}, "limit")
    assert [list(row) for row in found.values()] == [KEYS, KEYS]
    assert [list(found["model"][key]) for key in ("rho_eff", "fraction_of_limit", "error", "found")] == [
        ["2/day", "1/month", "1/year"]
    ] * 4
    assert found["limit"]["rho_eff"]["2/day"] == pytest.approx(6.0, rel=5e-3)
    assert found["model"]["rho_eff"]["1/year"] == pytest.approx(9.1, rel=0.01)
    assert found["model"]["fraction_of_limit"]["2/day"] == pytest.approx(6.0 / 7.5, rel=5e-3)
    assert (found["model"]["injections"], found["model"]["background_s"]) == (4000, round(4 * YEAR_S))


def test_a_background_too_short_gives_null_and_no_extrapolation() -> None:
    known = truth(200)
    limit, model = Searched(known.snr, background(4.0, 6.0, 7.1)), Searched(known.snr, background(1.0, 7.0, 9.0))
    row = summary(known, {"limit": limit, "model": model}, "limit")["model"]
    assert [row[key]["1/year"] for key in ("rho_eff", "fraction_of_limit", "error", "found")] == [None] * 4
    assert row["rho_eff"]["1/month"] is not None


def test_the_error_is_what_repeated_measurements_scatter_by() -> None:
    """The bootstrap's error of a fraction, against forty measurements of new injections and new background."""
    fractions, errors = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        snr = stratified_snrs(rng, 600)
        known = Truth(snr, np.ones(600), dict.fromkeys(("chirp_mass_msun", "mass_ratio", "chi_eff"), snr))
        rate = 40 * FARS_HZ["2/day"]
        time_s = 12.5 / FARS_HZ["2/day"]
        ranks: FloatArray = 5.0 + rng.exponential(0.35, rng.poisson(rate * time_s))
        limit = Searched(snr + rng.normal(0.4, 0.8, 600), Counts.of(time_s * 100, np.full(5000, 6.3)))
        model = Searched(snr + rng.normal(0.0, 1.0, 600), Counts.of(time_s, ranks))
        row = summary(known, {"limit": limit, "model": model}, "limit")["model"]
        fractions.append(row["fraction_of_limit"]["2/day"])
        errors.append(row["error"]["2/day"])
    assert 0.7 < float(np.mean(errors)) / float(np.std(fractions)) < 1.4


def test_the_lightest_tenth_is_told_apart() -> None:
    """A search that is deaf to light binaries says so there, and in its curve by chirp mass."""
    known = truth()
    light = known.by["chirp_mass_msun"] < np.quantile(known.by["chirp_mass_msun"], 0.1)
    counts = background(4.0, 7.0, 8.0)
    searches = {"limit": Searched(known.snr, counts), "model": Searched(np.where(light, 0.0, known.snr), counts)}
    told = details(known, searches, "limit")["model"]["1/month"]
    assert (told["lightest_tenth"]["n"], told["lightest_tenth"]["efficiency"]) == (400, 0.0)
    assert [row["fraction_of_limit"] for row in told["by_chirp_mass_msun"][1:]] == [1.0] * 4


def test_efficiency_by_snr_goes_from_nothing_to_all() -> None:
    known = truth()
    searched = Searched(known.snr, background(4.0, 7.0, 8.0))
    rows = details(known, {"limit": searched}, "limit")["limit"]["2/day"]["by_snr"]
    assert ([r["efficiency"] for r in rows if r["to"] <= 7.0], [r["efficiency"] for r in rows if r["from"] >= 7.5]) == (
        [0.0] * 5,
        [1.0] * sum(r["from"] >= 7.5 for r in rows),
    )
