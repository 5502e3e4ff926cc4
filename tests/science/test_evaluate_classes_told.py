"""Binaries in simulated noise, through the live loop and the follow-up that is measured."""

from __future__ import annotations

import pytest

from pipelines.evaluate.classes import ClassesConfig, figures
from pipelines.evaluate.classes_follow import follower
from pipelines.evaluate.classes_scene import run


def test_loud_binaries_are_told_as_what_they_are() -> None:
    """Two black holes and a neutron star with one, from SNR 20 on: the class of each, when its template is given."""
    config = ClassesConfig(injections=3, faintest_snr=20.0, seed=7)
    scene = config.scene(0)
    settings = config.settings(scene.detectors)
    found = run(scene, 0, config.faintest_snr, settings, follower(settings))
    assert sorted(one["class"] for one in found["injections"]) == ["BBH", "BBH", "NSBH"]
    for one in found["injections"]:
        given = one["given"]
        assert given["reasons"] == {}
        assert given["classification"][one["class"]] > 0.5
        assert given["mchirp_msun"][0] == pytest.approx(one["mchirp_detector_msun"], rel=0.1)
        assert given["distance_mpc"][0] == pytest.approx(one["distance_mpc"], rel=0.8)
    assert {one["class"] for one in found["injections"] if one["searched"] is not None} == {"BBH"}
    assert figures(config, [found])["searched"]["agreement"]["class"]["share"] == 1.0
