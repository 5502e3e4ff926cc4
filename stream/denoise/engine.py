"""The running part of the regression, for one layout of channels: predict, judge, fit anew, on the GPS grid."""

from __future__ import annotations

import numpy as np

from stream import filters
from stream.denoise.fit import SEGMENT_S, STEP_S, Band, Spectra
from stream.denoise.judge import Judge
from stream.denoise.kept import EngineState
from stream.denoise.regressors import BAND_LOW_HZ, MISSING, Layout, RegressorBank
from stream.denoise.resample import BAND_EDGE, Resampler
from stream.records import Segment, WitnessGroup
from stream.settings import DenoiseSettings
from stream.timebase import HOP_NS, HOPS_PER_S
from stream.types import FloatArray
from stream.units import STRAIN_SCALE

__all__ = ["ACTIVE", "MISSING", "NOTHING", "NOT_PROVEN", "SETTLING", "WORSE", "Engine"]

FADE_HOPS = 4

SETTLING = "settling"
NOT_PROVEN = "filter not proven yet"
NOTHING = "nothing coherent"
WORSE = "cleaned worse than raw"
ACTIVE = ""

_PRODUCT_TAPS_S = 1 / 16  # a product lives near a line: few taps give its gain and phase
_MAX_TAPS = 1024  # in all: the solution costs their cube, here some 0.1 s on one core; more channels get fewer taps
_HIGH_PASS_HZ = 10.0
_FILTER_START_HOPS = 4  # of the regressors' own filters, beyond the taps
_STRAIN_START_HOPS = HOPS_PER_S  # of the high-pass that holds the seismic wall down
_STEP_HOPS = STEP_S * HOPS_PER_S
_SEGMENT_HOPS = SEGMENT_S * HOPS_PER_S


