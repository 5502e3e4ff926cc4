"""The command ``tocsin``. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted.

Results go to stdout (with ``--json`` for programs), logs and progress to stderr.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from stream import __version__
from stream.configuration import load_settings, render_settings
from stream.errors import ConfigurationError, TocsinError
from stream.log import configure_logging
from stream.settings import Settings

app = typer.Typer(
    name="tocsin",
    help="Real-time multi-messenger pipeline: gravitational-wave strain in, Avro alerts out, in under a second.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
topics_app = typer.Typer(help="Kafka topics: make them, list them, check them.", no_args_is_help=True)
bench_app = typer.Typer(help="Latency and throughput of this machine.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
app.add_typer(bench_app, name="bench")

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
    overrides: dict[str, Any] = dict(more)
    if broker is not None:
        overrides["kafka"] = {"bootstrap_servers": broker}
    if detectors:
        overrides["strain"] = {"detectors": tuple(detectors)}
    settings = load_settings(config, overrides)
    plain = sys.stderr.isatty() and "log_format" not in settings.daemon.model_fields_set
    configure_logging(settings.daemon.log_level, "console" if plain else settings.daemon.log_format)
    return settings


def show(result: object) -> None:
    """Print one JSON document in one line."""
    typer.echo(json.dumps(result))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tocsin {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Tocsin: an alarm bell for telescopes."""


@app.command()
def run(
    config: Config = None,
    broker: Broker = None,
    detectors: Detectors = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all settings with their documentation, and end.")
    ] = False,
) -> None:
    """Run the daemon: strain from Kafka, alerts to Kafka.

    SIGTERM and Ctrl-C drain it: the publisher sends what waits, the state is written.

    Examples
    --------
      tocsin run --print-config > tocsin.toml

      tocsin run --config tocsin.toml

      TOCSIN_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 tocsin run
    """
    settings = settings_from(config, broker, detectors)
    if print_config:
        typer.echo(render_settings(settings), nl=False)
        return
    from pipelines import daemon  # noqa: PLC0415 - heavy imports only for the commands that need them

    daemon.run(settings)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the alert and the picture.")] = Path("tocsin-demo"),
    seed: Annotated[int, typer.Option(help="Seed of noise and glitches.")] = 7,
    as_json: Json = False,
) -> None:
    """Show the whole pipeline in one process: two synthetic detectors, a glitch, a merger, an alert.

    Needs nothing but this package and takes about half a minute. Exit code 1 if the merger did not ring, or
    anything else did.

    Examples
    --------
      tocsin demo

      tocsin demo --json | tail -1
    """
    from pipelines.demo import demo as show_pipeline  # noqa: PLC0415
    from pipelines.present import demo_text  # noqa: PLC0415
    from pipelines.progress import progress  # noqa: PLC0415

    configure_logging("warning", "console" if sys.stderr.isatty() else "json")
    with progress("H1 and L1 send in real time") as report:
        result = show_pipeline(out, seed, report)
    if not as_json:
        typer.echo(demo_text(result))
    show(result.as_dict()) if as_json else None
    if not result.ok:
        raise typer.Exit(1)


@app.command()
def simulate(
    to: Annotated[Literal["kafka"], typer.Option(help="Where to send.")] = "kafka",
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 7,
    inject: Annotated[str | None, typer.Option(help="Inject signals: bbh.")] = None,
    every: Annotated[float, typer.Option(help="Seconds between injections.", min=2)] = 30.0,
    glitch_rate: Annotated[float, typer.Option(help="Glitches per second and detector.", min=0)] = 0.006,
    duration: Annotated[float | None, typer.Option(help="Seconds; without it until Ctrl-C.")] = None,
    block: Annotated[float, typer.Option(help="Block length in seconds, 1/16 to 4.")] = 1 / 16,
    witnesses: Annotated[bool, typer.Option(help="Send witness channels too.")] = True,
    gap: Annotated[
        list[str] | None, typer.Option(help="A gap, as DETECTOR:START:SECONDS from the first sample; repeatable.")
    ] = None,
    config: Config = None,
    broker: Broker = None,
    detectors: Detectors = None,
) -> None:
    """Be a network of detectors that sends to Kafka in real time.

    Examples
    --------
      tocsin simulate --seed 7 --inject bbh --to kafka

      tocsin simulate -d H1 -d L1 -d V1 --every 10 --inject bbh --gap L1:30:5
    """
    from pipelines.simulate import Simulation, parse_gap, simulate_to_kafka  # noqa: PLC0415

    settings = settings_from(config, broker, detectors)
    simulation = Simulation(
        seed=seed, inject=inject, every_s=every, glitch_rate_hz=glitch_rate, duration_s=duration, block_s=block,
        witnesses=witnesses, gaps=tuple(parse_gap(text) for text in gap or ()),
    )  # fmt: skip
    simulate_to_kafka(settings, simulation)


