"""What a telescope would point at: ``observe``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import Json, number, show
from stream.errors import ConfigurationError


def observe(
    source: Annotated[
        Path, typer.Argument(help="An alert (Avro or JSON), or a sky map (FITS, also gzipped).", show_default=False)
    ],
    site: Annotated[
        list[str],
        typer.Option(
            help="Where the telescope stands: a name, or longitude,latitude,height; repeat.", show_default=False
        ),
    ],
    fields: Annotated[
        Path | None, typer.Option(help="Fields, one a line: name ra dec radius, or name ra dec width height angle.")
    ] = None,
    at: Annotated[str, typer.Option(help="From when on: now, or a UTC time such as 2026-11-22T00:00Z.")] = "now",
    best: Annotated[int, typer.Option(help="How many fields or places to show.", min=1, max=1000)] = 5,
    radius: Annotated[float, number("Without --fields: radius of the places, in degrees.", 0.001, 30)] = 1.0,
    airmass: Annotated[float, number("Largest airmass.", 1, 40)] = 2.5,
    sun: Annotated[float, number("Highest altitude of the sun, in degrees.", -90, 90)] = -18.0,
    hours: Annotated[float, number("How far to look ahead.", 0.1, 240)] = 24.0,
    plot: Annotated[Path | None, typer.Option(help="Draw it (PNG).")] = None,
    superevent: Annotated[str | None, typer.Option(help="In a file of several alerts: this event's last map.")] = None,
    combined: Annotated[
        bool, typer.Option("--combined", help="The map that is combined with another messenger's.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what of a sky map telescopes can see in the next night, where to point, and when.

    Prints for each site when it is dark, how much of the map it can see, and the most probable fields, or circles that
    do not overlap, with the probability in them, when they stand highest, the airmass then and the distance of the
    moon. Fields may be polygons too: name polygon ra dec ra dec ra dec.

    Examples
    --------
      tocsin observe S.fits --site vlt --site rubin --at 2026-11-22T00:00Z

      tocsin observe alert.avro --site tarot_calern --fields fields.txt --plot night.png
    """
    from pipelines.subscribe.maps import read_map
    from pipelines.subscribe.observing import Bounds, plan
    from stream.sky.field_file import read_fields
    from stream.sky.sites import find_site

    sites = [find_site(name) for name in site]
    some = read_fields(fields) if fields is not None else ()
    found = read_map(source, combined=combined, superevent_id=superevent)
    bounds = Bounds(hours, sun, airmass)
    planned = plan(found.skymap, sites, _unix_ns(at), some, count=best, radius_deg=radius, bounds=bounds)
    if plot is not None:
        from pipelines.show.nightplot import plot_plan

        plot_plan(found.skymap, planned, plot, found.superevent_id or "")
    if as_json:
        told = {"superevent_id": found.superevent_id, "alert_type": found.alert_type}
        show(told | planned.as_dict() | {"plot": plot and str(plot)})
        return
    typer.echo(planned.as_text())
    if plot is not None:
        typer.echo(f"plot: {plot}")


def _unix_ns(text: str) -> int:
    if text == "now":
        return time.time_ns()
    try:
        when = datetime.fromisoformat(text)
        return int(when.replace(tzinfo=when.tzinfo or UTC).timestamp()) * 10**9
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"--at {text}: use now, or a time like 2026-11-22T00:00Z") from error
