"""What each step of the ranking is worth: several rankings of the same triggers, beside the limit.

``python -m pipelines.evaluate.ranking --out DIR``. Strain goes through the real conditioner, and a bank of
templates over it by FFT (:mod:`stream.infer.filterbank.reference`). Then the searches rank the triggers:

* A, the largest quadrature of SNRs, all templates alike;
* B, the log-sum over templates, each with its share of the population;
* C, the same with the extrinsic term;
* D, with ``--glitch-term FILE``, the same with the learned glitch term.

Each is measured as ``tocsin evaluate sensitivity`` measures models: same population and limit, slides of the same data,
less what lies round an injection. Triggers are kept in the folder, so that a ranking that is changed costs its own time
alone.

Measured with 100 templates, 1200 injections and 2.0 years of background, fraction of the limit at 2/day and 1/month: A
0.887 and 0.898, B 0.908 and 0.914, C 0.933 and 0.933 (+- 0.007 to 0.011); C with triggers from SNR 3.75 instead of 4
0.938 and 0.936, from 4.25 0.922 and 0.930.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import fft

from pipelines.evaluate.limit import FOUND_S
from pipelines.evaluate.population import Population
from pipelines.evaluate.scene import (
    END_S,
    O3A_GLITCH_RATE_HZ,
    RATE_HZ,
    SETTLED_S,
    START_S,
    Injection,
    Scene,
    SceneConfig,
    loudest_near,
)
from pipelines.evaluate.searched import FARS_HZ, Counts, Searched
from pipelines.evaluate.sensitivity import evaluate, plan
from pipelines.progress import progress
from stream.condition import Conditioner
from stream.detect.coincide import Coincidences, coincide
from stream.detect.extrinsic import ExtrinsicTerm, Seen, load_extrinsic
from stream.detect.glitch_term import GlitchStage, read_glitch_term
from stream.detect.ranking import WINDOW_NS, Events, Ranking, heard_at, relative_at
from stream.infer.filterbank.bank import SHIPPED as BANK
from stream.infer.filterbank.peaks import SNR_RATE_HZ
from stream.infer.filterbank.reference import autocorrelations, triggers_of
from stream.infer.filterbank.waveforms import DURATION_S, waveforms
from stream.infer.filterbank.waveforms import RATE_HZ as WHITENED_HZ
from stream.infer.filterbank.whitened import response, whiten
from stream.records import Segment, Triggers
from stream.settings import ConditionSettings
from stream.significance.trigger_slides import SlideConfig, slide_triggers
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S
from stream.types import BoolArray, Complex64Array, Float32Array, FloatArray

RULES = ("A", "B", "C")
_BEFORE_S, _PIECE_S = 8, 7  # of a circle of 16 s; the last second would hear the beginning
_TRIAL_S = 1500
_LOWEST, _TRIAL_PER_DAY = {"A": 24.0, "B": 18.0, "C": -6.0, "D": -6.0}, 8.0


class FlatTerm(ExtrinsicTerm):
    """The extrinsic term of a search that knows nothing of it: pairs count alike, one detector does not count."""

    def __init__(self) -> None:
        shipped = load_extrinsic()
        self.detectors, self.pairs = shipped.detectors, shipped.pairs

    def at(self, seen: Seen, heard: BoolArray, relative: FloatArray) -> FloatArray:
        """Return 0 for pairs, and what no pair falls below for one detector."""
        return np.where(seen.members.sum(axis=1) > 1, 0.0, -1e9)

    def most(self, q: FloatArray, count: int, relative: float) -> FloatArray:
        """Return 0."""
        return np.zeros(len(q))


class LoudestRanking(Ranking):
    """Events by their loudest coincidence alone."""

    def events(self, of: Coincidences, heard: BoolArray, relative: FloatArray, window_ns: int = WINDOW_NS) -> Events:
        """Return the events, whose statistic is half the largest sum of squared SNRs."""
        found = super().events(of, heard, relative, window_ns)
        value = self.summands(found.loudest, found.heard, np.ones(found.heard.shape))
        return Events(found.time_ns, value, found.loudest, found.heard)


@dataclass(frozen=True, slots=True)
class RankedSearch:
    """A bank by FFT with one of the rankings.

    Attributes
    ----------
    rule : str
        A, B, C or D.
    bank : Path
        ``parameters`` (n, 4) and ``ln_weight`` (n,).
    kept : Path
        Folder of triggers.
    floor : float
        SNR above which a trigger is kept.
    glitch_term : Path or None
        Coefficients, for D.
    """

    rule: str
    bank: Path
    kept: Path
    floor: float = 4.0
    glitch_term: Path | None = None

    @property
    def label(self) -> str:
        """Return its name in the report."""
        return f"ranking-{self.rule}"

    def search(self, scene: Scene, background_s: float) -> Searched:
        """Rank the triggers of a stretch, and slide them without what lies round its injections."""
        found = self._doubted(self._triggers(scene))
        by = self._ranking()
        coincidences = coincide(found, by.term)
        at_ns = coincidences.time_ns
        events = by.events(coincidences, heard_at(found, at_ns), relative_at(found, at_ns))
        events = events.take(np.flatnonzero(events.loudest.seen.members.sum(axis=1) > 1))
        times_s = (events.time_ns - START_S * NS_PER_S) / NS_PER_S
        ranks = loudest_near(scene.injections, times_s, events.statistic, FOUND_S)
        return Searched(ranks, self._background(found, by, spoiled(scene.injections)))

    def _ranking(self) -> Ranking:
        with np.load(self.bank) as kept:
            ln_weight = kept["ln_weight"]
        if self.rule == "A":
            return LoudestRanking(np.zeros(len(ln_weight)), FlatTerm())
        return Ranking(ln_weight, FlatTerm() if self.rule == "B" else load_extrinsic())

    def _doubted(self, found: list[Triggers]) -> list[Triggers]:
        """Return triggers with the glitch term that the rule asks for."""
        if self.rule != "D" or self.glitch_term is None:
            return found
        term = read_glitch_term(self.glitch_term)
        return [GlitchStage(own.detector, term).step(own) for own in found]

    def _background(self, found: list[Triggers], by: Ranking, excluded: list[tuple[int, int]]) -> Counts:
        """Slide by every second, above what the slides of a first part say comes several times a day."""
        first = [_first(own, _TRIAL_S * HOPS_PER_S) for own in found]
        trial = slide_triggers(first, by, SlideConfig(_LOWEST[self.rule], _TRIAL_S - 1), excluded)
        loudest = np.sort(trial.statistic)[::-1]
        at = int(_TRIAL_PER_DAY / 86_400 * trial.live_ns / NS_PER_S)
        least = float(loudest[at]) if at < len(loudest) else _LOWEST[self.rule]
        heard_s = len(found[0].valid) // HOPS_PER_S
        slid = slide_triggers(found, by, SlideConfig(least, heard_s - 1), excluded)
        return Counts.of(slid.live_ns / NS_PER_S, slid.statistic, least)

    def _triggers(self, scene: Scene) -> list[Triggers]:
        """Return the triggers of each detector, from the folder if they are there."""
        return [self._of(scene, name) for name in scene.config.detectors]

    def _of(self, scene: Scene, name: str) -> Triggers:
        path = self.kept / f"{scene.index}.{name}.npz"
        if path.exists():
            with np.load(path) as kept:
                n, hops = len(kept["template"]), len(kept["valid"])
                return Triggers(name, int(kept["gps_ns"]), int(kept["duration_ns"]), kept["valid"], kept["template"],
                                kept["time_ns"], kept["snr"], kept["chisq"], np.zeros(n, np.float32),
                                np.ones(hops, np.float32))  # fmt: skip
        made = self._make(scene, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, gps_ns=made.gps_ns, duration_ns=made.duration_ns, valid=made.valid, template=made.template,
                 time_ns=made.time_ns, snr=made.snr, chisq=made.chisq)  # fmt: skip
        return made

    def _make(self, scene: Scene, name: str) -> Triggers:
        """Filter a stretch's strain."""
        with np.load(self.bank) as kept:
            spectra = waveforms(kept["parameters"])
        return Triggers.joined(list(filtered(scene, name, spectra, self.floor)))


