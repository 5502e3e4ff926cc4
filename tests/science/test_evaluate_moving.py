"""A spectrum that moves: how it does, and that weights follow it without a trigger of their own."""

from __future__ import annotations

import numpy as np
import pytest
from filterbank_scene import small_bank

from pipelines.evaluate.moving import MovingConfig, measure, moved, strain
from stream.simulate.psds import psd


def test_the_spectrum_goes_there_within_a_minute_and_back() -> None:
    config = MovingConfig(changes=2)
    times_s = np.array([0.0, 90.0, 120.0, 150.0, 249.0, 280.0, 310.0, 409.0])
    np.testing.assert_allclose(config.share(times_s), [0.0, 0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0])
    assert (config.signal_s(0), config.signal_s(1), config.duration_s) == (210, 370, 410)


def test_amplitudes_move_by_the_factor_and_lines_stand_high() -> None:
    usual = psd("aLIGO_O4")
    ratio = np.sqrt(moved(usual, 1.3).at(np.array([452.5, 226.3, 97.0])) / usual.at(np.array([452.5, 226.3, 97.0])))
    assert ratio[:2] == pytest.approx([1.3, 1 / 1.3], abs=0.03)
    assert ratio[2] > 10.0


def test_strain_is_as_long_as_said_and_follows_from_the_seed() -> None:
    config = MovingConfig(changes=0)
    first, again = strain(config, []), strain(config, [])
    np.testing.assert_array_equal(first, again)
    assert len(first) == config.duration_s * 4096
    assert not np.array_equal(first, strain(MovingConfig(seed=2, changes=0), []))


def test_a_minute_after_a_change_the_network_finds_what_a_filter_finds_that_knows_the_spectrum() -> None:
    shared = small_bank()
    found = measure(MovingConfig(changes=1), shared)
    shared.close()
    assert found.kept.min() > 0.97
    assert found.weights_changed >= 1
    assert found.loudest_at_changes < found.loudest_beside + 1.0
    assert found.as_dict()["signals"] == 1
