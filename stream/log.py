"""Logs: one structured event a line, JSON for machines or colours for people, on stderr.

An event is a constant with its values as keys, so that it can be counted and searched.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

from stream.masking import mask_urls
from stream.text import clean


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info", log_format: Literal["json", "console"] = "json"
) -> None:
    """Set up structlog for this process; the standard library's loggers keep to themselves."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    last: list[structlog.typing.Processor]
    if log_format == "json":
        last = [structlog.processors.format_exc_info, _mask, structlog.processors.JSONRenderer(default=str)]
    else:
        last = [_mask, _clean, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def _mask(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask credentials in URLs: a library's error may quote the URL that it was given."""
    return {key: mask_urls(value) if isinstance(value, str) else value for key, value in event.items()}


def _clean(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write out what would not print: values may be a stranger's, and a console obeys what it is sent."""
    return {key: clean(value) if isinstance(value, str) else value for key, value in event.items()}
