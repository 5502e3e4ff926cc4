"""``tocsin evaluate sensitivity``: how far each search sees at a given false-alarm rate, beside what is possible.

Population, data, searches and figures are modules beside this one; here is what runs them: a file for each stretch and
search, so that a run that was stopped goes on, and one to which a model is added searches by that alone.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.evaluate import figures
from pipelines.evaluate.limit import LABEL as LIMIT
from pipelines.evaluate.limit import KnownTemplate
from pipelines.evaluate.picture import sensitivity_picture
from pipelines.evaluate.scene import END_S, SETTLED_S, Scene, SceneConfig
from pipelines.evaluate.searched import YEAR_S, Counts, Searched, Searcher
from pipelines.progress import Progress
from stream.errors import ConfigurationError

WORKERS = 2
_SPACING_S = 8.0
_SHORTEST_S, _LONGEST_S = 1024, 10_000
"""A shorter stretch is mostly spent on settling, where there is a choice; a longer one takes gigabytes."""
_MORE = 1.05
"""Background that is planned for what is wanted: the search does not hear all of a stretch."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: the data, how many stretches of them, and how much background in all."""

    scene: SceneConfig
    stretches: int
    background_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: the figures of each search as they are printed, and what a report keeps beside them."""

    summary: dict[str, dict[str, Any]]
    report: dict[str, Any]


def plan(scene: SceneConfig, injections: int, years: float) -> Plan:
    """Return as many stretches as give both injections and background; ``scene``'s own lengths do not count.

    A stretch of ``T`` seconds slid by every whole second gives ``T**2`` of background: the fewer the stretches, the
    more. Where the injections do not fill what the background needs, they stand further apart.
    """
    filled_s, wanted_s = injections * _SPACING_S, _MORE * years * YEAR_S
    stretches = max(1, int(min(filled_s**2 / wanted_s, filled_s / _SHORTEST_S)), math.ceil(wanted_s / _LONGEST_S**2))
    usable_s = max(filled_s / stretches, math.sqrt(wanted_s / stretches))
    each = math.ceil(injections / stretches)
    sized = SceneConfig(
        **{f: getattr(scene, f) for f in ("seed", "spectrum", "glitch_rate_hz", "population", "detectors")},
        stretch_s=math.ceil(usable_s) + SETTLED_S + END_S,
        spacing_s=usable_s / each,
    )
    return Plan(sized, stretches, years * YEAR_S)


def evaluate(
    what: Plan, searchers: Sequence[Searcher], folder: Path, progress: Progress | None = None, workers: int = WORKERS
) -> Measured:
    """Search every stretch by every search; what the folder already holds is not searched again.

    Raises
    ------
    ConfigurationError
        If the folder holds another measurement, or two searches have one name.
    """
    searchers = [KnownTemplate(), *searchers]
    _check_names(searchers)
    claim(folder, _as_json(what))
    work = [(k, s) for k in range(what.stretches) for s in searchers if not _path(folder, k, s.label).exists()]
    total = what.stretches * len(searchers)
    for done, _ in enumerate(_run(what, work, folder, workers), total - len(work) + 1):
        if progress is not None:
            progress(done, total)
    measured = _read(what, [s.label for s in searchers], folder)
    write(folder / "sensitivity.json", measured.report)
    sensitivity_picture(measured.report, LIMIT, folder / "sensitivity.png")
    return measured


def _run(what: Plan, work: Sequence[tuple[int, Searcher]], folder: Path, workers: int) -> Iterator[Path]:
    """Do the work, yielding each file as it is there."""
    if workers == 1:
        for k, searcher in work:
            yield _one(what, searcher, folder, k)
        return
    with ProcessPoolExecutor(min(workers, WORKERS), mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_one, *zip(*((what, s, folder, k) for k, s in work), strict=True)) if work else ()


def _one(what: Plan, searcher: Searcher, folder: Path, index: int) -> Path:
    """Search one stretch by one search, and return the file that keeps what came of it."""
    scene = Scene(what.scene, index)
    truth = folder / "stretches" / f"{index}.injections.json"
    if not truth.exists():
        write(truth, [i.as_dict() for i in scene.injections])
    searched = searcher.search(scene, what.background_s / what.stretches)
    path = _path(folder, index, searcher.label)
    write(path, searched.as_dict())
    return path


def _read(what: Plan, labels: Sequence[str], folder: Path) -> Measured:
    injections = [
        i
        for k in range(what.stretches)
        for i in json.loads((folder / "stretches" / f"{k}.injections.json").read_text())
    ]
    truth = figures.Truth.of(injections)
    searches = {label: _joined([_searched(folder, k, label) for k in range(what.stretches)]) for label in labels}
    summary = figures.summary(truth, searches, LIMIT)
    report = {"plan": _as_json(what), "summary": summary, "details": figures.details(truth, searches, LIMIT)}
    return Measured(summary, report)


def _joined(parts: Sequence[Searched]) -> Searched:
    ranks = [rank for part in parts for rank in part.ranks]
    return Searched(np.array(ranks), Counts.joined([part.background for part in parts]))


def _searched(folder: Path, index: int, label: str) -> Searched:
    return Searched.from_dict(json.loads(_path(folder, index, label).read_text()))


def _path(folder: Path, index: int, label: str) -> Path:
    return folder / "stretches" / f"{index}.{label}.json"


def _check_names(searchers: Sequence[Searcher]) -> None:
    names = [s.label for s in searchers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"two searches are called {twice}: give their cards different names or versions")


def claim(folder: Path, wanted: dict[str, Any]) -> None:
    """Make a folder that of a measurement, or see that it is.

    Raises
    ------
    ConfigurationError
        If it holds another one.
    """
    path = folder / "plan.json"
    if not path.exists():
        (folder / "stretches").mkdir(parents=True, exist_ok=True)
        write(path, wanted)
        return
    found = json.loads(path.read_text())
    if found != wanted:
        differs = [key for key in wanted if found.get(key) != wanted[key]]
        raise ConfigurationError(
            f"{folder} holds another measurement ({', '.join(differs)} differ): name another folder with --out, or "
            "remove it"
        )


def _as_json(what: Plan) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(asdict(what)))
    scene: dict[str, Any] = values.pop("scene")
    return scene | values


def write(path: Path, values: object) -> None:
    """Write a file that is there whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(values, indent=1) + "\n")
    part.replace(path)
