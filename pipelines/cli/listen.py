"""Other messengers: ``listen``."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.common import Broker, Config, Json, number, settings_from, show, start_from
from stream.errors import TransportError

if TYPE_CHECKING:
    from stream.records import ExternalEvent


def listen(
    source: Annotated[
        list[str] | None,
        typer.Option("--source", "-s", help="gcn, scimma or local (the settings' broker); repeat for several at once."),
    ] = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="Read this topic instead of the source's usual ones; +NAME: besides.")
    ] = None,
    files: Annotated[
        list[Path] | None, typer.Option(help="Read notices from a file or folder, once; repeat for several.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --files: write the events into this file, and send none. No broker needed."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="With --files: only look; send and write nothing.")] = False,
    start: Annotated[
        str,
        typer.Option(
            "--from", help="Where a group without a place begins: latest, earliest; or a UTC time, in any case."
        ),
    ] = "latest",
    count: Annotated[int | None, typer.Option("--count", "-n", help="End after so many events.", min=1)] = None,
    timeout: Annotated[float | None, number("End after so many seconds; without it never.", 0.1, 1e8)] = None,
    as_json: Json = False,
    config: Config = None,
    broker: Broker = None,
) -> None:
    """Bring in other messengers' notices, normalised, onto topics.external: gamma rays, neutrinos, radio bursts, more.

    Credentials come from the environment: GCN_CLIENT_ID and GCN_CLIENT_SECRET (gcn.nasa.gov/quickstart); HOP_USERNAME
    and HOP_PASSWORD, or what `hop auth` keeps. What tells of no event is counted by its kind. A source's place moves
    on once its events are on the topic. SIGTERM and Ctrl-C end it; exit code 1 if --timeout passed before the events
    of --count came.

    Examples
    --------
      tocsin listen --source gcn --source scimma

      tocsin listen --source local --topic notices --from earliest --json

      tocsin listen --files notices/ --out external.avro
    """
    from pipelines.cli.waiting import is_there, leaving
    from pipelines.listen import Wanted, as_dict, as_line, run
    from stream.notices import read_notice
    from stream.timebase import SystemClock

    settings = settings_from(config, broker)
    begin = {"latest": "committed", "earliest": "unread"}.get(start) or start_from(start)
    wanted = Wanted(tuple(source or ()), tuple(topic or ()), tuple(files or ()), out, check, begin, os.environ)
    wanted.check(settings)
    stop, came = threading.Event(), 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")

    def heard(event: ExternalEvent) -> bool:
        nonlocal came
        came += 1
        if as_json:
            show(as_dict(event))
        else:
            typer.echo(as_line(event))
        sys.stdout.flush()
        return came != count

    with leaving(stop, timeout):
        if out is None and not check and is_there(settings, settings.topics.external) is False:
            raise TransportError(f"topic {settings.topics.external} is missing: make it with `tocsin topics create`")
        tally = run(settings, wanted, read_notice, SystemClock(), stop, heard)
    if as_json:
        show({"summary": tally.as_dict()})
    else:
        typer.echo(tally.as_text())
    if timeout is not None and count is not None and came < count:
        raise typer.Exit(1)
