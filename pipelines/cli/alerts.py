"""Alerts that somebody has: ``skymap``, ``page``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import Json, show
from stream.errors import ConfigurationError


def skymap(
    source: Annotated[
        Path, typer.Argument(help="An alert (Avro or JSON), or a sky map (FITS, also gzipped).", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="Write the map as a multi-order FITS file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it (PNG).")] = None,
    superevent: Annotated[str | None, typer.Option(help="In a file of several alerts: this event's last map.")] = None,
    combined: Annotated[
        bool, typer.Option("--combined", help="The map that is combined with another messenger's.")
    ] = False,
    peer: Annotated[Path | None, typer.Option(help="Another alert or map, drawn beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Read the sky map of an alert or of a file, ours or LVK's, multi-order or flat; print it, write it, draw it.

    Exit code 1 if there is none: with the reason that the alert tells.

    Examples
    --------
      tocsin skymap out.avro --out S.fits --plot S.png

      tocsin skymap MS181101ab-ext-update.json --combined --json
    """
    from pipelines.subscribe.maps import read_map

    if peer is not None and plot is None:
        raise ConfigurationError("--peer is drawn by --plot: name a picture too")
    found = read_map(source, combined=combined, superevent_id=superevent)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(found.as_multi_order())
    if plot is not None:
        from pipelines.show.skyplot import plot_skymap

        other = None if peer is None else read_map(peer)
        names = [f.superevent_id or f.skymap.creator or "sky map" for f in (found, other) if f is not None]
        plot_skymap(found.skymap, plot, None if other is None else other.skymap, names)
    files = {"fits": out and str(out), "plot": plot and str(plot)}
    if as_json:
        show(found.as_dict() | files)
        return
    typer.echo(found.as_text())
    for kind, path in files.items():
        if path is not None:
            typer.echo(f"{kind}: {path}")


def page(
    source: Annotated[Path, typer.Argument(help="An alert (Avro or JSON), or a file of several.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Write the page (HTML).")] = Path("event.html"),
    superevent: Annotated[str | None, typer.Option(help="In a file of several alerts: this event's.")] = None,
) -> None:
    """Write the page of an event from its alerts, ours or LVK's: one HTML file that needs nothing else.

    An alert does not carry the strain: `tocsin replay --pages` and a daemon with daemon.pages_dir show that too.

    Example:

      tocsin page alerts/TS261122a-3.json --out event.html
    """
    from pipelines.show.event_page import page_of_alerts
    from pipelines.subscribe.maps import read_kept

    text = page_of_alerts(read_kept(source, superevent))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    typer.echo(f"page: {out}")
