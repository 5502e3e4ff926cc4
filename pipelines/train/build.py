"""``tocsin models build``: a matched-filter network from a seed, as a model's folder.

Bank, graph, extrinsic tables and glitch term are made one after the other, each written whole or not at all; then what
the network keeps and costs is measured, and the card with all hashes is written last. So a folder without a card is no
model yet, and a build that was cut off goes on where it was.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from pipelines.evaluate.filterbank_card import card as measured
from pipelines.train import extrinsic, glitch_term
from pipelines.train.bank import BankConfig, make_bank
from stream.detect.extrinsic import ExtrinsicTerm, load_extrinsic
from stream.detect.ranking import Ranking, RankingStage
from stream.errors import ConfigurationError, ModelError
from stream.infer.filterbank.bank import Bank, read_bank, write_bank
from stream.infer.filterbank.stage import LATENCY_NS
from stream.infer.model import BANK, CARD, EXTRINSIC, GLITCH_TERM, GRAPH, digest

_WORK = "unfinished"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """What a network is made from.

    ``sources``: drawn for the extrinsic tables. ``glitch_term_s``: of data that the glitch term learns from; None: as
    much as is usual. ``spectra``: random ones, on which the SNR kept is measured.
    """

    bank: BankConfig = field(default_factory=BankConfig)
    extrinsic_seed: int = 849118
    sources: int = 2_000_000
    glitch_term_seed: int = 99
    glitch_term_s: int | None = None
    spectra: int = 8

    @classmethod
    def of(cls, seed: int | None, templates: int) -> BuildConfig:
        """Make one with a seed for all; without one with those of the network that ships."""
        if seed is None:
            return cls(BankConfig(templates=templates))
        return cls(BankConfig(seed=seed, templates=templates), extrinsic_seed=seed, glitch_term_seed=seed)


def build(out: Path, config: BuildConfig, say: Say) -> None:
    """Make a model's folder, or finish it.

    Parameters
    ----------
    out : Path
        The folder; its name is the model's.
    config : BuildConfig
    say : callable
        Told of each step.

    Raises
    ------
    ModelError
        If what writes graphs is not installed.
    ConfigurationError
        If the folder is a model already, or an unfinished one of another configuration.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ModelError(
            "writing the network's graph needs onnx, which is not installed: uv run --extra train tocsin models build …"
        )
    work = _begun(out, config)
    steps: dict[str, tuple[str, Callable[[Path], None]]] = {
        BANK: ("template bank, some minutes", lambda path: _bank(path, config, work)),
        GRAPH: ("graph", _graph),
        EXTRINSIC: ("extrinsic tables, a minute", lambda path: _extrinsic(path, config)),
        GLITCH_TERM: ("glitch term, some minutes", lambda path: _glitch_term(path, config, out)),
    }
    for k, (file, (what, make)) in enumerate(steps.items()):
        there = (out / file).exists()
        say(f"{k + 1} of {len(steps) + 1}: {what}{': there already' if there else ''}")
        if not there:
            make(work / file)
            (work / file).replace(out / file)
    say(f"{len(steps) + 1} of {len(steps) + 1}: what it keeps and costs")
    _card(out, config, work, list(steps))
    shutil.rmtree(work)


def _begun(out: Path, config: BuildConfig) -> Path:
    """Return the folder of what is half done, made if need be."""
    work, plan = out / _WORK, json.dumps(asdict(config))
    if (out / CARD).exists():
        raise ConfigurationError(f"{out} is a model already: name another folder with --out")
    if not (work / "plan.json").exists():
        if out.exists() and any(out.iterdir()):
            raise ConfigurationError(f"{out} is not empty, and no model that is being built: name another with --out")
        work.mkdir(parents=True)
        (work / "plan.json").write_text(plan)
    elif (work / "plan.json").read_text() != plan:
        raise ConfigurationError(f"{out} is a model half built with other options: give those, or name another --out")
    return work


def _bank(path: Path, config: BuildConfig, work: Path) -> None:
    bank, figures = make_bank(config.bank, work)
    (work / "bank.json").write_text(json.dumps(figures))
    write_bank(bank, path)


def _graph(path: Path) -> None:
    from pipelines.train.filterbank_graph import make_graph  # noqa: PLC0415 - it needs the extra 'train'

    path.write_bytes(make_graph().SerializeToString(deterministic=True))


def _extrinsic(path: Path, config: BuildConfig) -> None:
    extrinsic.main(["--out", str(path), "--seed", str(config.extrinsic_seed), "--sources", str(config.sources)])


def _glitch_term(path: Path, config: BuildConfig, out: Path) -> None:
    options = {"bank": out / BANK, "out": path, "seed": config.glitch_term_seed, "seconds": config.glitch_term_s}
    glitch_term.main([f"--{name}={value}" for name, value in options.items() if value is not None])


def _card(out: Path, config: BuildConfig, work: Path, files: list[str]) -> None:
    """Write the card; it is there with all hashes, or not at all."""
    bank = read_bank(out / BANK)
    about = {
        "name": out.name,
        "version": "1",
        "kind": "filterbank",
        "task": "compact binary coalescence, black holes of 5 to 100 solar masses, aligned spins",
        "sha256": {file: digest(out / file) for file in sorted(files)},
        "made": made_by(out.name, config),
        "bank": {"waveform": "IMRPhenomXAS", "spectrum": "aLIGO_O4", **asdict(config.bank)},
        "covers": covers(bank),
        "fitting_factor": json.loads((work / "bank.json").read_text()),
        **_figures(bank, load_extrinsic(out / EXTRINSIC), config.spectra),
    }
    (work / CARD).write_text(tomli_w.dumps(about))
    (work / CARD).replace(out / CARD)


def made_by(name: str, config: BuildConfig) -> dict[str, Any]:
    """Return the command that makes a network again, and its seeds."""
    seeds = {"bank": config.bank.seed, "extrinsic": config.extrinsic_seed, "glitch_term": config.glitch_term_seed}
    seed = f" --seed {config.bank.seed}" if len(set(seeds.values())) == 1 else ""
    command = f"tocsin models build --out {name} --templates {config.bank.templates}{seed}"
    return {"command": command, "seeds": seeds}


def covers(bank: Bank) -> dict[str, Any]:
    """Return from where to where the templates stand."""
    masses, spins = bank.parameters[:, :2], bank.parameters[:, 2:]
    return {
        "masses_msun": [round(float(x), 1) for x in (masses.min(), masses.max())],
        "mass_ratio_from": round(float(np.min(masses[:, 1] / masses[:, 0])), 3),
        "aligned_spins": [round(float(x), 2) for x in (spins.min(), spins.max())],
    }


def _figures(bank: Bank, term: ExtrinsicTerm, spectra: int) -> dict[str, Any]:
    found = tomllib.loads(measured(bank, spectra, seed=1))
    told_ns = LATENCY_NS + RankingStage(Ranking(bank.ln_weight, term)).latency_ns(("H1", "L1"))
    return {
        "latency": {
            "data_after_merger_ms": found["data_after_merger_ms"],
            "event_of_h1_l1_told_after_ms": round(told_ns / 1e6, 1),
        },
        "snr_kept": found["snr_kept"],
        "cost": found["cost"],
    }
