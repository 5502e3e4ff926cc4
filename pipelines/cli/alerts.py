"""Alerts at the telescope: ``subscribe``."""

from __future__ import annotations

import io
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import Broker, Config, Json, settings_from
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
    as_json: Json = False,
    config: Config = None,
    broker: Broker = None,
) -> None:
    """Receive alerts as a telescope does, each one once; ours and LVK's, Avro or JSON.

    Examples
    --------
      tocsin subscribe --topic alerts.gw --json

      tocsin subscribe --from earliest -n 1 --out alerts/
    """
    from pipelines.subscribe import alerts, keep

    settings = settings_from(config, broker)
    stop = threading.Event()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an alert's letters need not be the terminal's
    for k, alert in enumerate(alerts(settings, topic, _start(start), stop), 1):
        typer.echo(alert.as_json() if as_json else alert.as_line())
        sys.stdout.flush()
        if out is not None:
            keep(alert, out)
        if k == count:
            stop.set()


def _start(text: str) -> str | int:
    """Return a place to start from: a word, or Unix nanoseconds."""
    if text in ("latest", "earliest"):
        return text
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--from {text}: use latest, earliest, or a time like 2026-11-22T00:00Z") from error
    return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1e9)
