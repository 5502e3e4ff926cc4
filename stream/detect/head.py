"""The coincidence head: single statistics and pair terms, summed into one ranking statistic.

For a set of detectors D the statistic of a frame is ``sum over d of s_d + sum over pairs of c(e_a, e_b)``: what each
detector says alone, and what each pair says of agreement. A detector that was not heard adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from stream.infer.model import ModelCard
from stream.infer.session import Session
from stream.records import QUIET, Embeddings, Statistic
from stream.settings import InferSettings
from stream.timebase import NS_PER_S
from stream.types import BoolArray, Float32Array, FloatArray


@dataclass(frozen=True, slots=True)
class Ranked:
    """The ranking statistic over a stretch of frames.

    Attributes
    ----------
    gps_ns : int
        Start of the first frame.
    statistic : array of float64, shape (n_frames,)
        ``QUIET`` where no detector was heard.
    heard : array of bool, shape (n_detectors, n_frames)
        Which detectors contributed.
    singles : array of float64, shape (n_detectors, n_frames)
        Their single statistics.
    """

    gps_ns: int
    frame_rate_hz: int
    detectors: tuple[str, ...]
    statistic: FloatArray
    heard: BoolArray
    singles: FloatArray

    def as_statistic(self) -> Statistic:
        """Return the curve, a value in the middle of each frame."""
        middle = (2 * np.arange(len(self.statistic)) + 1) * NS_PER_S // (2 * self.frame_rate_hz)
        frame_ns = NS_PER_S // self.frame_rate_hz
        heard_ns = int(np.count_nonzero(self.heard.any(axis=0))) * frame_ns
        return Statistic(self.gps_ns + middle, self.statistic, True, heard_ns)


class Head:
    """The head network on plain arrays; time slides use it as the live search does.

    Parameters
    ----------
    card : ModelCard
    settings : InferSettings
    """

    def __init__(self, card: ModelCard, settings: InferSettings) -> None:
        self.context = card.encoder.head_context_frames
        self._session = Session(card.folder / "head.onnx", settings)

    def coincidence(self, a: Float32Array, b: Float32Array) -> FloatArray:
        """Return pair terms, shape (n, frames), for embeddings of shape (n, frames + context, dim)."""
        result = self._session.run(a.transpose(0, 2, 1), b.transpose(0, 2, 1))[0]
        return result.astype(np.float64)


class HeadStage:
    """Rank spans of embeddings as they come, carrying the head's context from one to the next."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._past: dict[str, tuple[int, Float32Array, BoolArray]] = {}

    def step(self, embeddings: Sequence[Embeddings]) -> Ranked:
        """Return the statistic of every frame of a span; one :class:`Embeddings` per detector."""
        joined, heard = zip(*(self._with_context(e) for e in embeddings), strict=True)
        frames: Float32Array = np.stack(joined)
        hears: BoolArray = np.stack(heard)
        context = self._head.context
        singles = np.where(hears, frames[:, context:, -1], 0.0).astype(np.float64)
        statistic: FloatArray = np.where(hears.any(axis=0), singles.sum(axis=0), QUIET)
        pairs = [(i, j) for i, j in combinations(range(len(frames)), 2) if (hears[i] & hears[j]).any()]
        if pairs:
            first, second = (list(k) for k in zip(*pairs, strict=True))
            terms = self._head.coincidence(frames[first, :, :-1], frames[second, :, :-1])
            statistic = statistic + np.where(hears[first] & hears[second], terms, 0.0).sum(axis=0)
        one = embeddings[0]
        return Ranked(one.gps_ns, one.frame_rate_hz, tuple(e.detector for e in embeddings), statistic, hears, singles)

    def _with_context(self, embeddings: Embeddings) -> tuple[Float32Array, BoolArray]:
        """Return frames with their context, and for each new frame whether it and its context were heard."""
        context, n = self._head.context, len(embeddings.frames)
        next_ns, frames, valid = self._past.get(embeddings.detector, (None, None, None))
        if next_ns != embeddings.gps_ns or frames is None or valid is None:
            frames = np.zeros((context, embeddings.frames.shape[1]), dtype=np.float32)
            valid = np.zeros(context, dtype=np.bool_)
        frames = np.concatenate((frames, embeddings.frames))
        valid = np.concatenate((valid, embeddings.valid))
        end_ns = embeddings.gps_ns + n * (1_000_000_000 // embeddings.frame_rate_hz)
        self._past[embeddings.detector] = (end_ns, frames[n:], valid[n:])
        heard: BoolArray = np.lib.stride_tricks.sliding_window_view(valid, context + 1).min(axis=1)
        return frames, heard
