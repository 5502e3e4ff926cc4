"""The follow-up of a candidate: snapshot in, map and class out, and no part that fails takes another with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from localize_scene import HEAVY, snapshot, whitened

from stream.codec.skymap import decode_skymap
from stream.errors import DataError
from stream.infer import open_model
from stream.infer.filterbank.waveforms import chirp_mass_msun
from stream.localize import followup, refine
from stream.localize.followup import FollowUp
from stream.localize.skymap import localize
from stream.records import Followed, SkyMap, Snapshot, SnrSeries
from stream.settings import LocalizeSettings, Settings
from stream.superevent.sameness import tells_more

FIELDS = {"skymap", "classification", "properties", "mchirp_source"}


@pytest.fixture(scope="module")
def follower() -> FollowUp:
    return FollowUp(Settings(), open_model("carillon"))


@pytest.fixture(scope="module")
def seen() -> Snapshot:
    found = snapshot({"H1": whitened(18.0, HEAVY), "L1": whitened(14.0, HEAVY, seed=6)}, template=175)
    return replace(found, candidate=replace(found.candidate, p_astro=0.99))


def fail(*_: Any, **__: Any) -> None:
    raise DataError("on purpose")


def test_a_candidate_gets_its_map_and_its_class(follower: FollowUp, seen: Snapshot) -> None:
    found = follower.follow(seen)
    assert found.candidate is seen.candidate
    assert found.reasons == {}
    assert found.method == "tocsin"
    assert found.seconds > 0.0
    assert found.skymap_fits is not None
    skymap = decode_skymap(found.skymap_fits)
    assert skymap.detectors == ("H1", "L1")
    assert skymap.distmean_mpc == pytest.approx(found.distance_mpc)
    assert found.area50_deg2 is not None
    assert found.area90_deg2 is not None
    assert 0.0 < found.area50_deg2 < found.area90_deg2 < 5000.0
    assert found.mchirp_msun == pytest.approx(chirp_mass_msun(HEAVY), rel=0.08)
    assert found.source is not None
    assert found.source.classification is not None
    assert found.source.classification["BBH"] == pytest.approx(0.99, abs=1e-3)
    assert found.source.properties is not None


def test_the_map_says_what_it_was_made_of(follower: FollowUp, seen: Snapshot) -> None:
    header = follower.follow(seen).skymap_fits
    assert header is not None
    for told in (b"IMRPhenomXAS", b"carillon 1", b"H1 1", b"L1 1", b"0.83 of themselves"):
        assert told in header


def test_a_failure_of_the_map_leaves_the_class(
    follower: FollowUp, seen: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = follower.follow(seen)
    monkeypatch.setattr(followup, "localize", fail)
    found = follower.follow(seen)
    assert found.reasons == {"skymap": "on purpose"}
    assert (found.skymap_fits, found.area90_deg2, found.distance_mpc) == (None, None, None)
    assert found.mchirp_msun == whole.mchirp_msun
    assert found.source is not None
    assert whole.source is not None
    assert found.source.classification == pytest.approx(whole.source.classification, abs=0.02)


@pytest.mark.parametrize("part", ["encode_skymap", "classify"])
def test_a_failure_elsewhere_leaves_the_rest(
    follower: FollowUp, seen: Snapshot, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(followup, part, fail)
    found = follower.follow(seen)
    if part == "classify":
        assert found.skymap_fits is not None
        assert found.source is None
        assert found.reasons == dict.fromkeys(FIELDS - {"skymap"}, "on purpose")
    else:
        assert found.skymap_fits is None
        assert found.area90_deg2 is None
        assert found.source is not None
        assert found.reasons == {"skymap": "on purpose"}


def test_what_is_not_foreseen_is_a_reason_too(
    follower: FollowUp, seen: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followup, "localize", lambda *_: np.linalg.cholesky(-np.eye(2)))
    found = follower.follow(seen)
    assert "LinAlgError" in found.reasons["skymap"]
    assert found.source is not None


def test_without_p_astro_the_class_alone_is_not_known(follower: FollowUp, seen: Snapshot) -> None:
    found = follower.follow(replace(seen, candidate=replace(seen.candidate, p_astro=None)))
    assert set(found.reasons) == {"classification"}
    assert found.source is not None
    assert found.source.classification is None
    assert found.source.properties is not None


def test_a_snapshot_that_holds_nothing_gives_reasons_for_all(follower: FollowUp, seen: Snapshot) -> None:
    found = follower.follow(Snapshot(seen.candidate, ()))
    assert (found.skymap_fits, found.source, found.mchirp_msun, found.area90_deg2) == (None, None, None, None)
    assert set(found.reasons) == FIELDS
    assert all("no strain" in why for why in found.reasons.values())


def test_one_detector_is_enough_for_a_map(follower: FollowUp, seen: Snapshot) -> None:
    found = follower.follow(Snapshot(seen.candidate, seen.strain[:1]))
    assert found.skymap_fits is not None
    assert found.area90_deg2 is not None
    assert found.area90_deg2 > 10_000.0


def test_a_refined_follow_up_has_another_map_and_all_else_as_before(
    follower: FollowUp, seen: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it can take the place of what was told: nothing that an alert had is missing. (BAYESTAR takes long.)"""

    def bayestar_map(series: tuple[SnrSeries, ...], response_factor: float) -> SkyMap:
        assert response_factor == LocalizeSettings().response_factor
        return replace(localize(series, LocalizeSettings()), creator="BAYESTAR")

    monkeypatch.setattr(refine, "bayestar_map", bayestar_map)
    ours, theirs = follower.follow(seen), refine.refinement(Settings(), open_model("carillon")).follow(seen)
    assert (theirs.method, theirs.reasons) == ("bayestar", {})
    assert decode_skymap(theirs.skymap_fits or b"").creator == "BAYESTAR"
    assert (theirs.mchirp_msun, theirs.source) == (ours.mchirp_msun, ours.source)
    assert tells_more(Followed.of(theirs), Followed.of(ours))
