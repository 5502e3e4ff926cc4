"""A table of two detectors' extrinsic term over delay, amplitude angle and phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.types import AnyFloatArray, FloatArray, IntArray

TABLE_SNR = 8.5
SLACK_NS = 5_000_000
"""What timing errors may add to light's travel time."""


@dataclass(frozen=True, slots=True)
class PairTable:
    """The term of two detectors.

    Attributes
    ----------
    travel_ns : int
        Light's travel time between them.
    delay_s : array of float64, shape (n_delays,)
        Equally spaced delays, second detector's time less the first's.
    values : array of float64, shape (n_delays, n_angles, n_phases)
        T at network SNR 8.5 without the noise peaks' density; angles from 0 to pi/2 are atan2(second, first) of SNR at
        the nominal sensitivities, phases from 0 to 2 pi (the end left out) are second less first.
    """

    travel_ns: int
    delay_s: FloatArray
    values: FloatArray

    @property
    def window_ns(self) -> int:
        """How far apart two triggers of one source may lie."""
        return self.travel_ns + SLACK_NS

    def at(self, delay_s: AnyFloatArray, angle_rad: AnyFloatArray, phase_rad: AnyFloatArray) -> FloatArray:
        """Interpolate linearly, shape (n,); delays outside take the table's edge."""
        n_delays, n_angles, n_phases = self.values.shape
        x = (delay_s - self.delay_s[0]) / (self.delay_s[1] - self.delay_s[0])
        i, u = _cell(np.clip(x, 0.0, n_delays - 1.0), n_delays)
        j, v = _cell(np.clip(angle_rad / (0.5 * np.pi), 0.0, 1.0) * (n_angles - 1), n_angles)
        turns = phase_rad / (2 * np.pi)
        k, w = _cell((turns - np.floor(turns)) * n_phases, n_phases + 1)
        nearer, flat = (k + 1) % n_phases, self.values.reshape(-1)
        out = np.zeros(len(x))
        for a, wa in ((i, 1.0 - u), (i + 1, u)):
            for b, wb in ((j, 1.0 - v), (j + 1, v)):
                row = (a * n_angles + b) * n_phases
                out += wa * wb * ((1.0 - w) * flat[row + k] + w * flat[row + nearer])
        return out


def _cell(x: AnyFloatArray, n: int) -> tuple[IntArray, AnyFloatArray]:
    """Return the lower node of ``n`` nodes and the fraction of the way to the next."""
    low = np.minimum(x.astype(np.int64), n - 2)
    return low, x - low
