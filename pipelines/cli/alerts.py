"""Alerts at the telescope: ``subscribe``."""

from __future__ import annotations

import io
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import Broker, Config, Json, number, settings_from
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
    as_json: Json = False,
    config: Config = None,
    broker: Broker = None,
) -> None:
    """Receive alerts as a telescope does, each one once; ours and LVK's, Avro or JSON.

    Waits for a topic that is not there yet. SIGTERM, Ctrl-C, and an output that nobody reads any more end it. Exit
    code 1 if --timeout passed before the alerts of --count came.

    Examples
    --------
      tocsin subscribe --topic alerts.gw --json

      tocsin subscribe --from earliest -n 1 --out alerts/

      tocsin subscribe --json --timeout 60 | head -1
    """
    from pipelines.cli.waiting import is_there, leaving
    from pipelines.subscribe import alerts, keep

    settings, begin = settings_from(config, broker), _start(start)
    topic = topic or settings.topics.alerts
    stop, came = threading.Event(), 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an alert's letters need not be the terminal's
    with leaving(stop, timeout):
        if begin == "latest" and is_there(settings, topic) is False:
            begin = "earliest"  # all that comes to a topic that is yet to be made is new
        for alert in alerts(settings, topic, begin, stop):
            came += 1
            typer.echo(alert.as_json() if as_json else alert.as_line())
            sys.stdout.flush()
            if out is not None:
                keep(alert, out)
            if came == count:
                break
    if timeout is not None and count is not None and came < count:
        raise typer.Exit(1)


def _start(text: str) -> str | int:
    """Return a place to start from: a word, or Unix nanoseconds."""
    if text in ("latest", "earliest"):
        return text
    try:
        time = datetime.fromisoformat(text)
        return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1e9)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"--from {text}: use latest, earliest, or a time like 2026-11-22T00:00Z") from error
