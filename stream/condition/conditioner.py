"""One detector's conditioning: front end, rolling PSD, whitening with cross-fade, and what is valid when.

Everything happens on the half-second GPS grid, whatever the lengths of the segments that come in:

1. the front end decimates and high-passes (:mod:`stream.condition.frontend`);
2. at each half second with a clean second behind it, a periodogram joins the rolling median;
3. every second at first, every four once the PSD has settled, a new filter is designed from data that lie in
   the past, and the output fades from the old to the new over the following half second.

Output is valid from ``BLIND_HOPS`` (1 s) after the end of a gap, and from the first PSD on. A PSD stops being usable
when its data have grown too old (the detector was silent for longer than ``max_psd_age_s``), or when strain comes at
another rate: it is another data product then, and its denoiser starts anew.

A restored PSD of strain that witnesses had cleaned waits until strain is cleaned again: raw strain whitened with it
would be too loud. If that does not come in time, a new PSD is there first and the restored one is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.condition.frontend import FrontEnd
from stream.condition.psd import SETTLED_COUNT, PsdState, RollingMedianPsd
from stream.condition.whitening import Fir, minimum_phase_fir
from stream.records import FilterInForce, Segment, WhitenedSegment
from stream.settings import ConditionSettings
from stream.timebase import HOP_NS, HOPS_PER_S, samples_per_hop
from stream.types import BoolArray, Float32Array, FloatArray
from stream.units import STRAIN_SCALE

BLIND_HOPS = 16
LATENCY_S = 0.02
"""Bound on the delay of a compact binary's whitened peak against zero-phase whitening (tested)."""

_HALF_S_HOPS = HOPS_PER_S // 2
_CLEAN_HOPS_FOR_PSD = 12 + HOPS_PER_S  # settled and tapered (3/4 s), then one whole second
_SLOW_UPDATE_S = 4


@dataclass(frozen=True, slots=True)
class ConditionerState:
    """What a checkpoint keeps of one detector.

    Attributes
    ----------
    input_rate_hz : int or None
        Rate of the strain that the PSD is of; None when there was none.
    cleaned : bool
        Whether witnesses had cleaned that strain.
    """

    detector: str
    psd: PsdState
    input_rate_hz: int | None = None
    cleaned: bool = False