def spoiled(injections: Sequence[Injection]) -> list[tuple[int, int]]:
    """Return where the templates hear injections, in GPS nanoseconds: the louder, the longer before and after."""
    out = []
    for one in injections:
        more_s = max(0.0, one.network_snr - 6.0)
        before_s, after_s = min(8.0, 0.5 + 0.3 * more_s), min(4.0, 0.5 + 0.15 * more_s)
        edges_s = (one.at_s - before_s, one.at_s + after_s)
        out.append(
            (START_S * NS_PER_S + round(edges_s[0] * NS_PER_S), START_S * NS_PER_S + round(edges_s[1] * NS_PER_S))
        )
    return out


def _first(own: Triggers, hops: int) -> Triggers:
    """Return so many hops of triggers."""
    early = own.take(own.time_ns < own.gps_ns + hops * HOP_NS)
    return replace(early, duration_ns=min(own.duration_ns, hops * HOP_NS), valid=own.valid[:hops],
                   relative=own.relative[:hops])  # fmt: skip


def whitened_strain(scene: Scene, name: str) -> tuple[Float32Array, list[FloatArray | None]]:
    """Return a detector's whitened strain, and the filter in force at the end of each second."""
    conditioner = Conditioner(name, ConditionSettings())
    good = np.ones(HOPS_PER_S, dtype=np.bool_)
    samples, taps = [], []
    for k, strain in enumerate(scene.strain(name)):
        out = conditioner.step(Segment(name, (START_S + k) * NS_PER_S, RATE_HZ, strain, good))
        samples.append(out.samples)
        taps.append(conditioner.taps if conditioner.psd_ready else None)
    return np.concatenate(samples), taps


