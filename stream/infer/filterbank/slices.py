"""How a template is cut in time: four slices, each at the rate that its frequencies need.

A chirp's early part is slow (multi-rate filtering: Cannon et al., Astrophys. J. 748, 136 (2012)). The slices fade into
one another, so that their spectra stay narrow and their sum is the template. Sampled positions are counted at 2048 Hz
from the merger, and the data end ``END`` samples after it.

Each slice's filter is taken at all the positions that an output of 1024 Hz can have between two samples of the slice's
rate (its *phases*), so that no interpolation follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.infer.filterbank.waveforms import RATE_HZ
from stream.types import AnyFloatArray, FloatArray

END = 192
"""Samples of data after the merger: 94 ms. Whitening filters ring on: 24 ms would cost 2 to 5 % of the SNR."""

PHASES = 8
"""Outputs of 1024 Hz to a sample of the slowest slice; the graph makes outputs by whole groups of this size."""


@dataclass(frozen=True, slots=True)
class Decimator:
    """A linear-phase low-pass filter of ``taps`` taps and a step; from 2048 Hz or from the slice before."""

    taps: FloatArray
    step: int


def _decimator(count: int, step: int, cut_hz: float, rate_hz: float) -> Decimator:
    k = np.arange(count) - (count - 1) / 2
    taps = np.sinc(2.0 * cut_hz / rate_hz * k) * np.kaiser(count, 5.0)
    return Decimator(taps / taps.sum(), step)


DECIMATORS = (
    _decimator(29, 4, 235.0, 2048.0),
    _decimator(31, 2, 118.0, 512.0),
    _decimator(49, 2, 62.0, 256.0),
)
"""2048 → 512 → 256 → 128 Hz."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: how often its data are sampled, and between which times it counts.

    Attributes
    ----------
    step : int
        Samples of 2048 Hz to one of the slice's data.
    half : int
        Half length of its decimators together, in samples of 2048 Hz.
    start, stop : int
        Where it fades in and out, from the merger; ``stop`` of the last is where the data end.
    fade_in, fade_out : int
        Over how many samples, centred there.
    """

    step: int
    half: int
    start: int
    stop: int
    fade_in: int
    fade_out: int

    @property
    def phases(self) -> int:
        """Outputs to a sample of the slice's data."""
        return max(1, self.step // 2)

    @property
    def first_tap(self) -> int:
        """Position that the filter's first tap must reach for every phase."""
        spread = min(self.half, 3 * self.step)
        return self.start - self.fade_in // 2 - spread

    @property
    def n_taps(self) -> int:
        """Length of the filter at the slice's rate."""
        if self.step == 1:
            return self.stop - self.first_tap
        last = self.stop + self.fade_out // 2 + min(self.half, 3 * self.step)
        # One more for where the grid falls, one for the first itself.
        return -(-(last - self.first_tap + 2 * (self.phases - 1)) // self.step) + 2

    def window(self, position: FloatArray) -> FloatArray:
        """Return what part of the template at a position belongs to this slice; the slices' parts add up to 1."""
        up = np.clip((position - self.start) / self.fade_in + 0.5, 0.0, 1.0)
        part: FloatArray = np.sin(0.5 * np.pi * up) ** 2
        if self.fade_out:
            down = np.clip((position - self.stop) / self.fade_out + 0.5, 0.0, 1.0)
            part = part * np.cos(0.5 * np.pi * down) ** 2
        else:
            part = part * (position < self.stop)
        return part


def _half(stages: int) -> int:
    half, step = 0, 1
    for decimator in DECIMATORS[:stages]:
        half += (len(decimator.taps) - 1) // 2 * step
        step *= decimator.step
    return half


SLICES = (
    Slice(1, 0, -208, END, 32, 0),
    Slice(4, _half(1), -820, -208, 128, 32),
    Slice(8, _half(2), -3400, -820, 256, 128),
    Slice(16, _half(3), -16200, -3400, 256, 256),
)

CONTEXT = -(-(END - SLICES[-1].first_tap + SLICES[-1].half + SLICES[-1].step + 2 * PHASES) // 128) * 128
"""Samples of strain that the graph needs before those of its first output."""


def first_sample(part: Slice) -> int:
    """Return which sample of its decimated data a slice's filter begins with, counted from the graph's first input."""
    if part.step == 1:
        return CONTEXT + 2 - part.n_taps
    # Sample b stands at step * b + half of the input, phase p's merger at CONTEXT + 2 - END + 2 p.
    return (part.first_tap + CONTEXT + 2 - END - part.half) // part.step


def first_position(part: Slice) -> int:
    """Return where the first tap stands from the merger, for phase 0; phase p stands 2 p samples earlier."""
    if part.step == 1:
        return part.stop - part.n_taps
    return part.step * first_sample(part) + part.half - (CONTEXT + 2 - END)


def decimator_response(part: Slice, frequency_hz: AnyFloatArray) -> FloatArray:
    """Return the gain of a slice's decimators together; it is real, their delay being accounted for."""
    gain: FloatArray = np.ones(len(frequency_hz))
    rate = float(RATE_HZ)
    step = 1
    for decimator in DECIMATORS:
        if step == part.step:
            break
        k = np.arange(len(decimator.taps)) - (len(decimator.taps) - 1) // 2
        gain = gain * (np.cos(2.0 * np.pi * np.outer(frequency_hz / rate, k)) @ decimator.taps)
        step, rate = step * decimator.step, rate / decimator.step
    return gain
