"""Alerts as a telescope receives them: ``tocsin subscribe``, or from Python in a few lines.

::

    from pipelines.subscribe import subscribe

    for alert in subscribe("gcn", where="far < 1/month and area90 < 500", name="my-telescope"):
        point_at(alert.skymap.best(5))                # committed when the loop comes back for the next one

Reads this pipeline's alerts and LVK's (``igwn.alerts.v1_0`` and 1.3.0), Avro, JSON and
VOEvents (which hold no map), from GCN, SCiMMA and any Kafka.
Each alert is handed on once, whatever it came by; what is none is logged with its place and passed over.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pipelines.subscribe.alert import Alert, AlertMap
from pipelines.subscribe.judging import RuleOptions
from pipelines.subscribe.received import ReceivedAlert, keep, receive
from pipelines.subscribe.running import Asked, opened
from pipelines.subscribe.where import IfUnknown
from pipelines.subscribe.written import Options, written
from stream.configuration import load_settings
from stream.settings import Settings

__all__ = ["Alert", "AlertMap", "ReceivedAlert", "alerts", "keep", "receive", "subscribe"]


def subscribe(  # noqa: PLR0913 - all that a telescope can ask for, each by its name
    *sources: str,
    where: str = "",
    preset: str = "",
    unknown: IfUnknown | None = None,
    site: str = "",
    visible: float | None = None,
    name: str | None = None,
    start: str | int | datetime | None = None,
    tests: bool | None = None,
    topics: Sequence[str] = (),
    actions: Options | None = None,
    state: Path | None = None,
    settings: Settings | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Alert]:
    """Yield alerts as they come, each once, until stopped; what ``tocsin subscribe`` does, for a program.

    An alert is done with when the loop comes back for the next one: whoever is ended before that gets it again. With a
    name, or from a public source, the place and what was delivered survive a restart.

    Parameters
    ----------
    *sources : {"gcn", "scimma", "local"}
        Several are one stream; without any, the broker of the settings.
    where : str
        Which alerts: see docs/rules.md. Every later alert of an event that was delivered follows it, a retraction too.
    preset : str
        Rules by name, or the path of a file.
    unknown : {"reject", "accept"}, optional
        What becomes of an alert that does not tell what the rule asks for.
    site : str
        Where the telescope stands.
    visible : float, optional
        Only where the site sees so much of the probability.
    name : str, optional
        The subscription's.
    start : {"latest", "earliest", "last:N"}, int or datetime, optional
        Where to begin; an int is a Unix time in nanoseconds. Without it where it was, or with what comes.
    tests : bool, optional
        Test alerts too; without an answer, those of one's own broker alone.
    topics : sequence of str
        Instead of the usual ones; ``gcn:NAME`` for one source.
    actions : Options, optional
        What is done besides, each with its own queue.
    state : Path, optional
        Folder of what subscriptions remember.
    settings : Settings, optional
        Read from environment and defaults without them.
    stop : threading.Event, optional

    Raises
    ------
    ConfigurationError
        If a source, its credentials, a rule or a site is missing or wrong; before the first alert.
    TransportError
        For an error that will not mend itself, such as refused credentials.
    """
    options = _with_rules(actions, RuleOptions(where, preset, unknown, site, visible))
    routes, doings = written(options, os.environ)
    asked = Asked(
        sources or ("local",), tuple(topics), routes, doings, _unix_ns(start), name, state, tests, options.written()
    )
    whole = settings if settings is not None else load_settings()
    with (
        opened(whole, asked, os.environ, each=True) as engine,
        closing(engine.deliveries(stop or threading.Event())) as found,
    ):
        for delivery in found:
            yield Alert(delivery)


def _with_rules(actions: Options | None, rules: RuleOptions) -> Options:
    if actions is None:
        return Options(rules)
    return Options(rules, actions.out, actions.command, actions.webhook, actions.slack)


def _unix_ns(start: str | int | datetime | None) -> str | int | None:
    if not isinstance(start, datetime):
        return start
    return int(start.replace(tzinfo=start.tzinfo or UTC).timestamp() * 1e9)


def alerts(
    settings: Settings, topic: str | None = None, start: str | int = "latest", stop: threading.Event | None = None
) -> Iterator[ReceivedAlert]:
    """Yield the alerts of a topic as they come, until stopped; nothing is remembered.

    Parameters
    ----------
    settings : Settings
    topic : str, optional
        The configured Avro topic if not given.
    start : {"latest", "earliest", "last:N"} or int
        Where to begin; an int is a Unix time in nanoseconds.
    stop : threading.Event, optional

    Raises
    ------
    TransportError
        For an error that will not mend itself, such as refused credentials.
    """
    asked = Asked(topics=() if topic is None else (topic,), start=start)
    with opened(settings, asked, os.environ) as engine, closing(engine.deliveries(stop or threading.Event())) as found:
        for delivery in found:
            yield delivery.alert
