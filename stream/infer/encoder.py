"""The encoder as a stream: whitened segments in, embeddings out, context carried from one call to the next.

The network is a plain convolution over time, so a frame depends on its samples and the context before them and on
nothing else: one hop at a time or a minute at once give the same frames (invariant 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.errors import ModelError
from stream.infer.model import ModelCard
from stream.infer.session import Session
from stream.records import Embeddings, WhitenedSegment
from stream.settings import InferSettings
from stream.timebase import HOPS_PER_S
from stream.types import BoolArray, Float32Array

HEARING_HOPS = 8
"""A frame counts as heard when this many hops up to its own are valid (half a second)."""


@dataclass(slots=True)
class _Past:
    """One detector's context: samples, and validity of the last hops."""

    samples: Float32Array
    valid: BoolArray
    next_ns: int | None = None


class EncoderStage:
    """Run the encoder on all detectors' segments of one span in one call.

    Parameters
    ----------
    card : ModelCard
        The model.
    settings : InferSettings
        Where to run it.
    """

    def __init__(self, card: ModelCard, settings: InferSettings) -> None:
        self._label, self._card = card.label, card.encoder
        self._session = Session(card.folder / "encoder.onnx", settings)
        self._past: dict[str, _Past] = {}
        self._frames_per_hop = self._card.frame_rate_hz // HOPS_PER_S

    def warm_up(self, detectors: int, n_hops: int = 1) -> None:
        """Run once on zeros, so that the first real call is not the slow one."""
        length = self._card.context_samples + n_hops * self._card.input_rate_hz // HOPS_PER_S
        self._session.run(np.zeros((detectors, 1, length), dtype=np.float32))

    def step(self, segments: Sequence[WhitenedSegment]) -> tuple[Embeddings, ...]:
        """Encode segments of the same span, one per detector.

        Returns
        -------
        tuple of Embeddings
            In the order of the segments; a detector that was not heard at all is not run, its frames are zero.
        """
        windows, heard = zip(*(self._window(s) for s in segments), strict=True)
        live = [k for k, valid in enumerate(heard) if valid.any()]
        n_frames = segments[0].n_hops * self._frames_per_hop
        frames = np.zeros((len(segments), n_frames, self._card.embedding + 1), dtype=np.float32)
        if live:
            embedding, single = self._session.run(np.stack([windows[k] for k in live])[:, None])
            frames[live, :, :-1] = embedding.transpose(0, 2, 1)
            frames[live, :, -1] = single
        return tuple(
            Embeddings(
                s.detector, s.gps_ns, self._card.frame_rate_hz, frames[k], np.repeat(heard[k], self._frames_per_hop)
            )
            for k, s in enumerate(segments)
        )

    def _window(self, segment: WhitenedSegment) -> tuple[Float32Array, BoolArray]:
        """Return context and segment joined, and for each hop whether it was heard."""
        if segment.sample_rate_hz != self._card.input_rate_hz:
            raise ModelError(
                f"model {self._label} hears {self._card.input_rate_hz} Hz, not {segment.sample_rate_hz} Hz: "
                "set condition.sample_rate_hz"
            )
        past = self._past.get(segment.detector)
        if past is None or past.next_ns != segment.gps_ns:
            past = _Past(np.zeros(self._card.context_samples, np.float32), np.zeros(HEARING_HOPS - 1, np.bool_))
        window = np.concatenate((past.samples, segment.samples))
        valid = np.concatenate((past.valid, segment.valid))
        runs: BoolArray = np.lib.stride_tricks.sliding_window_view(valid, HEARING_HOPS).min(axis=1)
        self._past[segment.detector] = _Past(
            window[-self._card.context_samples :], valid[-(HEARING_HOPS - 1) :], segment.end_ns
        )
        return window, runs
