"""The learned glitch term: nothing for Gaussian noise, much for glitches, and never less for a louder trigger."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.train.glitch_term import fit
from stream.detect.glitch_term import GlitchStage, LearnedGlitchTerm, read_glitch_term
from stream.errors import ModelError
from stream.records import Triggers
from stream.timebase import NS_PER_S
from stream.types import Float32Array, FloatArray


def chi(values: FloatArray) -> Float32Array:
    return np.stack((values, values), axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def term() -> LearnedGlitchTerm:
    """Fitted to made-up triggers: glitches are a hundredth, fall as r^-3, and look unlike their templates."""
    rng = np.random.default_rng(1)
    gauss = np.sqrt(4.0**2 + 2 * rng.exponential(1.0, 20_000))
    glitch = 4.0 * rng.random(400) ** (-1 / 2)
    signal = 4.0 * rng.random(600) ** (-1 / 3)
    modulus = np.concatenate((signal, gauss, glitch))
    like = np.exp(rng.normal(0.0, 0.25, len(modulus)))
    like[-400:] = np.exp(rng.normal(0.8, 0.4, 400)) * glitch / 4.0
    return LearnedGlitchTerm(fit(modulus, chi(like), np.arange(len(modulus)) < 600), 0.001)


def value(term: LearnedGlitchTerm, modulus: float, like: float) -> float:
    return float(term.at(np.array([modulus]), chi(np.array([like])))[0])


def test_what_gaussian_noise_makes_counts_in_full(term: LearnedGlitchTerm) -> None:
    assert -0.1 < value(term, 4.5, 1.0) <= 0.0


def test_a_loud_trigger_unlike_its_template_counts_little(term: LearnedGlitchTerm) -> None:
    assert value(term, 9.0, 5.0) < value(term, 9.0, 1.0) - 4.0


def test_a_louder_trigger_always_counts_more(term: LearnedGlitchTerm) -> None:
    for like in (0.5, 1.0, 3.0, 20.0):
        counts = [0.5 * r**2 + value(term, r, like) for r in (4.0, 6.0, 9.0, 14.0, 30.0, 100.0, 1000.0)]
        assert np.all(np.diff(counts) > 0)


def test_a_chi_squared_that_is_not_known_is_as_the_other(term: LearnedGlitchTerm) -> None:
    chisq = np.array([[4.0, np.nan], [4.0, 4.0], [np.nan, np.nan], [1.0, 1.0]], np.float32)
    found = term.at(np.full(4, 8.0), chisq)
    assert found[0] == found[1] < found[2] == found[3]


def test_the_less_a_detector_glitches_the_more_a_trigger_counts(term: LearnedGlitchTerm) -> None:
    at = (np.full(1, 8.0), chi(np.array([3.0])))
    assert term.at(*at, np.log(10.0))[0] < term.at(*at)[0] < term.at(*at, np.log(0.01))[0] < 0.0


def test_a_term_is_read_from_its_file(term: LearnedGlitchTerm, tmp_path: Path) -> None:
    path = tmp_path / "glitch.json"
    right = {"coefficients": term.coefficients.tolist(), "rate_hz": 0.001}
    path.write_text(json.dumps(right))
    np.testing.assert_array_equal(read_glitch_term(path).coefficients, term.coefficients)
    louder_counts_less = [-19.0, 0.5, *term.coefficients[2:].tolist()]
    for wrong in ({"coefficients": [1.0]}, {"coefficients": louder_counts_less}, {"rate_hz": 0.0}):
        path.write_text(json.dumps(right | wrong))
        with pytest.raises(ModelError, match=r"pipelines\.train\.glitch_term"):
            read_glitch_term(path)


def test_the_shipped_term_spares_gaussian_noise_and_doubts_what_is_unlike_its_template() -> None:
    shipped = read_glitch_term()
    assert -0.1 < value(shipped, 4.5, 1.0) <= 0.0
    assert value(shipped, 5.5, 1.0) > -1.5
    assert value(shipped, 8.0, 8.0) < value(shipped, 8.0, 1.0) - 6.0
    counts = [0.5 * r**2 + value(shipped, r, 1.5) for r in (4.0, 6.0, 9.0, 14.0, 30.0, 100.0)]
    assert np.all(np.diff(counts) > 0)


def test_a_stage_fills_in_what_each_trigger_counts_for_less() -> None:
    """Nothing else of the triggers changes."""
    snr = np.array([4.5, 9.0], np.complex64)
    given = Triggers("H1", 0, NS_PER_S, np.ones(16, np.bool_), np.zeros(2, np.int32), np.array([1, 2]), snr,
                     chi(np.array([1.0, 8.0])), np.zeros(2, np.float32), np.ones(16, np.float32))  # fmt: skip
    found = GlitchStage("H1", read_glitch_term()).step(given)
    assert found.glitch[1] < -5.0 < -0.1 < found.glitch[0] <= 0.0
    np.testing.assert_array_equal(found.snr, given.snr)


def test_a_span_without_triggers_stays_one() -> None:
    nothing = Triggers("H1", 0, NS_PER_S, np.ones(16, np.bool_), np.zeros(0, np.int32), np.zeros(0, np.int64),
                       np.zeros(0, np.complex64), np.zeros((0, 2), np.float32), np.zeros(0, np.float32),
                       np.ones(16, np.float32))  # fmt: skip
    stage = GlitchStage("H1", read_glitch_term())
    assert len(stage.step(nothing).glitch) == 0
    assert sum(stage.state().hops) == 16
