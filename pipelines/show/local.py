"""What demo and benchmarks share: a daemon beside an embedded broker, and when an injected merger counts as found."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pipelines.live.observe import Observer
from stream.configuration import load_settings
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.topics import required_topics
from stream.settings import Settings
from stream.timebase import NS_PER_S

FOUND_WITHIN_NS = NS_PER_S // 10
"""An alert within this of an injected merger is that merger's."""

_LOOK_S = 0.1

BILINEAR = (("*:PEM-MAINS*", "*:ASC-*"),)
"""The simulated witnesses' products that couple: mains with angular motion."""


def local_settings(
    bootstrap_servers: str, state: Path, *, messengers: bool = False, maps: bool = True, **strain: object
) -> Settings:
    """Return settings for a daemon beside an embedded broker: no transactions, state in a folder of its own.

    It listens to other messengers, and makes sky maps, where that is asked for.
    """
    return load_settings(
        None,
        {
            # The embedded broker makes whoever joins a group again wait for a session.
            "kafka": {"bootstrap_servers": bootstrap_servers, "session_timeout_s": 3.0},
            "strain": {"witnesses": True} | strain,
            "denoise": {"bilinear": BILINEAR},
            "external": {"enabled": messengers, "store": state / "external.sqlite"},
            "localize": {"enabled": maps},
            "publish": {"transactions": False, "outbox": state / "outbox"},
            "daemon": {"state_dir": state, "http_port": 0},
        },
    )


def create_topics(broker: EmbeddedBroker, settings: Settings) -> None:
    """Make the topics of a configuration on the embedded broker."""
    for topic in required_topics(settings):
        broker.create_topic(topic.name, topic.partitions)


def await_maps(observer: Observer, over: Callable[[], bool]) -> None:
    """Wait until a daemon can make maps, or never will, or all is over.

    A daemon searches before it can: of real strain nothing may be left unheard. What is sent for show can wait.
    """
    while observer.maps.starting and not over():
        time.sleep(_LOOK_S)