def filtered(scene: Scene, name: str, spectra: Complex64Array, floor: float) -> Iterator[Triggers]:
    """Yield the triggers of piece after piece, by templates that are whitened as the strain was there.

    The circle of 16 s that templates stand on is laid over the strain; of the mergers on it those count that have 8 s
    before them, by which any template of 7 solar masses and more has begun.
    """
    samples, taps = whitened_strain(scene, name)
    autocorrelation: Complex64Array | None = None
    for k, start in enumerate(range(SETTLED_S, len(taps) - END_S, _PIECE_S)):
        stop = min(start + _PIECE_S, len(taps) - END_S)
        if k % 4 == 0:  # the filter is of the last minute's strain: in 28 s it hardly changes
            now = taps[min(start + 2 * _PIECE_S, len(taps) - 1)]
            assert now is not None
            templates = whiten(spectra, response(now, input_rate_hz=RATE_HZ))
            turned = np.conj(templates.spectra[:, :-1])
        if autocorrelation is None:
            autocorrelation = autocorrelations(templates)
        first = start - _BEFORE_S
        strain = fft.rfft(samples[first * WHITENED_HZ : (first + DURATION_S) * WHITENED_HZ])[:-1]
        z = fft.ifft(turned * strain, axis=1, overwrite_x=True)[:, (_BEFORE_S - 1) * SNR_RATE_HZ :]
        valid = np.zeros((DURATION_S - _BEFORE_S + 1) * HOPS_PER_S, dtype=np.bool_)
        valid[HOPS_PER_S : (stop - start + 1) * HOPS_PER_S] = True
        found = triggers_of(z, name, (START_S + start - 1) * NS_PER_S, valid, autocorrelation, floor)
        yield replace(found, gps_ns=(START_S + start) * NS_PER_S, duration_ns=(stop - start) * NS_PER_S,
                      valid=valid[valid], relative=found.relative[valid])  # fmt: skip


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="What each step of the ranking is worth.")
    parser.add_argument("--out", type=Path, required=True, help="folder of triggers and report")
    parser.add_argument("--bank", type=Path, default=BANK, help="bank.npz")
    parser.add_argument("--injections", type=int, default=1000)
    parser.add_argument("--years", type=float, default=3.0)
    parser.add_argument("--floor", type=float, default=4.0)
    parser.add_argument("--glitch-term", type=Path, help="coefficients of the learned glitch term: rank by it too")
    parser.add_argument("--glitches", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    scene = SceneConfig(
        seed=arguments.seed,
        glitch_rate_hz=O3A_GLITCH_RATE_HZ if arguments.glitches else 0.0,
        population=Population(),
    )
    kept = arguments.out / "triggers"
    rules = RULES if arguments.glitch_term is None else (*RULES, "D")
    searchers = [RankedSearch(rule, arguments.bank, kept, arguments.floor, arguments.glitch_term) for rule in rules]
    with progress("stretches searched", "") as shown:
        measured = evaluate(plan(scene, arguments.injections, arguments.years), searchers, arguments.out, shown, 1)
    fractions = {
        name: {far: row["fraction_of_limit"][far] for far in FARS_HZ} for name, row in measured.summary.items()
    }
    print(json.dumps({"fraction_of_limit": fractions, "summary": measured.summary}, indent=1))


if __name__ == "__main__":
    main()
