"""Other messengers over the archive: ``coincide``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import Config, Json, settings_from, show


def coincide(
    events: Annotated[
        list[Path],
        typer.Option(help="External events (tocsin listen --out), notices, or a folder of them; repeat."),
    ],
    alerts: Annotated[
        list[Path],
        typer.Option(help="Alerts: of replay --alerts, kept by subscribe --out, LVK's; or a folder; repeat."),
    ],
    report: Annotated[Path | None, typer.Option(help="Write the report (JSON).")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the alerts that tell of the coincidences (Avro).")] = None,
    maps: Annotated[Path | None, typer.Option(help="Write the combined sky maps (FITS) into a folder.")] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Set archived events of other messengers against archived alerts, as the daemon does live.

    The last alert of each superevent and every notice pass, in the order in which they were told and received,
    through the same functions. What is near and does not coincide is named, with the reason.

    Examples
    --------
      tocsin coincide --events external.avro --alerts out.avro --report r.json

      tocsin coincide --events notices/ --alerts alerts/ --out joined.avro --maps maps/ --json
    """
    from pipelines.offline.archived import Refusals, read_archived_alerts, read_archived_events
    from pipelines.offline.coincide import coincide as join
    from pipelines.offline.coincide import update_of
    from pipelines.offline.coincide_report import report_of, text_of, write_maps, write_report
    from stream.codec.alert import write_alerts
    from stream.timebase import SystemClock

    settings = settings_from(config)
    no_alerts, no_events = Refusals(), Refusals()
    told = read_archived_alerts(alerts, no_alerts)
    heard = list(read_archived_events(events, no_events, SystemClock()))
    outcome = join(told, heard, settings)
    whole = report_of(outcome, no_alerts, no_events, len(heard))
    if report is not None:
        write_report(whole, report)
    if out is not None:
        write_alerts(out, [made for one in outcome.found if (made := update_of(one, settings)) is not None])
    if maps is not None:
        write_maps(outcome.found, maps)
    if as_json:
        show(whole)
        return
    typer.echo(text_of(outcome, no_alerts, no_events))
