"""Coordinates in which posteriors of masses and spins are straight.

What a signal's phase fixes best is the chirp mass, given mass ratio and spin: a posterior is a thin bent sheet. At each
asymmetry and spin there is a chirp mass whose waveform is most like a reference's. It is found on a grid, a polynomial
goes through the grid, and what is drawn is the distance from there. (A shift that depends on the other coordinates
alone: volumes are those in ln chirp mass, asymmetry and spins, but for a constant factor.)

The spin that counts is the one in the phase's first spin term (Ajith, Phys. Rev. D 84, 084037 (2011)), normalised so
that of equal spins it is either.
"""

from __future__ import annotations

from dataclasses import dataclass

import lal
import lalsimulation
import numpy as np

from stream.infer.filterbank.waveforms import chirp_mass_msun
from stream.localize.nearby import LAGS, Nodes, Reference
from stream.types import AnyFloatArray, BoolArray, FloatArray, IntArray

LEAST_MASS_MSUN, MOST_MASS_MSUN = 1.0, 400.0
MOST_ASYMMETRY = 0.89
"""(m1 - m2) / (m1 + m2) of a mass ratio of 17: the waveform is calibrated up to 18."""
MOST_SPIN = 0.99

MOST_SNR = 20.0
"""The polynomial is as near to the grid as louder signals' posteriors are wide."""

_MTSUN_S = float(lal.MTSUN_SI)

