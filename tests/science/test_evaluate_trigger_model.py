"""The matched-filter network as a search that is measured: through the loop, and slid as it would be live."""

from __future__ import annotations

import numpy as np

from pipelines.evaluate.model import ModelSearch
from pipelines.evaluate.scene import END_S, SETTLED_S, Scene, SceneConfig


def test_carillon_is_searched_through_the_loop_and_slid_without_the_injections() -> None:
    scene = Scene(SceneConfig(seed=3, stretch_s=160, spacing_s=10.0), 0)
    found = ModelSearch.of("carillon").search(scene, 1e9)
    snrs = np.array([i.network_snr for i in scene.injections])
    assert found.ranks[snrs.argmax()] == found.ranks.max()
    assert found.ranks.max() > found.background.loudest.max(initial=-99.0)
    heard_s = 160 - SETTLED_S - END_S
    assert 0.4 * heard_s**2 < found.background.duration_s < 0.95 * heard_s**2
