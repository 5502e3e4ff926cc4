"""The FFT matched filter behind the conditioner: unit noise, the SNR that a signal has, its time and its phase."""

from __future__ import annotations

import numpy as np
import pytest
from filterbank_scene import PARAMETERS, START_NS, Conditioned, add_signal, condition, loudest, noise

from stream.infer.filterbank.peaks import find_peaks
from stream.infer.filterbank.reference import autocorrelations, filter_strain, triggers_of
from stream.infer.filterbank.waveforms import waveforms
from stream.infer.filterbank.whitened import WhitenedTemplates, response, whiten
from stream.records import Triggers

WAVES = waveforms(PARAMETERS)
STRAIN = noise(56)
QUIET = condition(STRAIN)
ALL_HEARD = np.ones(16 * 56, np.bool_)


def with_signal(k: int, snr: float, phase_rad: float = 0.0) -> tuple[Conditioned, WhitenedTemplates, int]:
    strain = STRAIN.copy()
    arrival_ns = add_signal(strain, PARAMETERS[k], 40.3, snr, phase_rad)
    heard = condition(strain)
    return heard, whiten(WAVES, response(heard.taps)), arrival_ns


def found(z: np.ndarray, templates: WhitenedTemplates) -> Triggers:
    return triggers_of(z, "H1", START_NS, ALL_HEARD, autocorrelations(templates))


def test_noise_gives_every_template_unit_variance_in_each_quadrature() -> None:
    z = filter_strain(QUIET.samples, whiten(WAVES, response(QUIET.taps)))[:, 24 * 1024 : 52 * 1024]
    assert (np.abs(z) ** 2).mean(axis=1) == pytest.approx(np.full(len(PARAMETERS), 2.0), rel=0.1)
    assert (z.real**2).mean() == pytest.approx((z.imag**2).mean(), rel=0.1)
    assert abs((z.real * z.imag).mean()) < 0.05


@pytest.mark.parametrize("k", range(len(PARAMETERS)))
def test_a_signal_has_its_optimal_snr_and_time_in_its_own_template(k: int) -> None:
    heard, templates, arrival_ns = with_signal(k, 20.0)
    z = filter_strain(heard.samples - QUIET.samples, templates)
    triggers = found(z, templates)
    best = loudest(triggers)
    assert triggers.template[best] == k
    assert abs(triggers.snr[best]) == pytest.approx(20.0, rel=0.02)
    assert abs(triggers.time_ns[best] - arrival_ns) < 200_000


def test_a_signal_in_noise_is_the_loudest_trigger_and_like_its_template() -> None:
    heard, templates, arrival_ns = with_signal(0, 20.0)
    triggers = found(filter_strain(heard.samples, templates), templates)
    best = loudest(triggers)
    assert triggers.template[best] == 0
    assert abs(triggers.snr[best]) == pytest.approx(20.0, abs=3.0)
    assert abs(triggers.time_ns[best] - arrival_ns) < 1_000_000
    assert triggers.chisq[best, 0] < 2.0
    assert np.isnan(triggers.chisq[best, 1])


def test_the_phase_of_a_trigger_turns_by_twice_the_orbits_phase() -> None:
    angles = []
    for phase_rad in (0.0, 0.5):
        heard, templates, _ = with_signal(0, 20.0, phase_rad)
        triggers = found(filter_strain(heard.samples - QUIET.samples, templates), templates)
        angles.append(np.angle(triggers.snr[loudest(triggers)]))
    assert (angles[1] - angles[0]) % (2 * np.pi) == pytest.approx(1.0, abs=0.02)


def test_nothing_is_a_trigger_where_nothing_was_heard() -> None:
    heard, templates, _ = with_signal(0, 20.0)
    valid = ALL_HEARD.copy()
    valid[40 * 16 : 41 * 16] = False
    triggers = triggers_of(filter_strain(heard.samples, templates), "H1", START_NS, valid, autocorrelations(templates))
    assert np.abs(triggers.snr).max() < 10.0
    assert len(triggers.snr) > 0


def test_a_maximum_between_two_samples_is_timed_and_valued_between_them() -> None:
    at = np.arange(-20, 21) - 0.3
    z = (8.0 * np.exp(-0.5 * (at / 4.0) ** 2 + 0.6j * at + 0.4j))[:, None].astype(np.complex64)
    peaks = find_peaks(z, 4.0, 1, 40)
    assert list(peaks.sample) == [20]
    assert peaks.offset[0] == pytest.approx(0.3, abs=0.02)
    assert abs(peaks.snr[0]) == pytest.approx(8.0, rel=1e-3)
    assert np.angle(peaks.snr[0]) == pytest.approx(0.4, abs=0.01)
