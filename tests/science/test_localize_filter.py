"""The matched filter at a candidate: what is injected comes back, in noise as it is whitened live."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from localize_scene import HEAVY, LIGHT, arrival_s, cut, moving, snapshot, top, whitened

from stream.errors import DataError
from stream.infer.filterbank.bank import read_bank
from stream.infer.filterbank.waveforms import chirp_mass_msun
from stream.localize.matched_filter import MatchedFilter
from stream.records import Snapshot
from stream.simulate.psds import Psd, psd


@pytest.fixture(scope="module")
def matched() -> MatchedFilter:
    return MatchedFilter(read_bank())


def raised(factor: float = 1.5) -> Psd:
    """aLIGO_O4 with its power raised about 100 Hz."""
    base = psd("aLIGO_O4")
    bump = 1.0 + (factor - 1.0) * np.exp(-0.5 * ((base.frequencies_hz - 100.0) / 15.0) ** 2)
    return Psd(base.frequencies_hz, base.values_per_hz * bump)


@pytest.mark.parametrize("row", [HEAVY, LIGHT], ids=["heavy", "light"])
def test_a_loud_signal_comes_back_with_its_time_snr_and_chirp_mass(matched: MatchedFilter, row: np.ndarray) -> None:
    found = matched.filter(snapshot({"H1": whitened(200.0, row), "L1": whitened(150.0, row, seed=6)}))
    assert [s.detector for s in found.series] == ["H1", "L1"]
    for series, snr in zip(found.series, (200.0, 150.0), strict=True):
        seconds, value = top(series)
        assert abs(value) == pytest.approx(snr, rel=0.02)  # 1 % and the noise
        assert seconds == pytest.approx(arrival_s(row), abs=1.5e-3)  # the template's own idea of when it merges
    (first, one), (second, other) = (top(s) for s in found.series)
    assert first == pytest.approx(second, abs=3e-5)
    assert abs(np.angle(one / other)) < 0.03
    masses = found.masses
    assert masses.mchirp_msun == pytest.approx(chirp_mass_msun(row), rel=0.01)
    assert masses.weight.sum() == pytest.approx(1.0)
    assert (masses.parameters[:, 0] >= masses.parameters[:, 1]).all()


@pytest.mark.parametrize("row", [HEAVY, LIGHT], ids=["heavy", "light"])
def test_the_chirp_mass_comes_back_within_its_uncertainty(matched: MatchedFilter, row: np.ndarray) -> None:
    masses = matched.filter(snapshot({"H1": whitened(12.0, row), "L1": whitened(9.0, row, seed=6)})).masses
    assert masses.mchirp_msun == pytest.approx(chirp_mass_msun(row), abs=3.0 * masses.mchirp_std_msun)
    assert masses.mchirp_std_msun < 0.05 * masses.mchirp_msun
    assert 1.0 / np.sum(masses.weight**2) > 20


@pytest.mark.parametrize("late_ms", [-20.0, 20.0])
def test_a_candidate_whose_time_is_off_has_its_series_about_the_arrival(matched: MatchedFilter, late_ms: float) -> None:
    snap = snapshot({"H1": whitened(20.0), "L1": whitened(12.0, seed=6)}, template=175)
    peak = snap.candidate.peak
    late = replace(snap.candidate, peak=replace(peak, gps_ns=peak.gps_ns + round(late_ms * 1e6)))
    expected, actual = (matched.filter(s).series for s in (snap, Snapshot(late, snap.strain)))
    for one, other in zip(expected, actual, strict=True):
        assert abs(int(np.abs(other.snr).argmax()) - len(other.snr) // 2) <= 4
        assert top(other)[0] == pytest.approx(top(one)[0], abs=5e-4)
        assert abs(top(other)[1]) == pytest.approx(abs(top(one)[1]), rel=0.02)


def test_the_same_snapshot_gives_the_same_samples(matched: MatchedFilter) -> None:
    snap = snapshot({"H1": whitened(12.0)})
    one, other = (matched.filter(snap) for _ in range(2))
    np.testing.assert_array_equal(one.masses.parameters, other.masses.parameters)
    np.testing.assert_array_equal(one.series[0].snr, other.series[0].snr)


def test_a_detector_that_is_too_quiet_to_trigger_has_its_series_too(matched: MatchedFilter) -> None:
    found = matched.filter(
        snapshot({"H1": whitened(20.0), "L1": whitened(15.0, seed=6), "V1": whitened(0.0, seed=7)}, template=175)
    )
    assert [s.detector for s in found.series] == ["H1", "L1", "V1"]
    assert len({(s.gps_ns, len(s.snr), s.sample_rate_hz) for s in found.series}) == 1
    quiet = found.series[2]
    assert np.mean(np.abs(quiet.snr) ** 2) == pytest.approx(2.0, abs=1.2)
    assert np.abs(quiet.snr).max() < 4.5
    assert quiet.sigma_mpc == pytest.approx(found.series[0].sigma_mpc, rel=0.1)


def test_the_series_about_a_loud_signal_is_its_autocorrelation(matched: MatchedFilter) -> None:
    series = matched.filter(snapshot({"H1": whitened(300.0)})).series[0]
    k = int(np.abs(series.snr).argmax())
    middle = len(series.autocorrelation) // 2
    assert series.autocorrelation[middle] == pytest.approx(1.0)
    away = series.snr[k - 40 : k + 41] - series.snr[k] * series.autocorrelation[middle - 40 : middle + 41]
    assert np.abs(away).max() < 0.04 * 300.0


def test_noise_has_unit_variance_in_each_quadrature(matched: MatchedFilter) -> None:
    power = [
        np.abs(s.snr[::16]) ** 2
        for seed in range(20, 26)
        for s in matched.filter(snapshot({"H1": whitened(12.0), "L1": whitened(0.0, seed=seed)})).series[1:]
    ]
    assert np.mean(power) == pytest.approx(2.0, abs=0.5)


def differences(matched: MatchedFilter, snap: Snapshot) -> tuple[float, float]:
    """Return how much later, and at what phase, H1 has the same signal than L1: seconds, radians."""
    (first, one), (second, other) = (top(s) for s in matched.filter(snap).series)
    # Phases are compared at one time.
    turned = 2.0 * np.pi * 90.0 * (first - second)
    return first - second, float(np.angle(one / other * np.exp(-1j * turned)))


@pytest.mark.parametrize(("changes_s", "factor"), [(14.0, 1.5), (14.0, 2.25), (10.0, 2.25), (29.5, 2.25)])
def test_a_spectrum_that_moves_biases_neither_time_nor_phase(
    matched: MatchedFilter, changes_s: float, factor: float
) -> None:
    """Power, or amplitude, 50 % up about 100 Hz in H1 alone: filters follow within the snapshot, or not in time."""
    snap = snapshot({"H1": whitened(400.0, strain=moving(changes_s, raised(factor))), "L1": whitened(400.0)})
    assert len(snap.strain[0].filters) > 2
    time_s, phase_rad = differences(matched, snap)
    assert abs(time_s) < 20e-6
    assert abs(phase_rad) < np.radians(2.0)


def test_templates_whitened_by_the_filter_of_before_would_be_biased(matched: MatchedFilter) -> None:
    """What the correction is for, and that the test above can fail."""
    snap = snapshot({"H1": whitened(400.0, strain=moving(14.0, raised(2.25))), "L1": whitened(400.0)})
    before = replace(snap.strain[0], filters=snap.strain[0].filters[:1])
    time_s, _ = differences(matched, Snapshot(snap.candidate, (before, snap.strain[1])))
    assert abs(time_s) > 40e-6


def test_a_candidate_of_a_network_without_templates_is_tried_against_the_whole_bank() -> None:
    with_number, without = (
        MatchedFilter(read_bank(), own=own).filter(snapshot({"H1": whitened(20.0)}, template=3))
        for own in (True, False)
    )
    assert with_number.masses.mchirp_msun < without.masses.mchirp_msun
    assert without.masses.mchirp_msun == pytest.approx(chirp_mass_msun(HEAVY), rel=0.1)


def test_strain_after_a_gap_is_filtered_as_far_as_it_goes(matched: MatchedFilter) -> None:
    """A light signal's beginning is lost: less is seen of it, by the same measure in strain and template."""
    whole, part = snapshot({"H1": whitened(60.0, LIGHT)}), snapshot({"H1": whitened(60.0, LIGHT)})
    valid, samples = part.strain[0].valid.copy(), part.strain[0].samples.copy()
    valid[: 12 * 16 - 8] = False
    samples[: (12 * 16 - 8) * 128] = 0.0
    cut_short = Snapshot(part.candidate, (replace(part.strain[0], samples=samples, valid=valid),))
    all_of_it, some = (matched.filter(s).series[0] for s in (whole, cut_short))
    assert some.sigma_mpc < 0.95 * all_of_it.sigma_mpc
    ratio = np.abs(some.snr).max() / np.abs(all_of_it.snr).max()
    assert ratio == pytest.approx(some.sigma_mpc / all_of_it.sigma_mpc, rel=0.04)


