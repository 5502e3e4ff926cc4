"""Measure a model's background: its network on simulated noise with glitches, and on time slides of it.

``tocsin evaluate background --measure MODEL``; a matched-filter network's is made in
:mod:`pipelines.evaluate.trigger_background`, that of an embedding network here. Each detector alone is counted in its
own time. Sets are slid: a few slides are ranked whole and give the curve down to one event a second; then, of every
other slide, those frames that can be loud. What is encoded and counted is kept in a work folder, so that a run that was
cut off goes on. Writes ``background.json`` into the model's folder and its hash into the card.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from pipelines.evaluate.curves import curve
from pipelines.evaluate.slid import Slid, Stretch
from pipelines.evaluate.stretches import NoiseConfig, encoded, kept_path
from pipelines.evaluate.trigger_background import TriggerMeasureConfig, TriggerMeasurement
from pipelines.progress import Progress
from stream.detect import Head
from stream.errors import ModelError
from stream.infer import ModelCard, record_hash
from stream.infer.model import BACKGROUND
from stream.settings import InferSettings
from stream.significance import set_name
from stream.types import FloatArray

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MeasureConfig:
    """How much of what.

    ``tail_far_hz``: above this rate a set's curve comes from ``dense_slides`` of each stretch, below it from all.
    ``margin``: for each detector but one, sparse slides look this much further down than the largest terms of the
    dense ones. ``detectors``: whose sets are measured. ``larger_sets_stride``: every so many-th slide of three or more.
    """

    noise: NoiseConfig = field(default_factory=NoiseConfig)
    dense_slides: int = 1
    tail_far_hz: float = 1e-3
    margin: float = 1.5
    detectors: tuple[str, ...] = ("H1", "L1", "V1")
    larger_sets_stride: int = 4


class Measurement:
    """A background in the making.

    Parameters
    ----------
    card : ModelCard
    config : MeasureConfig
    work : Path
        Folder of what is encoded already.
    """

    def __init__(self, card: ModelCard, config: MeasureConfig, work: Path) -> None:
        self._card = card
        self._config = config
        self._work = work
        self._head = Head(card, InferSettings(threads=1))
        which = [config.noise.detectors.index(name) for name in config.detectors]
        self._sets = [m for size in range(1, len(which) + 1) for m in combinations(which, size)]

    def content(self, progress: Progress | None = None) -> dict[str, Any]:
        """Return what ``background.json`` holds."""
        whole = self._over_stretches("whole", self._whole, progress, 0)
        looks = {m: self._look(Slid.joined(slides), len(m)) for m, slides in whole.items() if len(m) > 1}

        def tail(stretch: Stretch, members: tuple[int, ...]) -> list[Slid]:
            lags = stretch.lags(members)[:: 1 if len(members) == 2 else self._config.larger_sets_stride]
            lags = lags if members in looks else []
            return [stretch.sparse(members, lag_s, *looks[members]) for lag_s in lags]

        tails = self._over_stretches(f"tail-{_digest(list(looks.values()))}", tail, progress, 1)
        return {
            "model": self._card.label,
            "network": self._card.network,
            "measured_with": asdict(self._config),
            "sets": {
                self._name(m): _single(Slid.joined(whole[m]))
                if m not in looks
                else _set(self._name(m), Slid.joined(whole[m]), Slid.joined(tails[m]), *looks[m])
                for m in self._sets
            },
        }

    def _name(self, members: tuple[int, ...]) -> str:
        return set_name([self._config.noise.detectors[d] for d in members])

    def _over_stretches(
        self,
        what: str,
        count: Callable[[Stretch, tuple[int, ...]], list[Slid]],
        progress: Progress | None,
        turn: int,
    ) -> dict[tuple[int, ...], list[Slid]]:
        """Count every set in every stretch; what was counted by an earlier run is taken from the work folder."""
        noise = self._config.noise
        of = _digest([self._sets, self._config.dense_slides, self._config.larger_sets_stride])
        found: dict[tuple[int, ...], list[Slid]] = {members: [] for members in self._sets}
        for k in range(noise.stretches):
            path = kept_path(self._card, noise, k, self._work, f"-{what}-{of}.npz")
            if not path.exists():
                frames, valid = encoded(self._card, noise, k, self._work)
                stretch = Stretch(self._head, frames, valid, self._card.encoder.frame_rate_hz)
                _keep(path, {members: count(stretch, members) for members in self._sets})
            for members, slid in _kept(path, self._sets).items():
                found[members].append(slid)
            if progress is not None:
                progress(turn * noise.stretches + k + 1, 2 * noise.stretches)
        return found

    def _whole(self, stretch: Stretch, members: tuple[int, ...]) -> list[Slid]:
        """Return the slides that are ranked whole: spread over all, or the one of a single detector."""
        if len(members) == 1:
            return [stretch.single(members[0])]
        lags, n = stretch.lags(members), self._config.dense_slides
        return [stretch.dense(members, lag_s) for lag_s in lags[len(lags) // (2 * n) :: len(lags) // n][:n]]

    def _look(self, whole: Slid, detectors: int) -> tuple[float, float]:
        """Return where a set's tail begins, and the least sum of singles from which a frame can get there."""
        events = np.sort(whole.events)[::-1]
        threshold = float(events[min(len(events) - 1, round(self._config.tail_far_hz * whole.duration_s))])
        most = float(whole.loud[1, whole.loud[0] >= threshold].max())
        return threshold, threshold - most - self._config.margin * (detectors - 1)


