"""The search: the one loop that live, replay, demo, bench and tests all run.

Only the source, the clock and the sink differ. :func:`search` reads as the pipeline does; :class:`Stages` holds
its rooms, :func:`compose` furnishes them from settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipelines.networks import Network, Stopwatch, open_network
from pipelines.snapshots import Snapshots
from stream.align import Aligner
from stream.condition import Conditioner
from stream.denoise import WitnessRegression
from stream.records import AlignedSpan, Block, Candidate, Masked, Snapshot, Statistic, WhitenedSegment
from stream.settings import Settings


class Sink(Protocol):
    """Where the search's results go."""

    def candidate(self, candidate: Candidate, snapshot: Snapshot) -> None:
        """Take a candidate whose FAR is below the threshold, with the strain around it; it must return at once.

        Several may be of one event.
        """
        ...

    def masked(self, masked: Sequence[Masked]) -> None:
        """Take stretches that were not heard."""
        ...


Tap = Callable[[Sequence[WhitenedSegment], Statistic], None]
"""Sees what passes by, for pictures and metrics: whitened strain and the ranking statistic of a span."""

Beside = Callable[[Sequence[WhitenedSegment], Sequence[Candidate]], None]
"""Has a span after the network has, with the candidates that it gave, and may replace the network for the next."""


@dataclass(slots=True)
class Stages:
    """The rooms of the pipeline, with their state."""

    align: Aligner
    denoise: dict[str, WitnessRegression]
    condition: dict[str, Conditioner]
    network: Network
    far_threshold_hz: float
    watch: Stopwatch = field(default_factory=Stopwatch)
    snapshots: Snapshots = field(default_factory=Snapshots)
    tap: Tap | None = None
    beside: Beside | None = None

    def close(self) -> None:
        """End what runs beside the search."""
        self.network.close()


def compose(settings: Settings, watch: Stopwatch | None = None) -> Stages:
    """Furnish the rooms: open and warm up the model, one conditioner and denoiser per detector.

    Raises
    ------
    ModelError, ProviderError
        If the model or the accelerator that was asked for is not there.
    """
    return Stages(
        align=Aligner(settings.align, settings.strain),
        denoise={d: WitnessRegression(settings.denoise) for d in settings.strain.detectors},
        condition={d: Conditioner(d, settings.condition) for d in settings.strain.detectors},
        network=open_network(settings),
        far_threshold_hz=settings.significance.far_threshold_hz,
        watch=watch or Stopwatch(),
    )


def one_by_one(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Yield each block as a batch of its own: what a source that never lags gives the search."""
    for block in blocks:
        yield [block]


def search(source: Iterable[Sequence[Block]], stages: Stages, sink: Sink, *, to_the_end: bool = True) -> None:
    """Run the pipeline until the source ends, then let go of what was still held.

    A source gives the blocks that came together in one batch; how they are cut changes how fast it goes, and not what
    is found.

    Parameters
    ----------
    source : iterable of sequence of Block
    stages : Stages
    sink : Sink
    to_the_end : bool
        Whether nothing comes after the source's end. Where it does, what waits for another detector is not searched
        without it: whoever goes on hears it again, whole.
    """
    for blocks in source:
        with stages.watch("align"):
            spans = stages.align.push_all(blocks)
        for span in spans:
            step(span, stages, sink)
    for span in stages.align.flush() if to_the_end else ():
        step(span, stages, sink)


def step(span: AlignedSpan, stages: Stages, sink: Sink) -> None:
    """Take one aligned span through every stage."""
    watch = stages.watch
    if span.masked:
        sink.masked(span.masked)
    with watch("denoise"):
        cleaned = [stages.denoise[s.detector].step(s) for s in span.segments]
    with watch("condition"):
        whitened = [stages.condition[s.detector].step(s) for s in cleaned]
    stages.snapshots.add(whitened)
    network = stages.network
    peaks, statistic = network.step(whitened, watch)
    if stages.tap is not None:
        stages.tap(whitened, statistic)
    found = []
    for peak in peaks:
        with watch("significance"):
            candidate = network.significance.assess(peak)
        if candidate.far_hz <= stages.far_threshold_hz:
            sink.candidate(candidate, stages.snapshots.of(candidate))
            found.append(candidate)
            network.slides.exclude(candidate.gps_ns)
    with watch("slides"):
        network.learn()
    if stages.beside is not None:
        stages.beside(whitened, found)
