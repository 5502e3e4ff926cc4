"""Settings of a daemon that shares only a broker with other tests: topics, group, ids and folder are its own."""

from __future__ import annotations

from pathlib import Path

from stream.configuration import load_settings
from stream.settings import Settings

TOPICS = {
    "strain_prefix": "strain.",
    "external": "external",
    "alerts": "alerts",
    "alerts_json": "json",
    "heartbeat": "heartbeat",
    "decisions": "decisions",
}


def settings_of(bootstrap_servers: str, fresh: str, folder: Path, **more: dict[str, object]) -> Settings:
    """Return settings whose names begin with ``fresh``; ``more`` adds keys to sections."""
    own: dict[str, dict[str, object]] = {
        "kafka": {"bootstrap_servers": bootstrap_servers, "group_id": fresh},
        "topics": {key: f"{fresh}.{name}" for key, name in TOPICS.items()},
        "publish": {"outbox": folder / "outbox", "transactional_id": fresh},
        # What Kafka is asked for is the same with any network, and this one starts in a fifth of the time.
        "infer": {"model": "first"},
        # So it is with and without sky maps; whoever asks for those makes them.
        "localize": {"enabled": False},
        # Noise may ring twice a day by default: a test that counts alerts would fail one time in a thousand.
        "significance": {"far_threshold_hz": 1e-6},
        "daemon": {"state_dir": folder, "http_port": 0},
    }
    return load_settings(None, {section: own.get(section, {}) | more.get(section, {}) for section in own | more})
