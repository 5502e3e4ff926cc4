"""Strain from elsewhere: ``simulate``, ``replay``, ``localize``, ``fetch``."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.cli.common import Broker, Config, Detectors, Files, Json, log_for, number, one_of, settings_from, show
from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from pipelines.show.replay_pages import ReplayPages
    from stream.records import ExternalEvent


def simulate(
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0)] = 7,
    inject: Annotated[str | None, typer.Option(help="Inject signals: bbh.")] = None,
    every: Annotated[float, number("Seconds between injections.", 2, 1e6)] = 30.0,
    glitch_rate: Annotated[float, number("Glitches per second and detector.", 0, 16)] = 0.006,
    duration: Annotated[float | None, number("Seconds; without it until Ctrl-C.", 1 / 16, 1e8)] = None,
    block: Annotated[float, number("Block length in seconds: n/16, from 1/16 to 4.", 1 / 16, 4)] = 1 / 16,
    witnesses: Annotated[bool, typer.Option(help="Send witness channels too.")] = True,
    gap: Annotated[
        list[str] | None, typer.Option(help="A gap, as DETECTOR:START:SECONDS from the first sample; repeatable.")
    ] = None,
    external: Annotated[
        str | None, typer.Option(help="Send notices of other messengers too: grb, neutrino, or both with a comma.")
    ] = None,
    chance: Annotated[
        float, number("Of each of them, events an hour that no merger belongs to; nature has one a day.", 0, 3600)
    ] = 20.0,
    config: Config = None,
    broker: Broker = None,
    detectors: Detectors = None,
) -> None:
    """Be a network of detectors that sends to Kafka in real time.

    With --external each injection has a gamma-ray burst some 1.7 s after it, or a neutrino within 5 s, told as
    Fermi-GBM and IceCube tell them: some seconds late, then better and better. They go through the parser onto
    topics.external, marked as injections.

    Examples
    --------
      tocsin simulate --seed 7 --inject bbh

      tocsin simulate -d H1 -d L1 -d V1 --every 10 --inject bbh --gap L1:30:5

      tocsin simulate --inject bbh --external grb,neutrino
    """
    from pipelines.cli.waiting import leaving
    from pipelines.feeds.simulate import Simulation, parse_gap, simulate_to_kafka

    settings = settings_from(config, broker, detectors)
    simulation = Simulation(
        seed=seed, inject=inject, every_s=every, glitch_rate_hz=glitch_rate, duration_s=duration, block_s=block,
        witnesses=witnesses, gaps=tuple(parse_gap(text) for text in gap or ()), external=_kinds(external),
        chance_hz=chance / 3600.0,
    )  # fmt: skip
    stop = threading.Event()
    with leaving(stop):
        simulate_to_kafka(settings, simulation, stop)


def _kinds(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))


def replay(
    files: Files,
    direct: Annotated[bool, typer.Option("--direct", help="Search here and now, without a broker.")] = False,
    speed: Annotated[float, number("Times real time, onto Kafka.", 1e-3, 1e6)] = 1.0,
    rebase_time: Annotated[Literal["no", "now"], typer.Option(help="Move the data to the present.")] = "no",
    block: Annotated[
        float | None, number("Block length in seconds: n/16, to 4; without it 1 direct, 1/16 to Kafka.", 1 / 16, 4)
    ] = None,
    alerts: Annotated[Path | None, typer.Option(help="Write the alerts (Avro); with --direct.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report (JSON); with --direct.")] = None,
    pages: Annotated[Path | None, typer.Option(help="Write a page of each event to a folder; with --direct.")] = None,
    events: Annotated[
        list[Path] | None,
        typer.Option(help="External events (tocsin listen --out), notices, or a folder; repeat; with --direct."),
    ] = None,
    as_json: Json = False,
    config: Config = None,
    broker: Broker = None,
) -> None:
    """Replay archived strain: straight through the search, or onto Kafka as a live stream.

    Examples
    --------
      tocsin replay H-H1_*.hdf5 L-L1_*.hdf5 --direct --alerts out.avro --report out.json

      tocsin replay H-H1_*.hdf5 L-L1_*.hdf5 --direct --pages pages/ --events notices/

      tocsin replay H-H1_*.hdf5 L-L1_*.hdf5 --speed 1 --rebase-time now
    """
    from pipelines.cli.waiting import leaving
    from pipelines.feeds.replay import replay_to_kafka
    from pipelines.offline.replay import replay_direct, write_report_alerts
    from pipelines.progress import progress
    from pipelines.show.present import report_text

    settings = settings_from(config, broker)
    if not direct:
        if alerts is not None or report is not None or pages is not None:
            raise ConfigurationError("--alerts, --report and --pages are written by --direct; on Kafka, subscribe")
        if events:
            raise ConfigurationError("--events are read by --direct; onto Kafka, tocsin listen --files")
        stop = threading.Event()
        with progress("replayed") as shown, leaving(stop):
            shift_ns = replay_to_kafka(
                files, settings=settings, speed=speed, rebase=rebase_time == "now",
                block_s=1 / 16 if block is None else block, progress=shown, stop=stop,
            )  # fmt: skip
        show({"shift_s": shift_ns // 1_000_000_000}) if as_json else None
        return
    watched, heard = _watched(pages), _heard(events or [])
    with progress("replayed") as shown:
        length_s = 1.0 if block is None else block
        tap, told = (None, None) if watched is None else (watched.tap, watched.told)
        found = replay_direct(
            files, settings=settings, block_s=length_s, progress=shown, tap=tap, told=told, external=heard
        )
    if alerts is not None:
        write_report_alerts(found, settings, alerts)
    if report is not None:
        found.write(report)
    if watched is not None and pages is not None:
        watched.write(pages, settings)
    show(found.as_dict()) if as_json else typer.echo(report_text(found))


def _heard(paths: list[Path]) -> list[ExternalEvent]:
    """Return the external events of files, saying what could not be read."""
    from pipelines.offline.archived import Refusals, read_archived_events
    from stream.timebase import SystemClock

    refused = Refusals()
    found = list(read_archived_events(paths, refused, SystemClock()))
    if refused.kinds:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(refused.kinds.items()))
        typer.echo(f"--events: notices that could not be read: {kinds}", err=True)
    return found


def _watched(pages: Path | None) -> ReplayPages | None:
    """Return what makes pages of a replay, if they are wanted: it draws, and is loaded for that alone."""
    if pages is None:
        return None
    from pipelines.show.replay_pages import ReplayPages

    return ReplayPages()


def localize(
    files: Files,
    gps: Annotated[float, number("GPS time of the merger, within half a second.", 1, 9e9)],
    peer: Annotated[Literal["bayestar"] | None, typer.Option(help="Another code's map of the same SNR series.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the map (FITS) and its picture.")] = Path("tocsin-localize"),
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Make the sky map of a merger in archived strain, and tell what it was: the loudest peak near a time.

    Time taken is that of the follow-up: filter, map, class and file; the peer's is of its map.

    Examples
    --------
      tocsin localize H-H1_*.hdf5 L-L1_*.hdf5 --gps 1126259462.42

      tocsin localize H-H1_*.hdf5 L-L1_*.hdf5 --gps 1126259462.42 --peer bayestar --json
    """
    from rich.console import Console

    from pipelines.offline.localize import localize_archive
    from pipelines.show.localized import as_dict, table, write

    result = localize_archive(files, gps, settings=settings_from(config), peer=peer)
    paths = write(result, out)
    if as_json:
        show(as_dict(result, paths["fits"]))
        return
    Console().print(table(result))
    for kind, path in paths.items():
        typer.echo(f"{kind}: {path}")