class Engine:
    """Regression of strain at one rate on one layout of witness channels.

    Parameters
    ----------
    layout : Layout
        Rates and names of the channels.
    strain_rate_hz : int
        Rate of strain.
    settings : DenoiseSettings
        See there.

    Attributes
    ----------
    usable : bool
        Whether the rates fit together; an unusable engine is only asked for its name.
    power_ratio : float or None
        Whitened band power, cleaned over raw, between the last two updates that had data.
    """

    def __init__(self, layout: Layout, strain_rate_hz: int, settings: DenoiseSettings) -> None:
        self.bank = RegressorBank(layout, settings)
        self._pairs = settings.bilinear
        self.strain_rate_hz = strain_rate_hz
        rate = self.bank.rate_hz
        self.usable = self.bank.usable and strain_rate_hz % rate == 0 and BAND_EDGE * rate > 2 * BAND_LOW_HZ
        self.power_ratio: float | None = None
        self.fits = self.loud_segments = 0
        if not self.usable:
            return
        self._hop, self._factor = rate // HOPS_PER_S, strain_rate_hz // rate
        n = self.bank.n_regressors
        linear = max(1, round(settings.filter_s * rate))
        product = min(linear, round(_PRODUCT_TAPS_S * rate))
        if self.bank.n_linear:
            room = _MAX_TAPS - product * (n - self.bank.n_linear)
            linear = max(product, min(linear, room // self.bank.n_linear))
        self._taps = (linear,) * self.bank.n_linear + (product,) * (n - self.bank.n_linear)
        self._update_hops = max(FADE_HOPS, round(settings.update_s * HOPS_PER_S / FADE_HOPS) * FADE_HOPS)
        self._settle_hops = _FILTER_START_HOPS - (-linear // self._hop)
        self._raise = Resampler(rate, strain_rate_hz)
        self._lower = Resampler(rate, strain_rate_hz, 2)
        self._sos: FloatArray = filters.butterworth_highpass(4, _HIGH_PASS_HZ, rate)
        self._band = self._make_band(rate)
        self._spectra = Spectra(self._band, n, settings.memory_s)
        self._new: FloatArray = np.zeros((n, max(self._taps)))
        self._old = self._new
        self._gate = self._old_gate = 0.0
        self._why_not = NOT_PROVEN
        self._judged = Judge(self._band)
        self._added = False
        self._next_ns: int | None = None
        # Raw strain, prediction and regressors of the last 4 s, at slot hop % 64.
        self._recent: FloatArray = np.zeros((2 + n, _SEGMENT_HOPS, self._hop))
        self._reset()

    @property
    def state_bytes(self) -> int:
        """Size of what a checkpoint would keep."""
        n = self.bank.n_regressors
        return 16 * len(self._band.frequencies_hz) * (n * (n + 1) // 2 + n + 1) + self._new.nbytes

    def state(self) -> EngineState | None:
        """Return what a checkpoint keeps; None before there is anything."""
        if not self.usable or self._next_ns is None or not self.fits:
            return None
        return EngineState(
            self.bank.layout, self.strain_rate_hz, self._pairs, self._next_ns, self._taps, self._new.copy(),
            self._gate > 0, self.fits, self.power_ratio, self._spectra.state(),
        )  # fmt: skip

    def restore(self, state: EngineState) -> None:
        """Go on with what was learned before a restart.

        Raises
        ------
        ValueError
            If it was learned with other channels, rates or settings; nothing is taken up then.
        """
        if (state.layout, state.strain_rate_hz) != (self.bank.layout, self.strain_rate_hz):
            raise ValueError("its channels or rates are not those of the stream")
        if (state.pairs, state.taps) != (self._pairs, self._taps):
            raise ValueError("its settings are not the present ones")
        if state.filters.shape != self._new.shape or not np.isfinite(state.filters).all():
            raise ValueError("its filters are damaged")
        self._spectra.restore(state.spectra)
        self._new = self._old = state.filters.astype(np.float64)
        self._gate = self._old_gate = float(state.is_open)
        self.fits, self.power_ratio = state.fits, state.power_ratio

    def _make_band(self, rate: int) -> Band:
        f: FloatArray = np.arange(SEGMENT_S * rate // 2 + 1) / SEGMENT_S
        high_pass = filters.response(self._sos, f, rate)
        raising = self._raise.response(f)
        inside = (f >= 0.75 * BAND_LOW_HZ) & (f <= BAND_EDGE * rate)
        # Outside the band nothing of strain is used: its steep filters are not undone there.
        return Band(f, inside, np.where(inside, raising * high_pass, 1.0), raising)

    def skip(self, segment: Segment) -> None:
        """Let a segment without witnesses pass: time goes on, the filters start anew after it."""
        if not self.usable:
            return
        self._reset()
        first = segment.gps_ns // HOP_NS
        for hop in range(first - first % FADE_HOPS + FADE_HOPS, first + segment.n_hops + 1, FADE_HOPS):
            self._close(hop)
        self._next_ns = segment.end_ns

    def step(self, segment: Segment) -> tuple[FloatArray, list[str]]:
        """Return what to subtract (scaled strain, at its rate) and, for each hop, why nothing is."""
        if self._next_ns not in (None, segment.gps_ns):
            self._reset()
        self._next_ns = segment.end_ns
        reasons = self.bank.check(segment.witnesses, segment.n_hops)
        prediction = np.zeros(len(segment.samples))
        start, first = 0, segment.gps_ns // HOP_NS
        while start < segment.n_hops:
            stop = self._piece_end(segment, reasons, start)
            if reasons[start]:
                self._reset()
            else:
                part = slice(start * self._hop * self._factor, stop * self._hop * self._factor)
                prediction[part] = self._piece(segment, start, stop)
                reasons[start:stop] = [self._reason()] * (stop - start)
            if (first + stop) % FADE_HOPS == 0:
                self._close(first + stop)
            start = stop
        return prediction, reasons

    def _reset(self) -> None:
        """Forget the past of the filters, as after a gap; what was learned stays."""
        self.bank.reset()
        self._raise.reset()
        self._history: FloatArray = np.zeros((self.bank.n_regressors, max(self._taps) - 1))
        self._settled = 0
        self._break_strain()

    def _break_strain(self) -> None:
        """Start the strain's way to the fit anew."""
        self._lower.reset()
        self._high_pass_state: FloatArray = np.zeros((len(self._sos), 2, 2))
        self._clean_hops = 0

    def _piece_end(self, segment: Segment, reasons: list[str], start: int) -> int:
        """End of the hops that are treated alike: a quarter second of the grid, one reason, one validity."""
        phase = (segment.gps_ns // HOP_NS + start) % FADE_HOPS
        stop = min(segment.n_hops, start + FADE_HOPS - phase)
        for hop in range(start + 1, stop):
            if reasons[hop] != reasons[start] or segment.valid[hop] != segment.valid[start]:
                return hop
        return stop

    def _reason(self) -> str:
        if not self._gate:
            return self._why_not
        return ACTIVE if self._settled > self._settle_hops else SETTLING

    def _piece(self, segment: Segment, start: int, stop: int) -> FloatArray:
        """Predict one piece, feed the fit, and return what is to be subtracted."""
        hop = segment.gps_ns // HOP_NS + start
        x = self.bank.step(tuple(_cut(group, segment.n_hops, start, stop) for group in segment.witnesses))
        shadow = self._raise.up(self._predict(x, hop))[0]
        n = len(shadow)
        samples = segment.samples[start * n // (stop - start) : stop * n // (stop - start)]
        if segment.valid[start]:
            self._feed(np.stack((samples * STRAIN_SCALE, shadow)), x, hop)
            self._clean_hops += stop - start
        else:
            self._break_strain()
        settled = self._settled + (np.arange(n) + 0.5) * (stop - start) / n
        self._settled += stop - start
        ramp = np.clip((settled - self._settle_hops) / FADE_HOPS, 0.0, 1.0)
        gate = self._old_gate + (self._gate - self._old_gate) * _position(hop, stop - start, n)
        subtracted: FloatArray = shadow * ramp * gate
        return subtracted

    def _predict(self, x: FloatArray, hop: int) -> FloatArray:
        """Filter the regressors, going over from the old filter to the new; shape (1, n) at the working rate."""
        n = x.shape[1]
        data = np.concatenate((self._history, x), axis=1)
        self._history = data[:, n:]
        predicted = _apply(self._new, data, n)
        if self._old is not self._new:
            fade = _position(hop, n // self._hop, n)
            predicted = fade * predicted + (1.0 - fade) * _apply(self._old, data, n)
        return predicted[None, :]

    def _feed(self, strain_and_shadow: FloatArray, x: FloatArray, hop: int) -> None:
        lowered = self._lower.down(strain_and_shadow)
        lowered, self._high_pass_state = filters.run(self._sos, lowered, self._high_pass_state)
        slots = np.arange(hop, hop + x.shape[1] // self._hop) % _SEGMENT_HOPS
        self._recent[:2, slots] = lowered.reshape(2, -1, self._hop)
        self._recent[2:, slots] = x.reshape(len(x), -1, self._hop)

    def _close(self, hop: int) -> None:
        """At a quarter second of the grid: end a fade, take a segment, judge and fit when it is time."""
        self._old, self._old_gate = self._new, self._gate
        settle = max(_STRAIN_START_HOPS, self._settle_hops)
        if hop % _STEP_HOPS == 0 and self._clean_hops >= _SEGMENT_HOPS + settle:
            self._take_segment(hop)
        if hop % self._update_hops == 0 and self._added and self._spectra.ready:
            self._judge()
            self._new = self._spectra.fit(self._taps)
            self.fits += 1
            self._added = False

    def _take_segment(self, hop: int) -> None:
        slots = np.arange(hop - _SEGMENT_HOPS, hop) % _SEGMENT_HOPS
        spectra = self._spectra.spectrum(self._recent[:, slots].reshape(len(self._recent), -1))
        d, predicted = spectra[0], spectra[1]
        if not self._spectra.add(spectra[2:], d):
            self.loud_segments += 1
            return
        self._added = True
        self._judged.add(d, d - predicted)

    def _judge(self) -> None:
        """Open or shut the gate by what the filters did since the last update."""
        verdict = self._judged.verdict(self._spectra.weights())
        if self.fits:
            self.power_ratio = verdict.power_ratio
            self._why_not = NOTHING if verdict.good else WORSE
            self._gate = 1.0 if verdict.good and self._new.any() else 0.0


def _cut(group: WitnessGroup, n_hops: int, start: int, stop: int) -> WitnessGroup:
    hop = group.samples.shape[1] // n_hops
    return WitnessGroup(group.sample_rate_hz, group.channels, group.samples[:, start * hop : stop * hop])


def _position(hop: int, n_hops: int, n: int) -> FloatArray:
    """Place of each of ``n`` samples within its quarter second, 0 to 1."""
    place: FloatArray = (hop % FADE_HOPS + (np.arange(n) + 0.5) * n_hops / n) / FADE_HOPS
    return place


def _apply(filters: FloatArray, data: FloatArray, n: int) -> FloatArray:
    """Sum over regressors of the last ``n`` samples of each one's convolution with its filter."""
    result = np.zeros(n)
    for taps, row in zip(filters, data, strict=True):
        if taps.any():
            result += np.convolve(row, taps, mode="valid")
    return result
