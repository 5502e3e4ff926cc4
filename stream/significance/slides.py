"""Live time slides: what the network says of noise that cannot be coincident.

The embeddings of the last minutes are kept. Each new second of every detector but the first is paired again
with itself, and those of the others are shifted by whole seconds, a different multiple for each: no signal
crosses the Earth in a second, so whatever peaks is chance. Only the head runs. Frames within a second of an
alerted candidate take no part (its rule for removing signals).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from stream.detect.head import QUIET, Head
from stream.records import Embeddings
from stream.significance.background import BackgroundCounts
from stream.timebase import NS_PER_S
from stream.types import BoolArray, Float32Array, FloatArray

_EXCLUDED_NS = NS_PER_S


def rank_slides(head: Head, frames: Float32Array, valid: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Rank slid stretches.

    Parameters
    ----------
    frames : array of float32, shape (n_slides, n_detectors, n_frames + context, dim + 1)
    valid : array of bool, shape (n_slides, n_detectors, n_frames + context)

    Returns
    -------
    statistic : array of float64, shape (n_slides, n_frames)
    heard : array of bool, shape (n_slides, n_frames)
        Where every detector of the set was heard; the statistic is ``QUIET`` elsewhere.
    """
    context = head.context
    heard = np.lib.stride_tricks.sliding_window_view(valid, context + 1, axis=2).min(axis=(1, 3))
    statistic = frames[:, :, context:, -1].sum(axis=1).astype(np.float64)
    for i, j in combinations(range(frames.shape[1]), 2):
        statistic += head.coincidence(frames[:, i, :, :-1], frames[:, j, :, :-1])
    return np.where(heard, statistic, QUIET), heard


class LiveSlides:
    """Accumulate background from the run's own embeddings.

    Parameters
    ----------
    head : Head
    slides : int
        Slides per second of live data.
    frame_rate_hz : int
    """

    def __init__(self, head: Head, slides: int, frame_rate_hz: int) -> None:
        self._head = head
        self._slides = slides
        self._rate = frame_rate_hz
        self._pending: list[tuple[Embeddings, ...]] = []
        self._seconds: deque[tuple[int, Float32Array, BoolArray]] = deque(maxlen=3 * slides + 2)
        self._detectors: tuple[str, ...] = ()
        self.counts: dict[tuple[str, ...], BackgroundCounts] = {}

    def add(self, embeddings: Sequence[Embeddings]) -> None:
        """Take one span; whole seconds of the GPS grid are slid as soon as they are complete."""
        if self._slides == 0:
            return
        self._pending.append(tuple(embeddings))
        last = embeddings[0]
        end_ns = last.gps_ns + len(last.frames) * NS_PER_S // self._rate
        if end_ns // NS_PER_S > self._pending[0][0].gps_ns // NS_PER_S:
            self._complete()

    def exclude(self, gps_ns: int) -> None:
        """Remove the frames within a second of an alerted candidate."""
        for start_ns, _, valid in self._seconds:
            frame_ns = start_ns + np.arange(valid.shape[1]) * NS_PER_S // self._rate
            valid[:, np.abs(frame_ns - gps_ns) <= _EXCLUDED_NS] = False

    def _complete(self) -> None:
        """Cut the pending spans at whole seconds, slide what is complete, keep the rest."""
        detectors = tuple(e.detector for e in self._pending[0])
        start_ns = self._pending[0][0].gps_ns
        frames = np.stack([np.concatenate([span[d].frames for span in self._pending]) for d in range(len(detectors))])
        valid = np.stack([np.concatenate([span[d].valid for span in self._pending]) for d in range(len(detectors))])
        if detectors != self._detectors:
            self._detectors = detectors
            self._seconds.clear()
        to_grid = (-start_ns % NS_PER_S) * self._rate // NS_PER_S
        n_seconds = (frames.shape[1] - to_grid) // self._rate
        for k in range(n_seconds):
            piece = slice(to_grid + k * self._rate, to_grid + (k + 1) * self._rate)
            second_ns = start_ns + piece.start * NS_PER_S // self._rate
            self._slide(second_ns, frames[:, piece], valid[:, piece].copy())
        rest = to_grid + max(0, n_seconds) * self._rate
        rest_ns = start_ns + rest * NS_PER_S // self._rate
        left = [
            Embeddings(name, rest_ns, self._rate, frames[d, rest:], valid[d, rest:]) for d, name in enumerate(detectors)
        ]
        self._pending = [tuple(left)] if len(left[0].frames) else []

    def _slide(self, second_ns: int, frames: Float32Array, valid: BoolArray) -> None:
        """Rank one new second, a detector at its own time and the others in the past, for every set."""
        self._seconds.append((second_ns, frames, valid))
        n = len(self._detectors)
        for d, name in enumerate(self._detectors):
            self._single(name, frames[d], valid[d])
        for size in range(2, n + 1):
            for members in combinations(range(n), size):
                self._set(members)

    def _single(self, name: str, frames: Float32Array, valid: BoolArray) -> None:
        """One detector cannot be slid: its own loudest frame of the second counts."""
        counts = self.counts.setdefault((name,), BackgroundCounts())
        peaks = [float(frames[valid, -1].max())] if valid.any() else []
        counts.add(peaks, float(valid.mean()))

    def _set(self, members: tuple[int, ...]) -> None:
        newest = len(self._seconds) - 1
        lags = [lag for lag in range(1, self._slides + 1) if lag * (len(members) - 1) <= newest]
        if not lags:
            return
        frames = np.stack([[self._seconds[newest - k * lag][1][d] for k, d in enumerate(members)] for lag in lags])
        valid = np.stack([[self._seconds[newest - k * lag][2][d] for k, d in enumerate(members)] for lag in lags])
        statistic, heard = rank_slides(self._head, frames, valid)
        peaks = statistic.max(axis=1)
        names = tuple(self._detectors[d] for d in members)
        duration_s = float(heard.sum()) / self._rate
        self.counts.setdefault(names, BackgroundCounts()).add(peaks[peaks > QUIET].tolist(), duration_s)
