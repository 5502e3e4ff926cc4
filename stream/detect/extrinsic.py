"""The extrinsic term: how well phases, times and amplitudes of a coincidence fit a source somewhere on the sky.

Stands inside ``detect``. A source's position and orientation decide together with what delays, relative phases and
relative amplitudes the detectors see it; noise is uniform in all of them (Nitz et al., ApJ 849, 118 (2017)).
For detectors that triggered with complex SNR z_d, q = sum |z_d|^2, the ratio of the densities of triggers is::

    exp(q / 2 + T),   T = ln mean over sources [ |g|^3 c^-5 exp(-(q - c^2) / 2) prod N(delay) ] - sum ln(C (r - 1 / r))

with g_d the complex response of detector d times its sensitivity, c = |sum_d z_d conj(g_d)| / |g| the SNR that fits
the source (distance and common phase are integrated over a volume), N the density of the measured delays about the
true ones, and C (r^2 - 1) exp(-r^2 / 2) the density of a template's noise peaks a second and unit of r = |z|
(Rice 1945: crossings of an envelope; C = sqrt(2 pi) x bandwidth). So T compares one, two, three and four detectors.

One detector: exact. Two: a table over delay, amplitude angle and phase, taken at a network SNR of 8.5. Three and
four: pair terms with a reference detector, ``T(a, b) + T(a, c) - T(a)``, the mean over which one is the reference. On
H1, L1, V1 all above SNR 3 that keeps 0.984 of the distance of the exact term, where amplitudes alone keep 0.946.
A detector that was heard and stayed below the floor counts by the probability of that, given the loudest one that
triggered. ``pipelines/train/extrinsic.py`` makes the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from stream.detect.pair_table import TABLE_SNR, PairTable
from stream.errors import ModelError
from stream.infer.model import CARILLON, EXTRINSIC
from stream.types import BoolArray, ComplexArray, FloatArray, IntArray

BANDWIDTH_HZ = 63.0
"""Root mean square of a template's whitened frequencies about their mean, volume-weighted over binaries."""

MEAN_FREQUENCY_HZ = 95.0
"""Mean whitened frequency: a peak taken late by d has its phase advanced by 2 pi d times this."""

SHIPPED = CARILLON / EXTRINSIC
_PEAK_RATE = float(np.sqrt(2.0 * np.pi)) * BANDWIDTH_HZ
_STEP = 0.1  # of the tables as kept: what rounding adds is far below what noise does


@dataclass(frozen=True, slots=True)
class Seen:
    """What detectors saw of coincidences.

    Attributes
    ----------
    detectors : tuple of str
    members : array of bool, shape (n, n_detectors)
        Which detectors triggered.
    snr : array of complex, shape (n, n_detectors)
        Their complex SNR, whose phase advances with time; zero where there is none.
    time_ns : array of int64, shape (n, n_detectors)
        When, GPS.
    """

    detectors: tuple[str, ...]
    members: BoolArray
    snr: ComplexArray
    time_ns: IntArray

    def take(self, rows: IntArray) -> Seen:
        """Return some of the coincidences."""
        return Seen(self.detectors, self.members[rows], self.snr[rows], self.time_ns[rows])


def log_peak_rate(modulus: FloatArray) -> FloatArray:
    """Return ln of the density of a template's noise peaks at an SNR, a second and unit of SNR, less -r^2 / 2 and ln r.

    The signal's density carries that r too (polar coordinates), so that it leaves both.
    """
    modulus = np.maximum(modulus, 1.5)
    out: FloatArray = np.log(_PEAK_RATE * (modulus - 1.0 / modulus))
    return out