def _single(own: Slid) -> dict[str, Any]:
    return {"curves": [curve(own.events, own.duration_s)]}


def _set(name: str, whole: Slid, tail: Slid, threshold: float, least: float) -> dict[str, Any]:
    log.info(
        "background", detectors=name, years=round(tail.duration_s / 31_557_600, 3), threshold=round(threshold, 3),
        room=round(tail.room, 3),
    )  # fmt: skip
    if tail.room <= 0:
        raise ModelError(f"sparse slides of {name} may have missed something: measure with a larger margin")
    return {
        "threshold": threshold,
        "least_singles": least,
        "room": tail.room,
        "curves": [curve(tail.events, tail.duration_s, threshold), curve(whole.events, whole.duration_s)],
    }


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


def _keep(path: Path, found: dict[tuple[int, ...], list[Slid]]) -> None:
    arrays: dict[str, FloatArray] = {}
    for members, slides in found.items():
        if slides:
            slid = Slid.joined(slides)
            name = "".join(map(str, members))
            arrays |= {f"{name}-events": slid.events, f"{name}-loud": slid.loud}
            arrays[f"{name}-of"] = np.array([slid.duration_s, slid.room])
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, allow_pickle=False, **arrays)
    temporary.replace(path)


def _kept(path: Path, sets: list[tuple[int, ...]]) -> dict[tuple[int, ...], Slid]:
    found = {}
    with np.load(path) as file:
        for members in sets:
            name = "".join(map(str, members))
            if f"{name}-of" in file:
                duration_s, room = file[f"{name}-of"]
                found[members] = Slid(float(duration_s), file[f"{name}-events"], file[f"{name}-loud"], float(room))
    return found


def default_config(card: ModelCard) -> MeasureConfig | TriggerMeasureConfig:
    """Return how a model's background is measured that ships."""
    return TriggerMeasureConfig() if card.kind == "filterbank" else MeasureConfig()


def measure(
    card: ModelCard, config: MeasureConfig | TriggerMeasureConfig, work: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure a model's background, write it into the model's folder and its hash into the card.

    Parameters
    ----------
    card : ModelCard
    config : MeasureConfig or TriggerMeasureConfig
        The one for the model's kind.
    work : Path
        Folder of what an earlier run has made.
    """
    making = (
        TriggerMeasurement(card, config, work)
        if isinstance(config, TriggerMeasureConfig)
        else Measurement(card, config, work)
    )
    content = making.content(progress)
    (card.folder / BACKGROUND).write_text(json.dumps(content) + "\n")
    record_hash(card.folder, BACKGROUND)
    return content
