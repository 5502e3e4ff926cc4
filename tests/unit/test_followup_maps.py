"""The follow-up of a daemon: none, one, or one that is refined afterwards."""

from __future__ import annotations

import threading
from typing import cast

import pytest
from findings import heard
from followers import Scripted

from pipelines.live.maps import Maps
from stream.infer import ModelCard
from stream.records import Finding, Localized, Snapshot
from stream.settings import LocalizeSettings, PublishSettings, Settings

CARD = cast("ModelCard", None)


class Published:
    """What was handed on, in its order."""

    def __init__(self) -> None:
        self.methods: list[tuple[str, bool]] = []
        self._changed = threading.Condition()

    def __call__(self, finding: Finding) -> None:
        assert isinstance(finding, Localized)
        with self._changed:
            self.methods.append((finding.method, finding.skymap_fits is not None))
            self._changed.notify_all()

    def first(self, count: int) -> list[tuple[str, bool]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.methods) >= count, 60), self.methods
            return self.methods


def settings(**localize: object) -> Settings:
    return Settings(localize=LocalizeSettings.model_validate(localize), publish=PublishSettings(wait_for_map_s=0.15))


def test_without_it_nobody_waits_and_no_process_runs() -> None:
    published = Published()
    with Maps(settings(enabled=False), lambda: CARD, published) as maps:
        assert (maps.wait_s, maps.describe()) == (None, "off")
        maps.submit(Snapshot(heard(), ()))
    assert published.methods == []


def test_a_refined_map_follows_the_first_one_and_nothing_follows_none() -> None:
    published = Published()
    with Maps(settings(refine="bayestar"), lambda: CARD, published, "followers:scripted", "followers:Refined") as maps:
        assert maps.wait_s == pytest.approx(0.15)
        maps.submit(Snapshot(heard(0, Scripted.RAISES), ()))
        maps.submit(Snapshot(heard(1_500_000_000, far_hz=1e-3), ()))
        assert published.first(3) == [("tocsin", False), ("tocsin", True), ("bayestar", True)]