class ExtrinsicTerm:
    """Tables of all pairs, and the term of any coincidence from them.

    Parameters
    ----------
    detectors : tuple of str
        Detectors that the tables know.
    sensitivity : array of float64, shape (n_detectors,)
        Nominal sensitivity (horizon) of each, that of the first being 1.
    volume : array of float64, shape (n_detectors,)
        Mean over sources of (response x sensitivity)^3, each detector alone.
    pairs : dict of (str, str) to PairTable
    silence : dict of (str, str) to array of float64, shape (n,)
        For (heard in, silent in): ln of the probability that the second is below the floor, on ``silence_snr``: the
        first's SNR at nominal sensitivities.
    silence_snr : array of float64, shape (n,)
    """

    def __init__(
        self,
        detectors: tuple[str, ...],
        sensitivity: FloatArray,
        volume: FloatArray,
        pairs: dict[tuple[str, str], PairTable],
        silence: dict[tuple[str, str], FloatArray],
        silence_snr: FloatArray,
    ) -> None:
        self.detectors = detectors
        self._sensitivity: dict[str, float] = dict(zip(detectors, sensitivity.tolist(), strict=True))
        self._volume = dict(zip(detectors, volume.tolist(), strict=True))
        self.pairs = pairs
        self._silence = silence
        self._silence_snr = silence_snr

    def sensitivity(self, detector: str) -> float:
        """Return a detector's nominal sensitivity, that of the first being 1.

        Raises
        ------
        ModelError
            If the tables do not know it.
        """
        if detector not in self._sensitivity:
            raise _unknown(detector, self.detectors)
        return self._sensitivity[detector]

    def most(self, q: FloatArray, count: int, relative: float) -> FloatArray:
        """Return the most that T can be, shape (n,), of ``count`` detectors whose SNRs are equal, their squares' sum q.

        All pair tables are taken at their maximum, all detectors to be as sensitive as the best, ``relative``.
        """
        each = np.sqrt(q / count)
        most = max(float(p.values.max()) for p in self.pairs.values()) + 3.0 * np.log(relative)
        pair = most - 7.0 * np.log(each * np.sqrt(2.0) / TABLE_SNR)
        alone = -5.0 * np.log(each)
        out: FloatArray = (count - 1) * pair - (count - 2) * alone - count * log_peak_rate(each)
        return out

    def window_ns(self, first: str, second: str) -> int:
        """Return how far apart two triggers of one source may lie."""
        return self._pair(first, second)[0].window_ns

    def at(self, seen: Seen, heard: BoolArray, relative: FloatArray) -> FloatArray:
        """Return T of coincidences.

        Parameters
        ----------
        seen : Seen
            What each detector that takes part saw, n coincidences.
        heard : array of bool, shape (n, n_detectors)
            Which detectors could have triggered.
        relative : array of float64, shape (n, n_detectors)
            Sensitivity at the time over the nominal one.

        Returns
        -------
        array of float64, shape (n,)
        """
        out = np.zeros(len(seen.members))
        patterns = seen.members @ (1 << np.arange(len(seen.detectors)))
        for pattern in np.unique(patterns):
            rows = np.flatnonzero(patterns == pattern)
            columns = [d for d in range(len(seen.detectors)) if pattern >> d & 1]
            out[rows] = self._of_set(seen.take(rows), columns, relative[rows])
            for d in range(len(seen.detectors)):
                silent = rows[heard[rows, d] & ~seen.members[rows, d]]
                if len(silent):
                    out[silent] += self._silent(seen.take(silent), d, relative[silent])
        return out

    def _of_set(self, seen: Seen, columns: list[int], relative: FloatArray) -> FloatArray:
        """Return T of coincidences of one set of detectors, all others left out of account."""
        modulus = np.abs(seen.snr)
        n = len(columns)
        out: FloatArray = -log_peak_rate(modulus[:, columns]).sum(axis=1)
        # The mean over which of them is the reference: each pair counts 2 / n, each detector alone (2 - n) / n.
        if n != 2:
            for d in columns:
                out += self._alone(seen.detectors[d], modulus[:, d], relative[:, d]) * ((2 - n) / n)
        for a, b in combinations(columns, 2):
            out += self._two(seen, a, b, relative) * (2 / n)
        return out

    def _alone(self, detector: str, modulus: FloatArray, relative: FloatArray) -> FloatArray:
        out: FloatArray = np.log(self._volume[detector] * relative**3) - 5.0 * np.log(modulus)
        return out

    def _two(self, seen: Seen, a: int, b: int, relative: FloatArray) -> FloatArray:
        """Return a pair's T, the noise peaks' density left out."""
        table, swapped = self._pair(seen.detectors[a], seen.detectors[b])
        if swapped:
            a, b = b, a
        # The sources' density in SNR per sensitivity is homogeneous of degree -7 and knows no detector's noise.
        first, second = (np.abs(seen.snr[:, d]) / relative[:, d] for d in (a, b))
        scale = 7.0 * np.log(np.hypot(first, second) / TABLE_SNR) + 2.0 * np.log(relative[:, a] * relative[:, b])
        delay_s = (seen.time_ns[:, b] - seen.time_ns[:, a]) * 1e-9
        phase = np.angle(seen.snr[:, b] * seen.snr[:, a].conj())
        out: FloatArray = table.at(delay_s, np.arctan2(second, first), phase) - scale
        return out

    def _silent(self, seen: Seen, d: int, relative: FloatArray) -> FloatArray:
        """Return ln of the probability that detector ``d`` is below the floor, given the loudest that is above."""
        modulus = np.where(seen.members, np.abs(seen.snr), 0.0)
        loudest = modulus.argmax(axis=1)
        out = np.zeros(len(loudest))
        for a in np.unique(loudest):
            rows = np.flatnonzero(loudest == a)
            known = self._silence[seen.detectors[a], seen.detectors[d]]
            out[rows] = np.interp(modulus[rows, a] * relative[rows, d] / relative[rows, a], self._silence_snr, known)
        return out

    def _pair(self, first: str, second: str) -> tuple[PairTable, bool]:
        """Return a pair's table, and whether it has them the other way round."""
        swapped = (first, second) not in self.pairs
        table = self.pairs.get((second, first) if swapped else (first, second))
        if table is None:
            raise _unknown(f"{first} and {second}", self.detectors)
        return table, swapped

    def save(self, path: Path) -> None:
        """Write what :func:`load_extrinsic` reads; tables in steps of 0.1, as far below their maximum as 25."""
        content: dict[str, object] = {
            "detectors": np.array(self.detectors),
            "sensitivity": np.array([self._sensitivity[d] for d in self.detectors]),
            "volume": np.array([self._volume[d] for d in self.detectors]),
            "silence_snr": self._silence_snr,
        }
        for (a, b), values in self._silence.items():
            content[f"silence_{a}_{b}"] = values
        for (a, b), table in self.pairs.items():
            steps = np.round((table.values.max() - table.values) / _STEP)
            content[f"pair_{a}_{b}"] = np.minimum(steps, 255).astype(np.uint8)
            content[f"scale_{a}_{b}"] = np.array([table.values.max(), *table.delay_s[[0, -1]], float(table.travel_ns)])
        np.savez_compressed(path, **content)  # type: ignore[arg-type]  # the stub takes allow_pickle for one of them


