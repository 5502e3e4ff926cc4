"""Operating a pipeline: ``run``, ``doctor``, ``topics``."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.common import Broker, Config, Detectors, Json, settings_from, show
from stream.errors import Fenced

topics_app = typer.Typer(help="Kafka topics: make them, list them, check them.", no_args_is_help=True)


def run(
    config: Config = None,
    broker: Broker = None,
    detectors: Detectors = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all settings with their documentation, and end.")
    ] = False,
) -> None:
    """Run the daemon: strain from Kafka, alerts to Kafka.

    SIGTERM and Ctrl-C drain it: the publisher sends what waits, the state is written. Exit code 4 if another daemon
    has taken over its names: do not start it again.

    Examples
    --------
      tocsin run --print-config > tocsin.toml

      tocsin run --config tocsin.toml

      TOCSIN_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 tocsin run
    """
    from stream.configuration import render_settings

    settings = settings_from(config, broker, detectors)
    if print_config:
        typer.echo(render_settings(settings), nl=False)
        return
    from pipelines.live import daemon
    from pipelines.show.live_pages import with_pages

    try:
        with with_pages(settings.daemon) as hooks:
            daemon.run(settings, hooks=hooks)
    except Fenced as error:
        if settings.daemon.when_fenced == "wait":
            daemon.stay_down(error)
        raise


def doctor(config: Config = None, broker: Broker = None, as_json: Json = False) -> None:
    """Check broker, topics, schemas, model, accelerator, clock and disk; say what to do about each fault.

    It only looks. Exit code 1 for a fault; a warning, as of a clock that cannot be asked, is none.

    Example:

      tocsin doctor --config tocsin.toml
    """
    from pipelines.live.doctor import as_dict, examine

    settings = settings_from(config, broker)
    found = []
    for finding in examine(settings):
        found.append(finding)
        if not as_json:
            typer.echo(finding.as_text())
    if as_json:
        show(as_dict(found))
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)


@topics_app.command("create")
def topics_create(config: Config = None, broker: Broker = None, detectors: Detectors = None) -> None:
    """Make the topics that are missing.

    Example:

      tocsin topics create --broker kafka:9092
    """
    from stream.kafka import topics

    made = topics.create(settings_from(config, broker, detectors))
    typer.echo("\n".join(f"made {name}" for name in made) or "all topics are there")


@topics_app.command("list")
def topics_list(config: Config = None, broker: Broker = None, as_json: Json = False) -> None:
    """List the broker's topics with their partitions.

    Example:

      tocsin topics list --json
    """
    from stream.kafka import topics

    found = topics.list_topics(settings_from(config, broker))
    show(found) if as_json else typer.echo("\n".join(f"{name}  {n}" for name, n in sorted(found.items())))


@topics_app.command("check")
def topics_check(
    config: Config = None, broker: Broker = None, detectors: Detectors = None, as_json: Json = False
) -> None:
    """Check partitions, copies, leaders, retention and message size of each topic; exit code 1 if one is wrong.

    Example:

      tocsin topics check
    """
    from stream.kafka import checks

    found = checks.check(settings_from(config, broker, detectors))
    if as_json:
        show([{"name": c.name, "ok": c.problem is None, "problem": c.problem, "remedy": c.remedy} for c in found])
    else:
        for c in found:
            typer.echo(f"{c.name}: {'ok' if c.problem is None else f'{c.problem}; remedy: {c.remedy}'}")
    if any(c.problem is not None for c in found):
        raise typer.Exit(1)
