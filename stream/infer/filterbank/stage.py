"""The matched-filter network as a stream: whitened strain of one detector in, triggers out.

The graph is a plain convolution over time, context is carried, and weights change on whole GPS seconds only: one hop
at a time or a minute at once give the same triggers (invariant 2). When weights change, the last outputs are made anew
with the new ones, so that no maximum is looked for across two banks.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from onnxruntime import OrtValue

from stream.errors import ModelError
from stream.infer.filterbank.bank import Bank, read_bank
from stream.infer.filterbank.build import Weights
from stream.infer.filterbank.follow import Follower, FollowerState, LossModel
from stream.infer.filterbank.peaks import (
    PAST_LAGS,
    SNR_RATE_HZ,
    Peaks,
    autocorrelation_chisq,
    find_peaks,
    slice_chisq,
)
from stream.infer.filterbank.slices import CONTEXT, END, PHASES
from stream.infer.filterbank.waveforms import RATE_HZ, waveforms
from stream.infer.model import BANK, CARILLON, GRAPH, ModelCard
from stream.infer.session import Session
from stream.records import FilterInForce, Triggers, WhitenedSegment
from stream.settings import InferSettings
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S, samples_to_ns
from stream.types import BoolArray, Complex64Array, Float32Array

LATENCY_NS = samples_to_ns(END, RATE_HZ)
"""From a merger to the end of the data that its trigger needs."""

HEARING_HOPS = 8
"""A hop counts as heard when this many hops of strain up to the end of its own are valid (half a second)."""

_MOST_SIGMA = 1e6
"""Whitened strain of unit variance is no louder: strain that begins to move again after it stood still is."""

_HOP = RATE_HZ // HOPS_PER_S
_STEP = RATE_HZ // SNR_RATE_HZ
_HISTORY = PHASES * -(-(PAST_LAGS + 2) // PHASES)
_PAST = CONTEXT + _STEP * _HISTORY


class FilterBank:
    """What the detectors share: kept waveforms, the graph, and the threads that make weights.

    Parameters
    ----------
    bank : Bank
    settings : InferSettings
        Where the graph runs.
    graph : Path
        One serves every bank.
    """

    def __init__(self, bank: Bank, settings: InferSettings, graph: Path = CARILLON / GRAPH) -> None:
        self.bank = bank
        self.waveforms: Complex64Array = waveforms(bank.parameters)
        self.session = Session(graph, settings)
        self.losses = LossModel(self.waveforms)
        self.executor = ThreadPoolExecutor(settings.threads, "filterbank")

    @classmethod
    def of(cls, card: ModelCard, settings: InferSettings) -> Self:
        """Make that of a model."""
        return cls(read_bank(card.folder / BANK), settings, card.folder / GRAPH)

    def close(self) -> None:
        """End the threads; weights being made are waited for."""
        self.executor.shutdown(cancel_futures=True)


class FilterBankStage:
    """Filter one detector's whitened strain.

    Parameters
    ----------
    detector : str
    shared : FilterBank
    floor : float
        Least |z| of a trigger.
    nominal : float
        The detector's nominal sensitivity, that of the bank's own spectrum being 1.
    """

    def __init__(self, detector: str, shared: FilterBank, floor: float = 4.0, nominal: float = 1.0) -> None:
        self.detector = detector
        self._session = shared.session
        self._n_templates = len(shared.bank)
        self._follower = Follower(shared.waveforms, shared.losses, shared.executor)
        self._nominal_sigma = nominal * shared.bank.sigma_mpc
        self._floor = floor
        self._held: tuple[Weights, list[OrtValue]] | None = None
        self._filter: FilterInForce | None = None
        self._next_ns: int | None = None
        self._forget_strain()

    @property
    def weights(self) -> Weights | None:
        """The weights in force; None before the first."""
        return self._follower.weights

    def state(self) -> FollowerState:
        """Return what a checkpoint keeps: strain is heard again, weights are made again."""
        return self._follower.state()

    def restore(self, state: FollowerState) -> None:
        """Take up a checkpoint."""
        self._follower.restore(state)
        self._forget_strain()

    def step(self, segment: WhitenedSegment) -> Triggers:
        """Filter one segment.

        Parameters
        ----------
        segment : WhitenedSegment
            At 2048 Hz, with the whitening filters that came into force in it.

        Returns
        -------
        Triggers
            Of a stretch as long as the segment, ``LATENCY_NS`` earlier.
        """
        if segment.sample_rate_hz != RATE_HZ:
            raise ModelError(
                f"the matched-filter network hears {RATE_HZ} Hz, not {segment.sample_rate_hz} Hz: "
                "set condition.sample_rate_hz"
            )
        if segment.gps_ns != self._next_ns:
            self._forget_strain()
        self._next_ns = segment.end_ns
        waiting = list(segment.filters)
        pieces = []
        for start, stop in self._cuts(segment):
            now_ns = segment.gps_ns + start * HOP_NS
            while waiting and waiting[0].gps_ns <= now_ns:
                self._filter = waiting.pop(0)
            if now_ns % NS_PER_S == 0:
                self._at_second(now_ns)
            samples, valid = _possible(segment.samples[start * _HOP : stop * _HOP], segment.valid[start:stop])
            pieces.append(self._piece(samples, valid, now_ns))
        if waiting:
            self._filter = waiting[-1]
        return _joined(pieces)

    @staticmethod
    def _cuts(segment: WhitenedSegment) -> Iterator[tuple[int, int]]:
        """Yield the hops between which weights stay what they are: within whole seconds."""
        first = segment.gps_ns // HOP_NS
        to_second = -first % HOPS_PER_S
        yield from pairwise(sorted({0, *range(to_second, segment.n_hops, HOPS_PER_S), segment.n_hops}))

    def _forget_strain(self) -> None:
        self._strain: Float32Array = np.zeros(_PAST, dtype=np.float32)
        self._valid: BoolArray = np.zeros(HEARING_HOPS - 1, dtype=np.bool_)
        self._renew_history()

    def _renew_history(self) -> None:
        """Make the last outputs with the weights in force."""
        weights = self._follower.weights
        if weights is None:
            self._snr: Complex64Array = np.zeros((_HISTORY, self._n_templates), dtype=np.complex64)
            self._parts: Float32Array = np.zeros((_HISTORY, 0), dtype=np.float32)
        else:
            snr, parts = self._run(self._strain, weights)
            self._snr, self._parts = _after(None, snr).view(np.complex64), _after(None, parts)

    def _at_second(self, now_ns: int) -> None:
        now = self._filter
        if now is None:
            changed = self._follower.at_second(now_ns, None)
        else:
            changed = self._follower.at_second(now_ns, now.taps, now.input_rate_hz)
        if changed:
            self._renew_history()

    def _run(self, strain: Float32Array, weights: Weights) -> tuple[Float32Array, Float32Array]:
        """Run the graph; return SNR (PHASES, n, 2 n_templates) and what the basis filters gave (PHASES, n, n_basis)."""
        if self._held is None or self._held[0] is not weights:
            self._held = weights, [self._session.hold(w) for w in (*weights.basis, weights.mixing)]
        snr, parts = self._session.run(strain[None, None], *self._held[1])
        return snr, parts

    def _piece(self, samples: Float32Array, valid: BoolArray, now_ns: int) -> Triggers:
        """Filter a piece that lies within one second."""
        strain = np.concatenate((self._strain, samples))
        flags = np.concatenate((self._valid, valid))
        self._strain, self._valid = strain[-_PAST:], flags[-(HEARING_HOPS - 1) :]
        weights = self._follower.weights
        heard: BoolArray = np.lib.stride_tricks.sliding_window_view(flags, HEARING_HOPS).min(axis=1)
        gps_ns = now_ns - LATENCY_NS
        if weights is None:
            return _nothing(self.detector, gps_ns, np.zeros_like(heard))
        new_snr, new_parts = self._run(strain[_PAST - CONTEXT :], weights)
        snr = _after(self._snr.view(np.float32), new_snr).view(np.complex64)
        parts = _after(self._parts, new_parts)
        self._snr, self._parts = snr[-_HISTORY:].copy(), parts[-_HISTORY:].copy()
        # The first output of this piece is one sample later than the first that has a neighbour on either side.
        peaks = find_peaks(snr, self._floor, _HISTORY - 1, len(snr) - 1)
        peaks = peaks.where(heard[(peaks.sample - (_HISTORY - 1)) * HOPS_PER_S // SNR_RATE_HZ])
        return self._triggers(gps_ns, heard, peaks, snr, parts, weights)

    def _triggers(
        self,
        gps_ns: int,
        heard: BoolArray,
        peaks: Peaks,
        snr: Complex64Array,
        parts: Float32Array,
        weights: Weights,
    ) -> Triggers:
        chisq = np.stack(
            (
                autocorrelation_chisq(snr, peaks, weights.autocorrelation),
                slice_chisq(parts, peaks, weights.rows, weights.edges, weights.share),
            ),
            axis=1,
        )
        duration_ns = len(heard) * HOP_NS
        time_ns = peaks.time_ns(gps_ns, _HISTORY - 1)
        return Triggers(
            self.detector, gps_ns, duration_ns, heard, peaks.template.astype(np.int32), time_ns, peaks.snr, chisq,
            np.zeros(len(time_ns), np.float32), np.full(len(heard), self._relative(weights), np.float32),
        )  # fmt: skip

    def _relative(self, weights: Weights) -> float:
        """Return the present sensitivity over the nominal one: the middle one of all templates'."""
        return float(np.median(weights.sigma / self._nominal_sigma))


