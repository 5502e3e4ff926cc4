"""``subscribe``: alerts at the telescope."""

from __future__ import annotations

import io
import os
import shlex
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.common import Broker, Config, Json, number, settings_from, show, start_from
from pipelines.cli.wanted import Combined, IfUnknown, PresetName, SiteName, Visible, Where
from stream.text import clean

_SWITCH_S = 0.0005
"""How long a thread that computes keeps another waiting; Python's 5 ms let actions fall behind the stream."""

if TYPE_CHECKING:
    from pipelines.subscribe.delivery import Delivery
    from pipelines.subscribe.running import Asked
    from stream.settings import Settings


def subscribe(
    source: Annotated[
        list[str] | None, typer.Option(help="gcn, scimma, or local (the settings' broker, the default); repeat.")
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(help="Alert topic, Avro or JSON; gcn:NAME for one source; repeat. Else the usual one of each."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="latest, earliest, last:N, or a UTC time such as 2026-11-22T00:00Z; else where it was, or latest.",
        ),
    ] = None,
    count: Annotated[int | None, typer.Option("--count", "-n", help="End after so many alerts.", min=1)] = None,
    out: Annotated[Path | None, typer.Option(help="Keep each alert's message in this folder.")] = None,
    on_alert: Annotated[
        str | None, typer.Option(help="Start this command for each alert: its words, no shell; JSON on its input.")
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(
            help="Post each alert as JSON to this URL, signed with TOCSIN_WEBHOOK_SECRET. env:NAME or file:PATH name"
            " the URL, so that no other user of this machine reads it."
        ),
    ] = None,
    slack: Annotated[
        str | None,
        typer.Option(help="Post a line of text for each alert, as Slack takes it; env:NAME and file:PATH too."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The subscription's name: what it remembers, and its group at the broker.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of what subscriptions remember.")] = None,
    test: Annotated[
        bool | None, typer.Option("--test/--no-test", help="Test alerts too; by default local delivers them alone.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether broker, topic, rule and actions work; exit code 1 if not.")
    ] = False,
    timeout: Annotated[float | None, number("End after so many seconds; without it never.", 0.1, 1e8)] = None,
    where: Where = "",
    preset: PresetName = "",
    unknown: IfUnknown = None,
    site: SiteName = "",
    visible: Visible = None,
    combined: Combined = False,
    joint: Annotated[
        bool, typer.Option("--joint", help="Only events that another messenger's coincides with.")
    ] = False,
    joint_far: Annotated[
        str | None, typer.Option(help="Only with a joint false-alarm rate of at most this: 1/month, 1/10year, or Hz.")
    ] = None,
    messenger: Annotated[
        list[str] | None, typer.Option(help="Only with this messenger: gamma, neutrino, radio, x-ray, optical; repeat.")
    ] = None,
    as_json: Json = False,
    config: Config = None,
    broker: Broker = None,
) -> None:
    """Receive alerts as a telescope does, each one once; ours and LVK's, Avro or JSON, of one broker or several.

    Waits for a topic that is not there yet. SIGTERM, Ctrl-C, and an output that nobody reads any more end it. Exit
    code 1 if --timeout passed before the alerts of --count came. What a rule asks for must hold of one alert; from
    then on every alert of its event passes: that it coincides no longer, that it is withdrawn.

    With --name, an action (--on-alert, --webhook, --slack) or a public source it remembers what it delivered: after
    a restart it goes on where it was, nothing is lost, nothing is done twice without the same key, and what failed
    is tried again for an hour, then kept: `tocsin alerts dead`.

    Examples
    --------
      tocsin subscribe --topic alerts.gw --json

      tocsin subscribe --from earliest -n 1 --out alerts/

      tocsin subscribe --source gcn --source scimma --on-alert ./slew.sh --name my-telescope

      tocsin subscribe --where 'far < 1/month and area90 < 500' --site rubin --visible 0.7

      tocsin subscribe --preset tarot --joint-far 1/year --messenger gamma

      tocsin subscribe --source gcn --on-alert ./slew.sh --check
    """
    from pipelines.subscribe.judging import RuleOptions
    from pipelines.subscribe.running import Asked
    from pipelines.subscribe.written import Options, written

    settings = settings_from(config, broker)
    rules = RuleOptions(
        where, preset, unknown, site, visible, combined, joint, joint_far or "", tuple(messenger or ())
    )  # fmt: skip
    options = Options(
        rules=rules, out=out,
        command=tuple(shlex.split(on_alert)) if on_alert is not None else None, webhook=webhook, slack=slack,
    )  # fmt: skip
    routes, doings = written(options, os.environ)
    asked = Asked(
        sources=tuple(source or ("local",)), topics=tuple(topic or ()), routes=routes,
        doings=doings, start=_start(start), name=name, folder=state, tests=test, written=options.written(),
    )  # fmt: skip
    if check:
        _check(settings, asked, as_json=as_json)
        return
    _follow(settings, asked, count, timeout, as_json=as_json)


def _check(settings: Settings, asked: Asked, *, as_json: bool) -> None:
    from dataclasses import asdict

    from pipelines.subscribe.check import check
    from stream.masking import mask_urls

    failed = 0
    for found in check(settings, asked, os.environ):
        failed += not found.ok
        line = f"{'ok  ' if found.ok else 'FAIL'}  {found.what}: {clean(mask_urls(found.text))}"
        show(asdict(found)) if as_json else typer.echo(line)
    if failed:
        raise typer.Exit(1)


def _follow(settings: Settings, asked: Asked, count: int | None, timeout_s: float | None, *, as_json: bool) -> None:
    """Print what is delivered, until so many alerts came, the time is over or somebody ends it."""
    from pipelines.cli.waiting import leaving
    from pipelines.subscribe.running import opened

    stop, came = threading.Event(), 0
    sys.setswitchinterval(_SWITCH_S)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an alert's letters need not be the terminal's
    with leaving(stop, timeout_s):
        asked = _from_the_beginning_of_what_is_to_come(settings, asked)
        with opened(settings, asked, os.environ) as engine:
            for delivery in engine.deliveries(stop):
                came += 1
                _print(delivery, as_json)
                if came == count:
                    stop.set()  # and come back once more: what was printed is done with
    if timeout_s is not None and count is not None and came < count:
        raise typer.Exit(1)


def _print(delivery: Delivery, as_json: bool) -> None:
    if as_json:  # ASCII, so that no encoder need look at each letter of a map; one write, so that a line is whole
        sys.stdout.buffer.write(delivery.as_json() + b"\n")
    else:
        from pipelines.subscribe.coloured import print_line

        print_line(delivery)
    sys.stdout.flush()


def _from_the_beginning_of_what_is_to_come(settings: Settings, asked: Asked) -> Asked:
    """Begin at the beginning of topics that are yet to be made: all that comes to them is new.

    Where one of them is there already, its beginning is long past; and who has a place goes on there.
    """
    from dataclasses import replace

    from pipelines.cli.waiting import is_there
    from pipelines.subscribe.opened import topics_of

    if asked.sources != ("local",) or asked.start not in (None, "latest"):
        return asked
    there = [is_there(settings, topic) for topic in topics_of("local", settings, asked.topics)]  # each is told of
    if any(found is not False for found in there):
        return asked
    return replace(asked, if_new="earliest") if asked.start is None else replace(asked, start="earliest")


def _start(text: str | None) -> str | int | None:
    """Return a place to start from: a word, or Unix nanoseconds."""
    from pipelines.subscribe.opened import WORDS, last_count

    return text if text is None or last_count(text) is not None else start_from(text, WORDS)
