"""What the commands share: the common options, settings from them, results on stdout."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stream.errors import ConfigurationError

if TYPE_CHECKING:  # half of what a command takes to print its help
    from stream.settings import Settings

Config = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="TOCSIN_CONFIG", help="Settings (TOML); see run --print-config.")
]
Broker = Annotated[str | None, typer.Option("--broker", "-b", help="Kafka brokers, host:port[,host:port].")]
Detectors = Annotated[list[str] | None, typer.Option("--detectors", "-d", help="Detectors; repeat for each.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Files = Annotated[list[Path], typer.Argument(help="Strain files: GWOSC HDF5, gwpy HDF5 or GWF.", show_default=False)]


def settings_from(
    config: Path | None, broker: str | None = None, detectors: list[str] | None = None, **more: dict[str, Any]
) -> Settings:
    """Return settings from file, environment and the common options, and set up the log that they ask for."""
    from stream.configuration import load_settings
    from stream.log import configure_logging

    overrides: dict[str, Any] = dict(more)
    if broker is not None:
        overrides["kafka"] = {"bootstrap_servers": broker}
    if detectors:
        overrides["strain"] = {"detectors": tuple(detectors)}
    settings = load_settings(config, overrides)
    plain = sys.stderr.isatty() and "log_format" not in settings.daemon.model_fields_set
    configure_logging(settings.daemon.log_level, "console" if plain else settings.daemon.log_format)
    return settings


def log_for(level: Literal["info", "warning"], form: Literal["console", "json"] | None = None) -> None:
    """Set up the log of a command without settings; without a form as a terminal, or a program, reads it."""
    from stream.log import configure_logging

    configure_logging(level, form or ("console" if sys.stderr.isatty() else "json"))


def whoever() -> str:
    """Return who gives the command: the user's name, its number where it has none (as in a container), and where."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def number(text: str, low: float, high: float) -> Any:
    """Return an option that takes a number from ``low`` to ``high``; neither NaN nor infinity is one."""
    return typer.Option(help=text, callback=_within(low, high))


def _within(low: float, high: float) -> Callable[[float | None], float | None]:
    def check(value: float | None) -> float | None:
        # A bound of typer's own lets NaN pass, which is neither below nor above it.
        if value is not None and not low <= value <= high:
            raise typer.BadParameter(f"{value:g} is not from {low:g} to {high:g}")
        return value

    return check


def one_of(text: str, *allowed: int) -> Any:
    """Return an option that takes one of some numbers."""
    choice = " or ".join(map(str, allowed))

    def check(value: int) -> int:
        if value not in allowed:
            raise typer.BadParameter(f"{value} is not {choice}")
        return value

    return typer.Option(help=f"{text}: {choice}.", callback=check)


def start_from(text: str, words: str = "latest, earliest") -> str | int:
    """Return a place to start from: a word, or Unix nanoseconds; ``words`` names in an error what else is allowed."""
    if text in ("latest", "earliest"):
        return text
    try:
        time = datetime.fromisoformat(text)
        unix_ns = int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1e9)
    except (ValueError, OverflowError):
        unix_ns = -1
    if unix_ns < 0:
        raise ConfigurationError(f"--from {text!r}: use {words}, or a UTC time such as 2026-11-22T00:00Z")
    return unix_ns


def show(result: object) -> None:
    """Print one JSON document in one line."""
    typer.echo(json.dumps(result))
