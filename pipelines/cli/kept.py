"""``alerts``: those that were kept, and those that could not be acted upon."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.common import Json, show
from pipelines.cli.wanted import Combined, IfUnknown, PresetName, SiteName, Visible, Where
from stream.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from pipelines.subscribe.queue import DeadLetter
    from pipelines.subscribe.received import ReceivedAlert

alerts_app = typer.Typer(help="Alerts that were kept: show, list, replay; and those that could not be acted upon.")
Alerts = Annotated[
    list[Path], typer.Argument(help="Alerts (Avro or JSON), or folders, as --out keeps them.", show_default=False)
]


@alerts_app.command("show")
def show_alerts(files: Alerts, as_json: Json = False) -> None:
    """Print alerts, each on a line, and what their sky maps say; a file that holds none is named.

    Exit code 1 if one of the files holds no alert.

    Example:

      tocsin alerts show alerts/*.avro
    """
    from pipelines.subscribe.kept import files_of, read_files

    refused = 0
    for path, found in read_files(files_of(files)):
        if isinstance(found, DataError):
            refused += 1
            typer.echo(f"{path}: {found}", err=True)
            continue
        for alert in found:
            typer.echo(alert.as_json() if as_json else _with_map(alert))
    if refused:
        raise typer.Exit(1)


def _with_map(alert: ReceivedAlert) -> str:
    from pipelines.subscribe.maps import map_of

    try:
        found = map_of(alert.record)
    except DataError as error:
        return f"{alert.as_line()}\n    sky map: {error}"
    told = "" if found is None else "".join(f"\n    {line}" for line in found.as_text().splitlines()[1:])
    return alert.as_line() + told


@alerts_app.command("list")
def list_alerts(files: Alerts, as_json: Json = False) -> None:
    """List the events of kept alerts: how many of each, the latest's kind, time and false-alarm rate.

    Example:

      tocsin alerts list alerts/
    """
    from pipelines.subscribe.kept import files_of, made_at, read_files

    events: dict[str, list[ReceivedAlert]] = {}
    for _, found in read_files(files_of(files)):
        for alert in [] if isinstance(found, DataError) else found:
            events.setdefault(alert.superevent_id, []).append(alert)
    for alerts in events.values():
        alerts.sort(key=made_at)
    for event, alerts in sorted(events.items(), key=lambda item: made_at(item[1][-1])):
        if as_json:
            show({"superevent_id": event, "alerts": [a.record["alert_type"] for a in alerts],
                  "files": [a.place for a in alerts], "far_hz": alerts[-1].far_hz})  # fmt: skip
        else:
            told = next((a for a in reversed(alerts) if a.record["event"] is not None), alerts[-1])
            kinds = ", ".join(dict.fromkeys(a.record["alert_type"] for a in alerts))
            typer.echo(f"{len(alerts):4d}  {kinds}:  {told.as_line()}")


@alerts_app.command("replay")
def replay_alerts(
    files: Alerts,
    where: Where = "",
    preset: PresetName = "",
    unknown: IfUnknown = None,
    site: SiteName = "",
    visible: Visible = None,
    combined: Combined = False,
    everything: Annotated[bool, typer.Option("--all", help="Print those too that would not be delivered.")] = False,
    as_json: Json = False,
) -> None:
    """Run rules over the past: which of these alerts would have been delivered, and why; nothing is done.

    Alerts come in the order in which they were made, and rules ask at that time what a site sees.

    Example:

      tocsin alerts replay alerts/ --where 'far < 1/month and area90 < 500'
    """
    from pipelines.subscribe.coloured import print_line
    from pipelines.subscribe.judging import RuleOptions
    from pipelines.subscribe.kept import replay

    rules = RuleOptions(where, preset, unknown, site, visible, combined)
    came, delivered = 0, 0
    for delivery in replay(files, rules):
        came += 1
        delivered += delivery.is_delivered
        if delivery.is_delivered or everything:
            typer.echo(delivery.as_json()) if as_json else print_line(delivery)
    typer.echo(f"{delivered} of {came} alerts would be delivered", err=True)


@alerts_app.command("dead")
def dead(
    name: Annotated[str | None, typer.Option(help="Of this subscription; without it of all.")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of what subscriptions remember.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Let them be tried again, as if they were new.")] = False,
    as_json: Json = False,
) -> None:
    """List what was given up: alerts that an action could not deliver in its time, and why.

    With --again they wait again: a subscription that runs takes them up within a second.

    Example:

      tocsin alerts dead --name my-telescope --again
    """
    from pipelines.subscribe.database import Database, default_folder, subscriptions
    from pipelines.subscribe.queue import Queue

    folder = state or default_folder(dict(os.environ))
    names = subscriptions(folder)
    if name is not None and name not in names:
        raise ConfigurationError(f"{folder} has no subscription {name}: there are {', '.join(names) or 'none'}")
    for one in [name] if name is not None else names:
        database = Database(folder / one, beside=True)
        try:
            queue = Queue(database)
            for letter in queue.dead():
                show(_as_dict(one, letter)) if as_json else typer.echo(_as_line(one, letter))
            if again:
                typer.echo(f"{one}: {queue.revive(time.time_ns())} wait again", err=True)
        finally:
            database.close()


def _as_dict(name: str, letter: DeadLetter) -> dict[str, object]:
    from dataclasses import asdict

    return {"subscription": name, **asdict(letter)}


def _as_line(name: str, letter: DeadLetter) -> str:
    from datetime import UTC, datetime

    from stream.text import clean

    when = datetime.fromtimestamp(letter.died_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = [name, letter.action, clean(letter.superevent_id, 64), when, f"{letter.attempts} attempts", letter.error]
    return "  ".join(words)
