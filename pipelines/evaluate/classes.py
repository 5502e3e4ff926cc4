"""``tocsin evaluate classes``: whether the classes and properties that alerts tell are true.

Binaries of all classes (:mod:`pipelines.evaluate.classes_population`) in simulated H1 and L1 go through the loop that
is live; each candidate, of a binary or of noise, through the follow-up that is live: matched filter, sky map, class.
What is told is compared with what was injected: ``searched``. What a bank does not hold is hardly heard; ``given`` is
what the same follow-up tells of each binary, heard or not, when a template near its own has found it and it is known to
be a signal. A stretch's result is a file, so that a run that was stopped goes on.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.evaluate.classes_figures import TERRESTRIAL, Told, summary
from pipelines.evaluate.classes_follow import follower
from pipelines.evaluate.classes_picture import reliability_picture
from pipelines.evaluate.classes_population import CLASSES, heard_per_year
from pipelines.evaluate.classes_scene import run
from pipelines.evaluate.scene import END_S, SETTLED_S, SceneConfig
from pipelines.evaluate.searched import YEAR_S
from pipelines.evaluate.sensitivity import claim, write
from pipelines.progress import Progress
from stream.settings import Settings

_SPACING_S = 16.0
_A_STRETCH = 60
_WIDE_HZ = 3e-3
"""Candidates are followed up to this false-alarm rate, so that there are some of noise."""


@dataclass(frozen=True, slots=True)
class ClassesConfig:
    """What is injected, and which model hears it."""

    model: str = "carillon"
    injections: int = 300
    faintest_snr: float = 8.0
    seed: int = 1
    glitch_rate_hz: float = 0.0

    @property
    def stretches(self) -> int:
        """How many stretches hold the injections."""
        return -(-self.injections // _A_STRETCH)

    def scene(self, index: int) -> SceneConfig:
        """Return a stretch's data."""
        count = min(_A_STRETCH, self.injections - index * _A_STRETCH)
        return SceneConfig(
            seed=self.seed,
            stretch_s=SETTLED_S + END_S + round(count * _SPACING_S),
            spacing_s=_SPACING_S,
            glitch_rate_hz=self.glitch_rate_hz,
        )

    def settings(self, detectors: tuple[str, ...]) -> Settings:
        """Return those of the search: the background is the shipped one, and what is fainter than an alert counts."""
        plain = Settings.model_construct()
        changed: dict[str, dict[str, Any]] = {
            "strain": {"detectors": detectors},
            "infer": {"model": self.model, "threads": 1},
            "significance": {"far_threshold_hz": _WIDE_HZ, "slides": 0},
        }
        parts = {name: getattr(plain, name).model_copy(update=update) for name, update in changed.items()}
        return plain.model_copy(update=parts)


def evaluate(config: ClassesConfig, folder: Path, progress: Progress | None = None, workers: int = 2) -> dict[str, Any]:
    """Search and follow every stretch; what the folder already holds is not done again.

    Returns
    -------
    dict
        ``searched`` and ``given``, each the figures of :func:`pipelines.evaluate.classes_figures.summary`. They are in
        ``report.json`` too, and the reliability of what was told in ``reliability.png``.

    Raises
    ------
    ConfigurationError
        If the folder holds another measurement.
    """
    claim(folder, asdict(config))
    todo = [k for k in range(config.stretches) if not _path(folder, k).exists()]
    for done, _ in enumerate(_run(config, folder, todo, workers), config.stretches - len(todo) + 1):
        if progress is not None:
            progress(done, config.stretches)
    report = figures(config, [json.loads(_path(folder, k).read_text()) for k in range(config.stretches)])
    write(folder / "report.json", report)
    reliability_picture(report, folder / "reliability.png")
    return report


def figures(config: ClassesConfig, stretches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the report of all stretches."""
    total = {
        what: {name: sum(part[what][name] for part in stretches) for name in CLASSES} for what in ("tried", "kept")
    }
    per_year = {n: heard_per_year(n, total["tried"][n], total["kept"][n]) for n in CLASSES if total["kept"][n]}
    noise_s = sum(part["noise_s"] for part in stretches)
    rings_hz = Settings.model_construct().significance.far_threshold_hz
    searched, given = (
        [
            _told(one[how], one, per_year[one["class"]] / total["kept"][one["class"]], rings_hz)
            for part in stretches
            for one in part["injections"]
            if one[how] is not None
        ]
        for how in ("searched", "given")
    )
    searched += [_told(one, None, YEAR_S / noise_s, rings_hz) for part in stretches for one in part["others"]]
    return {
        "config": asdict(config),
        "heard_per_year": {name: round(rate, 2) for name, rate in per_year.items()},
        "noise_s": noise_s,
        "searched": summary(searched, total["kept"]),
        "given": summary(given, total["kept"]),
    }


def _told(candidate: dict[str, Any], injected: dict[str, Any] | None, per_year: float, rings_hz: float) -> Told:
    bins = candidate["mchirp_source"]
    return Told(
        truth=TERRESTRIAL if injected is None else injected["class"],
        true_properties=None if injected is None else injected["properties"],
        rang=candidate["far_hz"] <= rings_hz,
        per_year=per_year,
        classification=candidate["classification"],
        properties=candidate["properties"],
        in_true_bin=None if bins is None or injected is None else bins[injected["mchirp_bin"]],
        reasons=candidate["reasons"],
    )


def _run(config: ClassesConfig, folder: Path, todo: Sequence[int], workers: int) -> Iterator[Path]:
    """Do the work, yielding each file as it is there."""
    if workers == 1:
        for k in todo:
            yield _one(config, folder, k)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_one, *zip(*((config, folder, k) for k in todo), strict=True)) if todo else ()


def _one(config: ClassesConfig, folder: Path, index: int) -> Path:
    scene = config.scene(index)
    settings = config.settings(scene.detectors)
    path = _path(folder, index)
    write(path, run(scene, index, config.faintest_snr, settings, follower(settings)))
    return path


def _path(folder: Path, index: int) -> Path:
    return folder / "stretches" / f"{index}.json"