def _possible(samples: Float32Array, valid: BoolArray) -> tuple[Float32Array, BoolArray]:
    """Return samples and valid hops; a hop that no noise and no glitch can bring is zero and not valid."""
    possible: BoolArray = np.abs(samples).reshape(-1, _HOP).max(axis=1) < _MOST_SIGMA
    if possible.all():
        return samples, valid
    return np.where(np.repeat(possible, _HOP), samples, np.float32(0.0)), valid & possible


def _after(old: Float32Array | None, new: Float32Array) -> Float32Array:
    """Return earlier outputs and those of the graph (PHASES, n / PHASES, width) joined in the order of time."""
    before = 0 if old is None else len(old)
    out = np.empty((before + PHASES * new.shape[1], new.shape[2]), dtype=np.float32)
    if old is not None:
        out[:before] = old
    out[before:].reshape(-1, PHASES, new.shape[2])[:] = new.transpose(1, 0, 2)
    return out


def _nothing(detector: str, gps_ns: int, heard: BoolArray) -> Triggers:
    return Triggers(
        detector,
        gps_ns,
        len(heard) * HOP_NS,
        heard,
        np.zeros(0, dtype=np.int32),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.complex64),
        np.zeros((0, 2), dtype=np.float32),
        np.zeros(0, dtype=np.float32),
        np.ones(len(heard), dtype=np.float32),
    )


def _joined(pieces: list[Triggers]) -> Triggers:
    """Return the pieces as one, in the order of template and time."""
    whole = Triggers.joined(pieces)
    return whole.take(np.lexsort((whole.time_ns, whole.template)))