def test_a_hop_that_is_no_number_is_as_if_it_were_not_there(matched: MatchedFilter) -> None:
    snap = snapshot({"H1": whitened(30.0)})
    samples = snap.strain[0].samples.copy()
    samples[1000] = np.nan
    found = matched.filter(Snapshot(snap.candidate, (replace(snap.strain[0], samples=samples),)))
    assert np.isfinite(found.series[0].snr).all()
    assert np.abs(found.series[0].snr).max() == pytest.approx(30.0, rel=0.08)


def test_what_cannot_be_filtered_is_said(matched: MatchedFilter) -> None:
    heard = whitened(0.0)
    snap = snapshot({"H1": heard})
    strain = snap.strain[0]
    nothing = replace(strain, valid=np.zeros_like(strain.valid))
    for bad, why in (
        ((), "no strain"),
        ((nothing,), "valid"),
        ((replace(strain, filters=()),), "which filter"),
        ((replace(strain, sample_rate_hz=4096),), "4096 Hz"),
        ((cut(heard, "H1", after_s=-1.0),), "not in it"),
    ):
        with pytest.raises(DataError, match=why):
            matched.filter(Snapshot(snap.candidate, bad))


def test_a_detector_in_a_gap_is_left_out_and_the_others_go_on(matched: MatchedFilter) -> None:
    snap = snapshot({"H1": whitened(20.0), "L1": whitened(20.0, seed=6)})
    valid = snap.strain[1].valid.copy()
    valid[-16:] = False
    found = matched.filter(Snapshot(snap.candidate, (snap.strain[0], replace(snap.strain[1], valid=valid))))
    assert [s.detector for s in found.series] == ["H1"]