def fetch(
    event: Annotated[str, typer.Argument(help="Event of the GWOSC catalogue, such as GW150914.")],
    detectors: Detectors = None,
    out: Annotated[Path, typer.Option(help="Folder.")] = Path("data"),
    duration: Annotated[int, one_of("Length of the files in seconds", 32, 4096)] = 32,
    rate: Annotated[int, one_of("Sample rate in Hz", 4096, 16384)] = 4096,
    file_format: Annotated[Literal["hdf5", "gwf"], typer.Option("--format", help="File format.")] = "hdf5",
    as_json: Json = False,
) -> None:
    """Download public strain of an event from GWOSC; an interrupted download goes on where it stopped.

    Examples
    --------
      tocsin fetch GW150914 --detectors H1 L1 --out data/

      tocsin fetch GW200311_115853 -d H1 L1 V1 --format gwf
    """
    from pipelines.feeds.fetch import fetch as download
    from pipelines.progress import progress
    from stream.settings import check_detectors

    log_for("info")
    wanted = check_detectors(detectors or ["H1", "L1"])
    with progress("fetched", "MB") as shown:
        paths = download(
            event, wanted, out, duration_s=duration, sample_rate_hz=rate, file_format=file_format,
            progress=shown,
        )  # fmt: skip
    show({"files": [str(p) for p in paths]}) if as_json else typer.echo("\n".join(str(p) for p in paths))
