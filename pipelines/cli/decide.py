"""What people decide about an alert: ``retract``, ``confirm``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.cli.common import Broker, Config, Json, number, settings_from, whoever

_Id = Annotated[str, typer.Argument(help="Superevent, such as TS261122a.", show_default=False)]
_Why = Annotated[str, typer.Option(help="The reason, for who receives the alert.", show_default=False)]
_Who = Annotated[str | None, typer.Option(help="Who decided; without it your user name and this machine's.")]
_Wait = Annotated[float, number("Seconds to wait until the alert stands on Kafka.", 0, 3600)]


def retract(
    superevent_id: _Id,
    why: _Why,
    who: _Who = None,
    wait: _Wait = 15.0,
    as_json: Json = False,
    config: Config = None,
    broker: Broker = None,
) -> None:
    """Withdraw an alert: a RETRACTION of the superevent goes out. This is final.

    The running daemon sends it. Exit code 1 if none has within --wait: the decision then waits for one.

    Example:

      tocsin retract TS261122a --why "glitch in L1"
    """
    _decide("retract", superevent_id, why, who, wait, as_json, config, broker)


def confirm(
    superevent_id: _Id,
    why: _Why,
    who: _Who = None,
    wait: _Wait = 15.0,
    as_json: Json = False,
    config: Config = None,
    broker: Broker = None,
) -> None:
    """Confirm an alert after a look at it: its event goes out again, as INITIAL.

    The running daemon sends it. Exit code 1 if none has within --wait: the decision then waits for one.

    Example:

      tocsin confirm TS261122a --why "clean data, seen by the shift"
    """
    _decide("confirm", superevent_id, why, who, wait, as_json, config, broker)


def _decide(
    kind: Literal["retract", "confirm"], superevent_id: str, why: str, who: str | None, wait: float, as_json: bool,
    config: Path | None, broker: str | None,
) -> None:  # fmt: skip
    from pipelines.live.decide import await_alert, decide
    from pipelines.subscribe import receive
    from stream.timebase import SystemClock

    settings = settings_from(config, broker)
    who = who if who is not None else whoever()
    decision = decide(settings, kind, superevent_id, why, who, SystemClock())
    alert = receive(await_alert(settings, decision, wait))
    typer.echo(alert.as_json() if as_json else alert.as_line())
