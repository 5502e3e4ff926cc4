"""A network of embeddings: an encoder per detector, a head on pairs of them, peaks of their sum."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.networks.network import NetworkState, Stopwatch
from stream.detect import Head, HeadStage, PeakFinder
from stream.infer import EncoderStage, ModelCard
from stream.records import Embeddings, Peak, Statistic, WhitenedSegment
from stream.settings import Settings
from stream.significance import LiveSlides, Significance, load_shipped


class EmbeddingNetwork:
    """See :class:`pipelines.networks.network.Network`."""

    def __init__(self, card: ModelCard, settings: Settings) -> None:
        self.card = card
        head = Head(card, settings.infer)
        self._encode = EncoderStage(card, settings.infer)
        self._encode.warm_up(len(settings.strain.detectors))
        self._rank = HeadStage(head)
        self._peaks = PeakFinder(settings.detect, card.encoder.frame_rate_hz, card.encoder.delay_frames)
        self.slides = LiveSlides.of(head, card, settings)
        self.significance = Significance(settings.significance, load_shipped(card), self.slides, card.label)
        self._span: tuple[Embeddings, ...] = ()

    def step(self, whitened: Sequence[WhitenedSegment], watch: Stopwatch) -> tuple[list[Peak], Statistic]:
        """Search one span."""
        with watch("infer"):
            self._span = self._encode.step(whitened)
        with watch("detect"):
            ranked = self._rank.step(self._span)
            return self._peaks.step(ranked), ranked.as_statistic()

    def learn(self) -> None:
        """Let the slides take the span."""
        self.slides.add(self._span)

    def state(self) -> NetworkState:
        """Return nothing: its context is heard again."""
        return NetworkState()

    def restore(self, state: NetworkState) -> None:
        """Take up nothing."""

    def close(self) -> None:
        """End nothing."""