@app.command()
def replay(
    files: Files,
    direct: Annotated[bool, typer.Option("--direct", help="Search here and now, without a broker.")] = False,
    to: Annotated[Literal["kafka"], typer.Option(help="Where to send when not --direct.")] = "kafka",
    speed: Annotated[float, typer.Option(help="Times real time, onto Kafka.")] = 1.0,
    rebase_time: Annotated[Literal["no", "now"], typer.Option(help="Move the data to the present.")] = "no",
    block: Annotated[float | None, typer.Option(help="Block length in seconds [1 direct, 1/16 to Kafka].")] = None,
    alerts: Annotated[Path | None, typer.Option(help="Write the alerts (Avro); with --direct.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report (JSON); with --direct.")] = None,
    as_json: Json = False,
    config: Config = None,
    broker: Broker = None,
) -> None:
    """Replay archived strain: straight through the search, or onto Kafka as a live stream.

    Examples
    --------
      tocsin replay H-H1_*.hdf5 L-L1_*.hdf5 --direct --alerts out.avro --report out.json

      tocsin replay H-H1_*.hdf5 L-L1_*.hdf5 --speed 1 --rebase-time now --to kafka
    """
    from pipelines import replay as replaying  # noqa: PLC0415
    from pipelines.present import report_text  # noqa: PLC0415
    from pipelines.progress import progress  # noqa: PLC0415

    settings = settings_from(config, broker)
    with progress("replayed") as shown:
        if not direct:
            if alerts is not None or report is not None:
                raise ConfigurationError("--alerts and --report are written by --direct; on Kafka, subscribe")
            shift_ns = replaying.replay_to_kafka(
                files, settings=settings, speed=speed, rebase=rebase_time == "now", block_s=block or 1 / 16,
                progress=shown,
            )  # fmt: skip
        else:
            found = replaying.replay_direct(files, settings=settings, block_s=block or 1.0, progress=shown)
    if not direct:
        show({"shift_s": shift_ns // 1_000_000_000}) if as_json else None
        return
    if alerts is not None:
        replaying.write_report_alerts(found, settings, alerts)
    if report is not None:
        found.write(report)
    show(found.as_dict()) if as_json else typer.echo(report_text(found))


@app.command()
def fetch(
    event: Annotated[str, typer.Argument(help="Event of the GWOSC catalogue, such as GW150914.")],
    detectors: Detectors = None,
    out: Annotated[Path, typer.Option(help="Folder.")] = Path("data"),
    duration: Annotated[int, typer.Option(help="Length of the files: 32 or 4096 s.")] = 32,
    rate: Annotated[int, typer.Option(help="Sample rate: 4096 or 16384 Hz.")] = 4096,
    file_format: Annotated[Literal["hdf5", "gwf"], typer.Option("--format", help="File format.")] = "hdf5",
    as_json: Json = False,
) -> None:
    """Download public strain of an event from GWOSC; an interrupted download goes on where it stopped.

    Examples
    --------
      tocsin fetch GW150914 --detectors H1 L1 --out data/

      tocsin fetch GW200311_115853 -d H1 L1 V1 --format gwf
    """
    from pipelines.fetch import fetch as download  # noqa: PLC0415
    from pipelines.progress import progress  # noqa: PLC0415

    configure_logging("info", "console" if sys.stderr.isatty() else "json")
    with progress("fetched", "MB") as shown:
        paths = download(
            event, detectors or ["H1", "L1"], out, duration_s=duration, sample_rate_hz=rate, file_format=file_format,
            progress=shown,
        )  # fmt: skip
    show({"files": [str(p) for p in paths]}) if as_json else typer.echo("\n".join(str(p) for p in paths))


@app.command()
def subscribe(
    topic: Annotated[str | None, typer.Option(help="Alert topic, Avro or JSON [topics.alerts].")] = None,
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
    from pipelines.subscribe import alerts  # noqa: PLC0415

    settings = settings_from(config, broker)
    stop = threading.Event()
    for k, alert in enumerate(alerts(settings, topic, _start(start), stop), 1):
        typer.echo(json.dumps(alert.as_dict()) if as_json else alert.as_line())
        sys.stdout.flush()
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            suffix = "json" if alert.raw[:1] == b"{" else "avro"
            (out / f"{alert.superevent_id}-{alert.offset}.{suffix}").write_bytes(alert.raw)
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


@topics_app.command("create")
def topics_create(config: Config = None, broker: Broker = None, detectors: Detectors = None) -> None:
    """Make the topics that are missing.

    Example:

      tocsin topics create --broker kafka:9092
    """
    from stream.kafka import topics  # noqa: PLC0415

    made = topics.create(settings_from(config, broker, detectors))
    typer.echo("\n".join(f"made {name}" for name in made) or "all topics are there")


@topics_app.command("list")
def topics_list(config: Config = None, broker: Broker = None, as_json: Json = False) -> None:
    """List the broker's topics with their partitions.

    Example:

      tocsin topics list --json
    """
    from stream.kafka import topics  # noqa: PLC0415

    found = topics.list_topics(settings_from(config, broker))
    show(found) if as_json else typer.echo("\n".join(f"{name}  {n}" for name, n in sorted(found.items())))


@topics_app.command("check")
def topics_check(
    config: Config = None, broker: Broker = None, detectors: Detectors = None, as_json: Json = False
) -> None:
    """Check partitions, retention, message size and clean-up of each topic; exit code 1 if one is wrong.

    Example:

      tocsin topics check
    """
    from stream.kafka import topics  # noqa: PLC0415

    found = topics.check(settings_from(config, broker, detectors))
    if as_json:
        show([{"name": c.name, "ok": c.problem is None, "problem": c.problem, "remedy": c.remedy} for c in found])
    else:
        for c in found:
            typer.echo(f"{c.name}: {'ok' if c.problem is None else f'{c.problem}; remedy: {c.remedy}'}")
    if any(c.problem is not None for c in found):
        raise typer.Exit(1)


@app.command()
def doctor(config: Config = None, broker: Broker = None, as_json: Json = False) -> None:
    """Check broker, topics, schemas, model, accelerator, clock and disk; say what to do about each fault.

    Example:

      tocsin doctor --config tocsin.toml
    """
    from pipelines.doctor import as_dict, examine  # noqa: PLC0415

    settings = settings_from(config, broker)
    found = []
    for finding in examine(settings):
        found.append(finding)
        if not as_json:
            remedy = "" if finding.ok else f"\n    to do: {finding.remedy}"
            typer.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}{remedy}")
    if as_json:
        show(as_dict(found))
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)


@bench_app.command("latency")
def bench_latency(
    injections: Annotated[int, typer.Option(help="How many mergers.", min=1)] = 60,
    spacing: Annotated[float, typer.Option(help="Seconds between them.", min=3)] = 4.0,
    seed: Annotated[int, typer.Option(help="Seed.")] = 11,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Merger to alert: the daemon with witnesses on 1/16 s blocks, in real time.

    Example:

      tocsin bench latency --injections 60 --json
    """
    from pipelines.bench import latency  # noqa: PLC0415
    from pipelines.progress import progress  # noqa: PLC0415

    configure_logging("warning", "json")
    with progress("sent") as shown:
        figures = latency(injections, spacing, seed, broker, shown)
    show(figures) if as_json else _table("merger to alert", figures)


@bench_app.command("throughput")
def bench_throughput(
    duration: Annotated[int, typer.Option(help="Seconds of data per case.", min=16)] = 128, as_json: Json = False
) -> None:
    """Seconds of data per second of work, by detectors and stride.

    Example:

      tocsin bench throughput --json
    """
    from pipelines.bench import throughput  # noqa: PLC0415
    from pipelines.progress import progress  # noqa: PLC0415

    configure_logging("warning", "json")
    with progress("cases", "") as shown:
        figures = throughput(duration, progress=shown)
    show(figures) if as_json else _table("throughput", figures)


def _table(title: str, figures: dict[str, Any]) -> None:
    table = Table(title=title, show_header=False)
    for key, value in figures.items():
        rows = value if isinstance(value, list) else [value]
        table.add_row(key, "\n".join(_plain(row) for row in rows))
    Console().print(table)
    show(figures)


def _plain(value: object) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def main() -> None:
    """Run the command; errors of this project become one line and an exit code."""
    sys.argv[1:] = _several_detectors(sys.argv[1:])
    try:
        app()
    except ConfigurationError as error:
        _fail(error, 2)
    except TocsinError as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        _fail(error, 1)


def _several_detectors(arguments: list[str]) -> list[str]:
    """Let ``--detectors H1 L1`` stand for ``--detectors H1 --detectors L1``, as people write it."""
    out: list[str] = []
    listing = False
    for argument in arguments:
        if listing and re.fullmatch(r"[A-Z]\d", argument) and out[-1] not in ("--detectors", "-d"):
            out += ["--detectors", argument]
            continue
        listing = argument in ("--detectors", "-d") or (listing and re.fullmatch(r"[A-Z]\d", argument) is not None)
        out.append(argument)
    return out


def _fail(error: Exception, code: int) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"tocsin: {error}")
    sys.exit(code)


if __name__ == "__main__":
    main()
