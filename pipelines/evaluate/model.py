"""A model as a search that is measured: the real loop, opened wide, and slides of what it heard as background.

A network of embeddings (of one of matched filters :mod:`pipelines.evaluate.trigger_model` tells): the loop runs twice
over a stretch. With the injections every peak becomes a candidate, however faint: what counts is
its statistic, since the false-alarm rate follows here from slides of this very data, and not from the file that was
shipped with the model. Without them its frames are kept where the live slides would take them, and are slid here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipelines.evaluate.limit import FOUND_S
from pipelines.evaluate.network_slides import slide
from pipelines.evaluate.scene import SETTLED_S, START_S, Scene, loudest_near
from pipelines.evaluate.searched import Counts, Searched
from pipelines.evaluate.slid import Stretch
from pipelines.evaluate.trigger_model import search_triggers
from pipelines.networks.embedding import EmbeddingNetwork
from pipelines.search import compose, one_by_one, search
from stream.detect import Head
from stream.infer import open_model
from stream.records import Candidate, Embeddings, Masked, Snapshot
from stream.settings import Settings
from stream.significance import LiveSlides
from stream.timebase import NS_PER_S

_WIDE_HZ, _NEVER_HZ = 1e9, 1e-99
_FAINTEST = -100.0


@dataclass(frozen=True, slots=True)
class ModelSearch:
    """A model, searched through the loop.

    Attributes
    ----------
    model : str
        Name of a shipped model, or path of a folder.
    label : str
        Name and version by its card.
    threads : int
    """

    model: str
    label: str
    threads: int = 1

    @classmethod
    def of(cls, model: str) -> ModelSearch:
        """Return the search of a model.

        Raises
        ------
        ModelError
            If it is not there, or not whole.
        """
        return cls(model, open_model(model).label)

    def search(self, scene: Scene, background_s: float) -> Searched:
        """Search a stretch with its injections, and slide it without them."""
        card = open_model(self.model)
        if card.kind == "filterbank":
            return search_triggers(scene, card, self._settings(scene, _WIDE_HZ), background_s)
        heard = _Heard()
        stages = compose(self._settings(scene, _WIDE_HZ))
        search(one_by_one(scene.blocks()), stages, heard)
        ranks = loudest_near(scene.injections, np.array(heard.times_s), np.array(heard.statistics), FOUND_S)
        return Searched(ranks, self._background(scene, background_s))

    def _background(self, scene: Scene, background_s: float) -> Counts:
        settings = self._settings(scene, _NEVER_HZ)
        stages, kept = compose(settings), _Kept()
        network = stages.network
        assert isinstance(network, EmbeddingNetwork)
        network.slides = kept
        search(one_by_one(scene.blocks(signals=False)), stages, _Heard())
        stretch = kept.stretch(Head(network.card, settings.infer), SETTLED_S)
        seconds = scene.config.stretch_s - SETTLED_S
        return slide(stretch, min(seconds - 1, int(np.ceil(background_s / seconds)) + 1))

    def _settings(self, scene: Scene, far_threshold_hz: float) -> Settings:
        changed: dict[str, dict[str, Any]] = {
            "strain": {"detectors": scene.config.detectors},
            "infer": {"model": self.model, "threads": self.threads},
            # Every peak is looked at, however faint.
            "detect": {"min_statistic": _FAINTEST},
            "significance": {"far_threshold_hz": far_threshold_hz, "slides": 0},
        }
        plain = Settings.model_construct()
        parts = {name: getattr(plain, name).model_copy(update=update) for name, update in changed.items()}
        return plain.model_copy(update=parts)


@dataclass(slots=True)
class _Heard:
    """Keeps when each candidate was, from the stretch's start, and how loud."""

    times_s: list[float] = field(default_factory=list)
    statistics: list[float] = field(default_factory=list)

    def candidate(self, candidate: Candidate, _: Snapshot) -> None:
        self.times_s.append((candidate.gps_ns - START_S * NS_PER_S) / NS_PER_S)
        self.statistics.append(candidate.peak.statistic)

    def masked(self, masked: Sequence[Masked]) -> None:
        """Simulated strain has no gap."""


class _Kept(LiveSlides):
    """Stands where the live slides do in the loop, and keeps what they would have slid."""

    def __init__(self) -> None:
        self.counts = {}
        self._spans: list[tuple[Embeddings, ...]] = []

    def add(self, embeddings: Sequence[Embeddings]) -> None:
        self._spans.append(tuple(embeddings))

    def exclude(self, gps_ns: int) -> None:
        """Nothing is taken out: there is no signal."""

    def stretch(self, head: Head, from_s: int) -> Stretch:
        """Return all frames from a time on, in seconds from the stretch's start."""
        which = range(len(self._spans[0]))
        rate_hz = self._spans[0][0].frame_rate_hz
        frames = np.stack([np.concatenate([span[d].frames for span in self._spans]) for d in which])
        valid = np.stack([np.concatenate([span[d].valid for span in self._spans]) for d in which])
        first = round(from_s * rate_hz) - (self._spans[0][0].gps_ns - START_S * NS_PER_S) * rate_hz // NS_PER_S
        return Stretch(head, frames[:, first:], valid[:, first:], rate_hz)
