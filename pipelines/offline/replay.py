"""Replay of archived strain straight through the search, as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pipelines.feeds.archive import Archive, block_hops, with_progress
from pipelines.follow import in_line
from pipelines.offline.report import Report
from pipelines.progress import Progress
from pipelines.search import Tap, compose, one_by_one, search
from stream.codec.alert import alert_record, write_alerts
from stream.coincide.coincidences import Coincidences
from stream.coincide.store import Store
from stream.records import Block, ExternalEvent, Revision
from stream.settings import Settings, with_detectors
from stream.superevent import Coincide


def replay_direct(
    paths: Sequence[Path],
    *,
    settings: Settings,
    block_s: float = 1.0,
    progress: Progress | None = None,
    tap: Tap | None = None,
    told: Callable[[Revision], None] | None = None,
    external: Iterable[ExternalEvent] = (),
) -> Report:
    """Search archived strain without a broker, as fast as it goes.

    Parameters
    ----------
    paths : sequence of Path
    settings : Settings
    block_s : float
        Length of a block.
    progress : callable, optional
    tap : callable, optional
        Sees each span.
    told : callable, optional
        Is handed each revision when it is made.
    external : iterable of ExternalEvent
        Other messengers' notices, all heard before: what coincides stands in the first alert that can tell it.

    Returns
    -------
    Report
        Candidates below the FAR threshold, what was masked, and how fast it went.
    """
    archive = Archive.open(paths)
    settings = with_detectors(settings, archive.detectors)
    stages = compose(settings)
    stages.tap = tap
    report = Report(
        detectors=archive.detectors,
        model=stages.network.card.label,
        duration_s=archive.duration_s,
        stretches=archive.stretches,
        kind=settings.publish.kind,
        follow=in_line(settings, stages.network.card) if settings.localize.enabled else None,
        told=told,
        coincide=_heard(external, settings),
    )
    source: Iterable[Block] = archive.blocks(block_hops(block_s))
    started = time.perf_counter()
    search(one_by_one(with_progress(source, archive, progress)), stages, report)
    report.wall_s = time.perf_counter() - started
    report.stages_s = dict(stages.watch.seconds)
    return report


def _heard(external: Iterable[ExternalEvent], settings: Settings) -> Coincide:
    """Return what says what coincides, of what was heard: the same as live, over a store in memory."""
    coincidences = Coincidences(settings.external, Store(None), settings.publish.kind)
    for notice in external:
        coincidences.heard(notice)
    return coincidences.of


def write_report_alerts(report: Report, settings: Settings, path: Path) -> None:
    """Write the alerts that live would have sent, each revision one, as Avro."""
    pipeline, significance = settings.publish.pipeline, settings.significance
    write_alerts(path, [alert_record(revision, pipeline, significance) for revision in report.revisions])