class Conditioner:
    """Whiten one detector's strain.

    Parameters
    ----------
    detector : str
        Its name, carried through.
    settings : ConditionSettings
        Band, rates and PSD lengths.
    """

    def __init__(self, detector: str, settings: ConditionSettings) -> None:
        self.detector = detector
        self._settings = settings
        self._rate = settings.sample_rate_hz
        self._hop = samples_per_hop(self._rate)
        self._psd = RollingMedianPsd(self._rate, settings.psd_min_s, settings.psd_max_s, settings.max_psd_age_s)
        self._waiting: PsdState | None = None
        self._psd_rate_hz: int | None = None
        self._cleaned = False
        self._front: FrontEnd | None = None
        self._fir: Fir | None = None
        self._previous: Fir | None = None
        self._told: Fir | None = None
        self._recent: FloatArray = np.zeros(2 * self._rate)
        self._next_ns: int | None = None

    @property
    def psd_ready(self) -> bool:
        """Whether whitening has a PSD to work with."""
        return self._fir is not None

    def psd(self) -> FloatArray:
        """Return the present PSD of strain, per hertz, 1 Hz apart; the front end's response is included."""
        return self._psd.estimate() / STRAIN_SCALE**2

    @property
    def taps(self) -> FloatArray:
        """The whitening filter in force, for strain times ``STRAIN_SCALE``."""
        assert self._fir is not None
        return self._fir.taps

    def state(self) -> ConditionerState:
        """Return what a checkpoint keeps."""
        if self._waiting is not None:
            return ConditionerState(self.detector, self._waiting, self._psd_rate_hz, cleaned=True)
        return ConditionerState(self.detector, self._psd.state(), self._psd_rate_hz, self._cleaned)

    def restore(self, state: ConditionerState) -> None:
        """Take up a checkpoint: the search hears again without waiting for a new PSD.

        Raises
        ------
        ValueError
            If it does not fit the settings; nothing is taken up then.
        """
        self._psd.restore(state.psd)
        self._psd_rate_hz = state.input_rate_hz
        if state.cleaned:
            self._waiting = state.psd
            self._psd.forget()
        elif self._psd.ready:
            self._design()

    def step(self, segment: Segment) -> WhitenedSegment:
        """Whiten one segment; see :class:`~stream.records.WhitenedSegment` for what comes out."""
        self._follow(segment)
        assert self._front is not None
        filtered, clean = self._front.step(segment.samples, segment.valid)
        samples = np.zeros(segment.n_hops * self._hop, dtype=np.float32)
        valid = np.zeros(segment.n_hops, dtype=np.bool_)
        filters: list[FilterInForce] = []
        start = 0
        while start < segment.n_hops:
            hop_index = segment.gps_ns // HOP_NS + start
            if self._fir is not None and self._fir is not self._told:
                filters.append(FilterInForce(hop_index * HOP_NS, self._fir.taps, segment.sample_rate_hz))
                self._told = self._fir
            stop = min(segment.n_hops, start + _HALF_S_HOPS - hop_index % _HALF_S_HOPS)
            piece = slice(start * self._hop, stop * self._hop)
            samples[piece], valid[start:stop] = self._piece(filtered[piece], clean[start:stop], hop_index)
            heard = np.flatnonzero(segment.valid[start:stop])
            if len(heard):
                self._cleaned = segment.cleaned is not None and bool(segment.cleaned[start + heard[-1]])
            if (hop_index + stop - start) % _HALF_S_HOPS == 0:
                self._close_half_second(hop_index + stop - start, bool(clean[stop - 1] >= _CLEAN_HOPS_FOR_PSD))
            start = stop
        return WhitenedSegment(self.detector, segment.gps_ns, self._rate, samples, valid, tuple(filters))

    def _follow(self, segment: Segment) -> None:
        """Start anew where the stream's rate changes or the stream jumps; a PSD that is still usable is kept."""
        jumped = self._next_ns is not None and segment.gps_ns != self._next_ns
        if self._front is None or self._front.input_rate_hz != segment.sample_rate_hz:
            self._front = FrontEnd(segment.sample_rate_hz, self._rate, self._settings.low_frequency_hz)
        elif jumped:
            self._front.reset()
        if jumped:
            self._recent[:] = 0.0
        if jumped or self._next_ns is None:
            self._expire(segment.gps_ns)
        if segment.valid.any():
            self._follow_rate(segment.sample_rate_hz)
        self._next_ns = segment.end_ns

    def _follow_rate(self, rate_hz: int) -> None:
        if self._psd_rate_hz not in (None, rate_hz):
            self._psd.forget()
            self._waiting = self._fir = self._previous = None
        self._psd_rate_hz = rate_hz

    def _expire(self, now_ns: int) -> None:
        """Let go of a PSD that has grown too old."""
        self._psd.expire(now_ns)
        if not self._psd.ready:
            self._fir = self._previous = None

    def _piece(self, piece: FloatArray, clean: FloatArray, hop_index: int) -> tuple[Float32Array, BoolArray]:
        """Whiten a piece that lies within one half second of the grid."""
        n = len(piece)
        self._recent = np.concatenate((self._recent[n:], piece))
        valid = (clean > BLIND_HOPS) & (self._fir is not None)
        output = self._whiten(n, hop_index)
        output *= np.repeat(valid, self._hop)
        return output, valid

    def _whiten(self, n: int, hop_index: int) -> Float32Array:
        if self._fir is None:
            return np.zeros(n, dtype=np.float32)
        data = self._recent[-(len(self._fir.taps) - 1 + n) :]
        output = self._fir.apply(data, n)
        if self._previous is not None:
            offset = (hop_index % _HALF_S_HOPS) * self._hop
            fade = (offset + np.arange(n) + 0.5) / (_HALF_S_HOPS * self._hop)
            output = fade * output + (1.0 - fade) * self._previous.apply(data, n)
        return output.astype(np.float32)

    def _close_half_second(self, end_hop: int, clean: bool) -> None:
        """At a half second of the grid: end a fade, take a periodogram, design anew when it is time."""
        self._previous = None
        self._expire(end_hop * HOP_NS)
        if clean:
            self._psd.add(self._recent[-self._rate :], end_hop * HOP_NS)
        if self._waiting is not None:
            self._settle_waiting(end_hop * HOP_NS)
        second, rest = divmod(end_hop, HOPS_PER_S)
        period_s = 1 if self._psd.count < SETTLED_COUNT else _SLOW_UPDATE_S
        if clean and self._psd.ready and rest == 0 and (second % period_s == 0 or self._fir is None):
            self._previous = self._fir
            self._design()

    def _settle_waiting(self, now_ns: int) -> None:
        """Take up the restored PSD of cleaned strain once strain is cleaned; drop it once there is a new one."""
        assert self._waiting is not None
        if self._psd.ready:
            self._waiting = None
        elif self._cleaned:
            self._psd.restore(self._waiting)
            self._waiting = None
            self._expire(now_ns)
            if self._psd.ready:
                self._design()

    def _design(self) -> None:
        taps = minimum_phase_fir(self._psd.estimate(), self._rate, self._settings.low_frequency_hz)
        self._fir = Fir(taps)