_ASYMMETRIES, _SPINS = (
    grid.ravel()
    for grid in np.meshgrid(np.sqrt(np.linspace(0.0, MOST_ASYMMETRY**2, 9)), np.linspace(-0.9, 0.9, 9), indexing="ij")
)
_DEGREE = 4
_MOST_MOVE = 0.2
_STEPS = 3
_SCANNED = np.flatnonzero(np.arange(len(_SPINS)) // 9 % 2 == 0)
_SCAN, _REACH = 11, 2.5
"""Points of the grid with each second asymmetry; chirp masses tried at each, up to so many radians of phase away."""

_LOG_MF = (-8.7, -1.3)  # of total mass times frequency: 1.6 solar masses at 20 Hz, and beyond all ringdowns
_POINTS = 3000


@dataclass(frozen=True, slots=True)
class Ridge:
    """The sheet, and how far from it to look.

    Coordinates of a binary: ln(chirp mass) less the sheet's, spin, asymmetry, half the spins' difference.

    Attributes
    ----------
    coefficients : array of float64, shape (n,)
        Of the polynomial in asymmetry squared and spin.
    width : float
        Change of ln(chirp mass) that loses one unit of |z|^2 (of louder signals: as at ``MOST_SNR``).
    """

    coefficients: FloatArray
    width: float

    def parameters(self, at: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return masses and spins, shape (n, 4), and which of them are within the prior's bounds."""
        inside: BoolArray = (at[:, 2] >= 0.0) & (at[:, 2] < MOST_ASYMMETRY)
        asymmetry = np.clip(at[:, 2], 0.0, MOST_ASYMMETRY)
        log_mchirp = at[:, 0] + _terms(asymmetry, at[:, 1]) @ self.coefficients
        out = _parameters(log_mchirp, at[:, 1], asymmetry, at[:, 3])
        inside &= (np.abs(out[:, 2:]) < MOST_SPIN).all(axis=1)
        return out, inside & (out[:, 1] >= LEAST_MASS_MSUN) & (out[:, 0] <= MOST_MASS_MSUN)


class Sheets:
    """The phases of waveforms at each asymmetry and spin of a grid, for any mass; made once."""

    def __init__(self, nodes: Nodes) -> None:
        self._log_hz = np.log(nodes.frequency_hz)
        self._hz = nodes.frequency_hz
        log_mf = np.linspace(*_LOG_MF, _POINTS)
        self._step = float(log_mf[1] - log_mf[0])
        rows = _parameters(np.zeros(len(_SPINS)), _SPINS, _ASYMMETRIES, np.zeros(len(_SPINS)))
        self._log_total = np.log(rows[:, 0] + rows[:, 1])  # of a chirp mass of 1
        self._phase = np.stack([_dimensionless_phase(row, np.exp(log_mf)) for row in rows])
        self._slope = np.gradient(self._phase, self._step, axis=1)

    def about(self, reference: Reference) -> Ridge:
        """Return the coordinates about a reference."""
        likeness = self._likeness(reference)
        log_mchirp, left = self._nearest(likeness)
        power, _ = reference.power_at(reference.at_nodes[None])
        weight = np.exp(-0.25 * np.minimum(left * power.max(), 12.0))[:, None]
        terms = weight * _terms(_ASYMMETRIES, _SPINS)
        coefficients = np.linalg.lstsq(terms, weight[:, 0] * log_mchirp, rcond=None)[0]
        _, slope = self._at(np.array([likeness.log_mchirp]), np.array([likeness.nearest]))
        radian = 1.0 / float(np.sqrt(np.sum(likeness.left(slope) ** 2)))
        return Ridge(coefficients, radian / min(float(np.sqrt(power.max())), MOST_SNR))

    def scan(self, reference: Reference) -> tuple[FloatArray, int]:
        """Return masses and spins of what finds most on the grid, and how many samples later than a reference.

        Tried are chirp masses about those that are nearest to the reference.

        A reference that is like the signal in part has its neighbours elsewhere than the signal has.
        """
        likeness = self._likeness(reference)
        log_mchirp, _ = self._nearest(likeness)
        phase, slope = self._at(log_mchirp[_SCANNED], _SCANNED)
        moves = np.linspace(-_REACH, _REACH, _SCAN) / np.sqrt(np.sum(likeness.left(slope) ** 2, axis=1))[:, None]
        turned = (phase[:, None] + slope[:, None] * moves[:, :, None]).reshape(-1, len(self._hz)) % (2.0 * np.pi)
        turned = turned.astype(np.float32)
        waves = np.empty(turned.shape, dtype=np.complex64)
        waves.real, waves.imag = np.cos(turned), np.sin(turned)
        waves *= np.abs(reference.at_nodes).astype(np.float32)
        power, _ = reference.power_at(waves, 2)
        row, lag = divmod(int(power.argmax()), power.shape[1])
        row, move = divmod(row, _SCAN)
        k = _SCANNED[row]
        at = np.array([log_mchirp[k] + moves[row, move]])
        found: FloatArray = _parameters(at, _SPINS[k : k + 1], _ASYMMETRIES[k : k + 1], np.zeros(1))[0]
        return found, 2 * lag - LAGS

    def _nearest(self, likeness: _Likeness) -> tuple[FloatArray, FloatArray]:
        """Return the grid's ln(chirp mass) nearest to a reference, and the square of the phase that is left."""
        log_mchirp, everywhere = np.full(len(_SPINS), likeness.log_mchirp), np.arange(len(_SPINS))
        slope = likeness.left(self._at(log_mchirp, everywhere)[1])
        for _ in range(_STEPS):
            phase = likeness.left(self._looked_up(self._phase, *self._place(log_mchirp, everywhere)) - likeness.phase)
            move = -np.sum(slope * phase, axis=1) / np.sum(slope**2, axis=1)
            log_mchirp = log_mchirp + np.clip(move, -_MOST_MOVE, _MOST_MOVE)
        return log_mchirp, np.sum((phase + slope * move[:, None]) ** 2, axis=1)

    def _at(self, log_mchirp: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return phases and their slopes with ln(chirp mass), shape (n, n_nodes), of chirp masses at grid points."""
        place = self._place(log_mchirp, rows)
        return self._looked_up(self._phase, *place), self._looked_up(self._slope, *place)

    def _place(self, log_mchirp: FloatArray, rows: IntArray) -> tuple[IntArray, FloatArray]:
        """Return where in the tables the nodes lie: the point below each, and how far it is beyond."""
        total = (log_mchirp + self._log_total[rows])[:, None] + np.log(_MTSUN_S)
        place = np.clip((total + self._log_hz - _LOG_MF[0]) / self._step, 0.0, _POINTS - 1.001)
        left = place.astype(np.int64)
        return left + rows[:, None] * _POINTS, place - left

    @staticmethod
    def _looked_up(table: FloatArray, left: IntArray, part: FloatArray) -> FloatArray:
        below: FloatArray = np.take(table, left)
        return below + part * (np.take(table, left + 1) - below)

    def _likeness(self, reference: Reference) -> _Likeness:
        log_mchirp, spin, asymmetry = _plain(reference.parameters)
        nearest = int(np.argmin((_ASYMMETRIES**2 - asymmetry**2) ** 2 + (_SPINS - spin) ** 2))
        base = self._at(np.array([log_mchirp]), np.array([nearest]))[0][0]
        weight = np.mean(reference.power / reference.power.sum(axis=1, keepdims=True), axis=0)
        weight = np.where(np.abs(reference.at_nodes) > 0.0, weight, 0.0)
        phase = base + np.unwrap(np.angle(reference.at_nodes * np.exp(-1j * base)))
        root = np.sqrt(weight)
        free, _ = np.linalg.qr((np.stack((np.ones(len(root)), self._hz / 100.0)) * root).T)
        return _Likeness(log_mchirp, nearest, phase, root, free)


@dataclass(frozen=True, slots=True)
class _Likeness:
    """How unlike a reference other phases are, as the detectors see them, a constant and a time being free."""

    log_mchirp: float
    nearest: int  # of the grid
    phase: FloatArray
    root: FloatArray
    free: FloatArray

    def left(self, phase: FloatArray) -> FloatArray:
        """Return phases, weighted, less what a constant and a time make up for."""
        weighted = phase * self.root
        out: FloatArray = weighted - (weighted @ self.free) @ self.free.T
        return out


def _dimensionless_phase(row: FloatArray, mf: FloatArray) -> FloatArray:
    """Return the phase of a waveform at total masses times frequencies, in radians."""
    m1, m2, chi1, chi2 = row.tolist()
    total_s = (m1 + m2) * _MTSUN_S
    sequence = lal.CreateREAL8Sequence(len(mf))
    sequence.data = mf / total_s
    series = lalsimulation.SimIMRPhenomXASFrequencySequence(
        sequence, m1 * lal.MSUN_SI, m2 * lal.MSUN_SI, chi1, chi2, 1e6 * lal.PC_SI, 0.0, mf[0] / total_s, None
    )
    # Leading order first (Newtonian): it turns by more than pi between two points.
    leading = 3.0 / 128.0 / (m1 * m2 / (m1 + m2) ** 2) * (np.pi * mf) ** (-5 / 3)
    values = series.data.data
    known = np.abs(values) > 0.0
    turned = np.where(known, values * np.exp(1j * leading), 1.0)
    phase: FloatArray = np.unwrap(np.angle(turned)) - leading
    return phase


def _terms(asymmetry: FloatArray, spin: FloatArray) -> FloatArray:
    x, y = asymmetry**2, spin
    return np.stack([x**i * y**j for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)], axis=-1)


def _spin_share(asymmetry: AnyFloatArray) -> AnyFloatArray:
    """Return what the spins' half difference adds to the spin that counts."""
    eta = 0.25 * (1.0 - asymmetry**2)
    return asymmetry / (1.0 - 76.0 * eta / 113.0)


def _plain(parameters: FloatArray) -> tuple[float, float, float]:
    """Return ln(chirp mass), spin and asymmetry of masses and spins."""
    m1, m2, chi1, chi2 = parameters
    asymmetry = (m1 - m2) / (m1 + m2)
    spin = 0.5 * (chi1 + chi2) + 0.5 * (chi1 - chi2) * float(_spin_share(asymmetry))
    return float(np.log(chirp_mass_msun(parameters))), spin, float(asymmetry)


def _parameters(log_mchirp: FloatArray, spin: FloatArray, asymmetry: FloatArray, difference: FloatArray) -> FloatArray:
    """Return masses and spins, shape (n, 4); spins are held within bounds."""
    total = np.exp(log_mchirp) * (0.25 * (1.0 - asymmetry**2)) ** -0.6
    mean = spin - difference * _spin_share(asymmetry)
    spins = np.clip(np.stack((mean + difference, mean - difference)), -MOST_SPIN, MOST_SPIN)
    return np.stack((0.5 * total * (1.0 + asymmetry), 0.5 * total * (1.0 - asymmetry), *spins), axis=1)
