"""From witness groups to regressors: one common rate, no offsets, and the products that are asked for.

The working rate is the highest rate among the groups. A channel that cannot reach the band (20 Hz) is no linear
regressor; it serves in products only. Slow channels are raised to the working rate causally, which delays them:
the regression sees the delayed ones, and so does its fit.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import numpy as np

from stream import filters
from stream.denoise.resample import BAND_EDGE, Resampler
from stream.records import WitnessGroup
from stream.settings import DenoiseSettings
from stream.timebase import HOPS_PER_S
from stream.types import BoolArray, FloatArray

BAND_LOW_HZ = 20.0

MISSING = "witnesses missing"
NOT_FINITE = "witness not finite"
SATURATED = "witness saturated"
CONSTANT = "witness constant"

_HIGH_PASS_HZ = 5.0
_CONSTANT_HOPS = HOPS_PER_S  # a second without any change: the sensor is dead
_MIN_SAMPLES_TO_CLIP = 8

Layout = tuple[tuple[int, tuple[str, ...]], ...]


def layout_of(groups: tuple[WitnessGroup, ...]) -> Layout:
    """Return rates and channel names, which say whether two stretches fit together."""
    return tuple((group.sample_rate_hz, group.channels) for group in groups)


def _pairs(layout: Layout, patterns: tuple[tuple[str, str], ...]) -> list[tuple[int, int]]:
    names = [name for _, channels in layout for name in channels]
    found: list[tuple[int, int]] = []
    for first, second in patterns:
        left = [i for i, name in enumerate(names) if fnmatchcase(name, first)]
        right = [i for i, name in enumerate(names) if fnmatchcase(name, second)]
        found += [(i, j) for i in left for j in right if i != j and (i, j) not in found and (j, i) not in found]
    return found


class RegressorBank:
    """Make regressors from a detector's witnesses, with carried state.

    Parameters
    ----------
    layout : Layout
        Groups as they come.
    settings : DenoiseSettings
        Bilinear pairs and the most regressors.

    Attributes
    ----------
    rate_hz : int
        Working rate.
    n_linear, n_regressors : int
        The linear ones come first, the products after them.
    left_out : int
        Regressors beyond ``max_regressors``, not used.
    """

    def __init__(self, layout: Layout, settings: DenoiseSettings) -> None:
        self.layout = layout
        self.rate_hz = max(rate for rate, _ in layout)
        self._resamplers = [Resampler(rate, self.rate_hz, len(channels)) for rate, channels in layout]
        rates = [rate for rate, channels in layout for _ in channels]
        linear = [i for i, rate in enumerate(rates) if BAND_EDGE * rate > BAND_LOW_HZ]
        pairs = _pairs(layout, settings.bilinear)
        self.left_out = max(0, len(linear) + len(pairs) - settings.max_regressors)
        # Products go first when there is no room: a linear regressor is the safer one.
        self._linear = linear[: settings.max_regressors]
        self._pairs = pairs[: settings.max_regressors - len(self._linear)]
        self.n_linear = len(self._linear)
        self.n_regressors = self.n_linear + len(self._pairs)
        self._sos: FloatArray = filters.butterworth_highpass(2, _HIGH_PASS_HZ, self.rate_hz)
        self._steady: FloatArray = filters.steady_state(self._sos)
        self._still = np.zeros(len(rates))
        self._last: FloatArray = np.full(len(rates), np.nan)
        self.reset()

    @property
    def usable(self) -> bool:
        """Whether every group's rate divides the working rate, and there is anything to regress on."""
        return self.n_regressors > 0 and all(self.rate_hz % rate == 0 for rate, _ in self.layout)

    def reset(self) -> None:
        """Forget the past, as after a gap of the witnesses."""
        for resampler in self._resamplers:
            resampler.reset()
        self._zi: FloatArray | None = None

    def check(self, groups: tuple[WitnessGroup, ...], n_hops: int) -> list[str]:
        """Return for each hop why its witnesses cannot be used, or an empty string."""
        lost: BoolArray = np.zeros(n_hops, dtype=np.bool_)
        broken: BoolArray = np.zeros(n_hops, dtype=np.bool_)
        clipped: BoolArray = np.zeros(n_hops, dtype=np.bool_)
        still = []
        for group in groups:
            hops = group.samples.reshape(len(group.channels), n_hops, -1)
            finite = np.isfinite(hops)
            lost |= ~finite.any(axis=(0, 2))
            broken |= ~finite.all(axis=(0, 2))
            low, high = hops.min(axis=2), hops.max(axis=2)
            if hops.shape[2] >= _MIN_SAMPLES_TO_CLIP:
                at_rail = np.maximum(np.mean(hops == low[..., None], axis=2), np.mean(hops == high[..., None], axis=2))
                clipped |= ((at_rail > 0.25) & (low != high)).any(axis=0)
            still.append((low, high))
        constant = self._constant(np.concatenate([s[0] for s in still]), np.concatenate([s[1] for s in still]))
        reasons = np.select(
            [lost, broken, clipped, constant],
            [MISSING, NOT_FINITE, SATURATED, CONSTANT],
            "",
        )
        return [str(reason) for reason in reasons]

    def _constant(self, low: FloatArray, high: FloatArray) -> BoolArray:
        """Whether, hop by hop, any channel has not moved for a second; inputs have shape (n_channels, n_hops)."""
        constant = np.zeros(low.shape[1], dtype=np.bool_)
        for hop in range(low.shape[1]):
            same = (low[:, hop] == high[:, hop]) & (low[:, hop] == self._last)
            self._still = np.where(same, self._still + 1, 0)
            self._last = high[:, hop]
            constant[hop] = (self._still >= _CONSTANT_HOPS).any()
        return constant

    def step(self, groups: tuple[WitnessGroup, ...]) -> FloatArray:
        """Return the regressors, float64, shape (n_regressors, n) at the working rate."""
        raised = np.concatenate(
            [r.up(g.samples.astype(np.float64)) for r, g in zip(self._resamplers, groups, strict=True)]
        )
        made = np.empty((self.n_regressors, raised.shape[1]))
        if self._linear:
            linear = raised[self._linear]
            if self._zi is None:
                self._zi = self._steady[:, None, :] * linear[None, :, :1]
            made[: self.n_linear], self._zi = filters.run(self._sos, linear, self._zi)
        for row, (i, j) in enumerate(self._pairs, start=self.n_linear):
            made[row] = raised[i] * raised[j]
        return made
