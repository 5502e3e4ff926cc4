"""What the loop asks of a network, and the opening of one by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from stream.infer import ModelCard, open_model
from stream.records import Peak, Statistic, WhitenedSegment
from stream.settings import Settings
from stream.significance import RollingCounts, Significance
from stream.types import AnyArray


class Stopwatch:
    """Seconds spent per stage; what the latency split and the metrics are made from."""

    def __init__(self, observe: Callable[[str, float], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._observe = observe

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time one stage's work."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent
            self.calls[stage] = self.calls.get(stage, 0) + 1
            if self._observe is not None:
                self._observe(stage, spent)


@dataclass(frozen=True, slots=True)
class NetworkState:
    """What a checkpoint keeps of a network besides its background: values that JSON can hold, and arrays by name."""

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, AnyArray] = field(default_factory=dict)


class Background(Protocol):
    """The slides of this run."""

    @property
    def counts(self) -> dict[tuple[str, ...], RollingCounts]:
        """What was counted, by class of events."""
        ...

    def exclude(self, gps_ns: int) -> None:
        """Remove what a signal with this merger time may have raised."""
        ...

    def take_up(self, counts: dict[tuple[str, ...], RollingCounts]) -> None:
        """Go on from counts of an earlier run."""
        ...


class Network(Protocol):
    """A network with its background."""

    @property
    def card(self) -> ModelCard:
        """Its model card."""
        ...

    @property
    def slides(self) -> Background:
        """Its background in this run."""
        ...

    @property
    def significance(self) -> Significance:
        """What gives its peaks their false-alarm rate."""
        ...

    def step(self, whitened: Sequence[WhitenedSegment], watch: Stopwatch) -> tuple[list[Peak], Statistic]:
        """Search one span, one segment per detector; return the peaks that it confirms."""
        ...

    def learn(self) -> None:
        """Let the slides take the span that was searched last; candidates in it have been excluded."""
        ...

    def state(self) -> NetworkState:
        """Return what a checkpoint keeps."""
        ...

    def restore(self, state: NetworkState) -> None:
        """Take up a checkpoint.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is not this network's.
        """
        ...

    def close(self) -> None:
        """End what runs beside."""
        ...


def open_network(settings: Settings, model: str | None = None) -> Network:
    """Open a network and warm it up.

    Parameters
    ----------
    settings : Settings
    model : str or None
        Name or folder; None: ``infer.model``.

    Raises
    ------
    ModelError, ProviderError
        If the model or the accelerator that was asked for is not there.
    """
    card = open_model(model or settings.infer.model)
    # Each kind loads when it is asked for.
    if card.kind == "filterbank":
        from pipelines.networks.filterbank import FilterBankNetwork  # noqa: PLC0415

        return FilterBankNetwork(card, settings)
    from pipelines.networks.embedding import EmbeddingNetwork  # noqa: PLC0415

    return EmbeddingNetwork(card, settings)
