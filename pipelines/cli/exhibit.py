"""Showing what it does and how fast: ``demo``, ``bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipelines.cli.common import Broker, Json, log_for, number, show

bench_app = typer.Typer(help="Latency and throughput of this machine.", no_args_is_help=True)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the alert and the picture.")] = Path("tocsin-demo"),
    seed: Annotated[int, typer.Option(help="Seed of noise and glitches.", min=0)] = 7,
    as_json: Json = False,
) -> None:
    """Show the whole pipeline in one process: two synthetic detectors, a glitch, a merger, a gamma-ray burst, an alert.

    Needs nothing but this package. Loads the search, then sends 24 s of data in real time. Exit code 1 if the merger
    did not ring, or anything else did, or the burst 1.7 s after it did not join, or the one a minute before did.

    Examples
    --------
      tocsin demo

      tocsin demo --json | tail -1
    """
    from pipelines.progress import progress
    from pipelines.show.demo import END_S
    from pipelines.show.demo import demo as show_pipeline
    from pipelines.show.present import demo_text

    log_for("warning")
    loaded = "search and sky maps are loaded (the first time they are compiled)"
    typer.echo(f"{loaded}, then {END_S:g} s of data are sent in real time", err=True)
    with progress("H1 and L1 send in real time") as report:
        result = show_pipeline(out, seed, report)
    if not as_json:
        typer.echo(demo_text(result))
    show(result.as_dict()) if as_json else None
    if not (result.ok and result.burst_joined):
        raise typer.Exit(1)


@bench_app.command("latency")
def bench_latency(
    injections: Annotated[int, typer.Option(help="How many mergers.", min=1)] = 60,
    spacing: Annotated[float, number("Seconds between them.", 3, 3600)] = 4.0,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 11,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Merger to alert: the daemon with witnesses on 1/16 s blocks, in real time.

    Example:

      tocsin bench latency --injections 60 --json
    """
    from pipelines.progress import progress
    from pipelines.show.bench import latency

    log_for("warning", "json")
    with progress("sent") as shown:
        figures = latency(injections, spacing, seed, broker, shown)
    show(figures) if as_json else _table("merger to alert", figures)


@bench_app.command("external")
def bench_external(
    count: Annotated[int, typer.Option(help="How many superevents get a notice.", min=1, max=10_000)] = 100,
    load: Annotated[
        int | None, typer.Option(help="So many notices more, which coincide with nothing.", min=1, max=10_000_000)
    ] = None,
    load_per_s: Annotated[float, number("How many of them a second; 10 000 an hour are 2.8.", 0.1, 1e5)] = 200.0,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 11,
    as_json: Json = False,
) -> None:
    """Notice received to the alert that tells of it, and what many notices cost in memory.

    Examples
    --------
      tocsin bench external --json

      tocsin bench external --count 20 --load 20000 --json
    """
    from pipelines.progress import progress
    from pipelines.show.bench_external import external

    log_for("warning", "json")
    with progress("answered", "") as shown:
        figures = external(count, load or 0, load_per_s, seed, shown)
    show(figures) if as_json else _table("external", figures)


@bench_app.command("throughput")
def bench_throughput(
    duration: Annotated[int, typer.Option(help="Seconds of data per case.", min=16, max=4096)] = 512,
    as_json: Json = False,
) -> None:
    """Seconds of data per second of work, by detectors and stride.

    Example:

      tocsin bench throughput --json
    """
    from pipelines.progress import progress
    from pipelines.show.throughput import throughput

    log_for("warning", "json")
    with progress("cases", "") as shown:
        figures = throughput(duration, progress=shown)
    show(figures) if as_json else _table("throughput", figures)


@bench_app.command("subscribe")
def bench_subscribe(
    alerts: Annotated[int, typer.Option(help="How many alerts are read.", min=100, max=1_000_000)] = 20_000,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Reading alerts of 82 kB: `tocsin subscribe --json` beside confluent-kafka with fastavro, in the same run.

    Example:

      tocsin bench subscribe --alerts 20000 --json
    """
    from pipelines.progress import progress
    from pipelines.show.reading import reading

    log_for("warning", "json")
    with progress("sent", "") as shown:
        figures = reading(alerts, broker, shown)
    show(figures) if as_json else _table("reading alerts", figures)


@bench_app.command("load")
def bench_load(
    seconds: Annotated[float, number("How long alerts are sent.", 1, 1e5)] = 300.0,
    rate: Annotated[float, number("Alerts a second.", 0.1, 1e4)] = 250.0,
    kill_every: Annotated[
        float | None, number("Kill the subscriber every so many seconds, and take the broker down in between.", 5, 1e5)
    ] = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """A subscriber under load, on one core: alert to action, none lost or doubled.

    Alerts of 82 kB, each through a rule with area and visibility, to a webhook of this machine.

    Example:

      tocsin bench load --seconds 300 --kill-every 30 --json
    """
    from pipelines.progress import progress
    from pipelines.show.load import Plan, load

    log_for("warning", "json")
    with progress("sent", "") as shown:
        figures = load(Plan(seconds, rate, kill_every or 0.0, broker), shown)
    show(figures) if as_json else _table("a subscriber under load", figures)
    if figures["lost"] or figures["doubled"]:
        raise typer.Exit(1)


@bench_app.command("backends")
def bench_backends(
    model: Annotated[str, typer.Option(help="Matched-filter network, or folder of one.")] = "carillon",
    runs: Annotated[int, typer.Option(help="Calls of each case.", min=1)] = 100,
    as_json: Json = False,
) -> None:
    """Time of the matched-filter network on each execution provider: CPU, CUDA, TensorRT in FP32 and FP16.

    Example:

      tocsin bench backends --json
    """
    from pipelines.show.backends import backends

    log_for("warning", "json")
    figures = backends(model, runs=runs)
    show(figures) if as_json else _table("backends", figures)


@bench_app.command("sky")
def bench_sky(
    fields: Annotated[int, typer.Option(help="How many fields of each kind.", min=1, max=100_000)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the fields.", min=0)] = 5,
    peers: Annotated[bool, typer.Option("--peers", help="Beside astroplan and mocpy: a minute.")] = False,
    as_json: Json = False,
) -> None:
    """What of a map of 20 000 pixels 20 sites can see, the probability in fields, the best places: what each takes.

    Example:

      tocsin bench sky --peers --json
    """
    from pipelines.show.sky_bench import sky

    log_for("warning", "json")
    figures = sky(fields, seed, peers)
    show(figures) if as_json else _table("sky", figures)


def _table(title: str, figures: dict[str, Any]) -> None:
    table = Table(title=title, show_header=False)
    for key, value in figures.items():
        rows = value if isinstance(value, list) else [value]
        table.add_row(key, "\n".join(_plain(row) for row in rows))
    Console().print(table)
    show(figures)


def _plain(value: object) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
