"""Alerts at the telescope: ``subscribe``, ``skymap``, ``page``."""

from __future__ import annotations

import io
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import Broker, Config, Json, number, settings_from, show
from stream.errors import ConfigurationError


def subscribe(
    topic: Annotated[
        str | None, typer.Option(help="Alert topic, Avro or JSON; without it the settings' topics.alerts.")
    ] = None,
    start: Annotated[
        str, typer.Option("--from", help="latest, earliest, or a UTC time such as 2026-11-22T00:00Z.")
    ] = "latest",
    count: Annotated[int | None, typer.Option("--count", "-n", help="End after so many alerts.", min=1)] = None,
    out: Annotated[Path | None, typer.Option(help="Keep each alert's message in this folder.")] = None,
    timeout: Annotated[float | None, number("End after so many seconds; without it never.", 0.1, 1e8)] = None,
    joint: Annotated[
        bool, typer.Option("--joint", help="Only events that another messenger's coincides with.")
    ] = False,
    joint_far: Annotated[
        str | None, typer.Option(help="Only with a joint false-alarm rate of at most this: 1/month, 1/10year, or Hz.")
    ] = None,
    messenger: Annotated[
        list[str] | None, typer.Option(help="Only with this messenger: gamma, neutrino, radio, x-ray, optical; repeat.")
    ] = None,
    as_json: Json = False,
    config: Config = None,
    broker: Broker = None,
) -> None:
    """Receive alerts as a telescope does, each one once; ours and LVK's, Avro or JSON.

    Waits for a topic that is not there yet. SIGTERM, Ctrl-C, and an output that nobody reads any more end it. Exit
    code 1 if --timeout passed before the alerts of --count came. What --joint, --joint-far and --messenger ask for
    must hold of one alert; from then on every alert of its event passes: that it coincides no longer, that it is
    withdrawn.

    Examples
    --------
      tocsin subscribe --topic alerts.gw --json

      tocsin subscribe --from earliest -n 1 --out alerts/

      tocsin subscribe --json --timeout 60 | head -1

      tocsin subscribe --joint-far 1/year --messenger gamma
    """
    from pipelines.cli.waiting import is_there, leaving
    from pipelines.subscribe import alerts, keep
    from pipelines.subscribe.rules import Chosen, Rule, parse_rate

    rule = Rule(joint, None if joint_far is None else parse_rate(joint_far), tuple(messenger or ()))
    chosen = Chosen(rule)
    settings, begin = settings_from(config, broker), start_from(start)
    topic = topic or settings.topics.alerts
    stop, came = threading.Event(), 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an alert's letters need not be the terminal's
    with leaving(stop, timeout):
        if begin == "latest" and is_there(settings, topic) is False:
            begin = "earliest"  # all that comes to a topic that is yet to be made is new
        for alert in filter(chosen, alerts(settings, topic, begin, stop)):
            came += 1
            typer.echo(alert.as_json() if as_json else alert.as_line())
            sys.stdout.flush()
            if out is not None:
                keep(alert, out)
            if came == count:
                break
    if timeout is not None and count is not None and came < count:
        raise typer.Exit(1)


def start_from(text: str) -> str | int:
    """Return a place to start from: a word, or Unix nanoseconds."""
    if text in ("latest", "earliest"):
        return text
    try:
        time = datetime.fromisoformat(text)
        return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1e9)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"--from {text}: use latest, earliest, or a time like 2026-11-22T00:00Z") from error


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
