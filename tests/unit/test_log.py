"""Logs are JSON lines with constant events, on stderr."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog

from stream.log import configure_logging


@pytest.fixture(autouse=True)
def as_it_was() -> object:
    yield
    structlog.reset_defaults()


def test_an_event_is_one_json_line_with_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    structlog.get_logger().warning("masked", detector="L1", gps=1.5)
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["detector"], event["gps"], event["level"]) == ("masked", "L1", 1.5, "warning")
    assert event["time"].endswith("Z")


def test_less_severe_events_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "json")
    structlog.get_logger().info("started")
    assert capsys.readouterr().err == ""


def test_an_exception_is_part_of_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().error("publisher_died", exc_info=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_people_get_a_console_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    structlog.get_logger().info("started", model="first-1")
    assert "started" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_foreign_value_is_written_out(capsys: pytest.CaptureFixture[str], form: Any) -> None:
    """A console obeys what it is sent: no escape, newline or turned writing of a value reaches it."""
    configure_logging("info", form)
    structlog.get_logger().warning("not_an_alert", error="bad \x1b]0;title\x07\n2026 fake line \u202e", detector="H1")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert "title" in line