def load_extrinsic(path: Path = SHIPPED) -> ExtrinsicTerm:
    """Read the tables.

    Raises
    ------
    ModelError
        If the file is missing or is not such tables.
    """
    try:
        with np.load(path) as kept:
            names = tuple(str(d) for d in kept["detectors"])
            pairs, silence = {}, {}
            for key in kept.files:
                kind, *ab = key.split("_")
                if kind == "pair":
                    most, start_s, stop_s, travel_ns = kept["scale_" + "_".join(ab)]
                    values = most - _STEP * kept[key].astype(np.float64)
                    pairs[ab[0], ab[1]] = PairTable(int(travel_ns), np.linspace(start_s, stop_s, len(values)), values)
                elif kind == "silence" and ab[0] != "snr":
                    silence[ab[0], ab[1]] = kept[key]
            return ExtrinsicTerm(names, kept["sensitivity"], kept["volume"], pairs, silence, kept["silence_snr"])
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"{path} is not a file of extrinsic tables ({error}): make it with python -m pipelines.train.extrinsic"
        ) from error


def _unknown(what: str, known: tuple[str, ...]) -> ModelError:
    return ModelError(
        f"no extrinsic table for {what}: there are {', '.join(known)}; make them with "
        "python -m pipelines.train.extrinsic"
    )
