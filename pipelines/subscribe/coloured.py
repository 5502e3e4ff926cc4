"""A delivery on a line for people: coloured on a terminal, plain for a pipe and where ``NO_COLOR`` is set."""

from __future__ import annotations

import os
import sys

from pipelines.subscribe.delivery import Delivery

_STYLES = {
    "EARLYWARNING": "bold magenta", "PRELIMINARY": "bold yellow", "INITIAL": "bold green", "UPDATE": "green",
    "RETRACTION": "bold red",
}  # fmt: skip


def print_line(delivery: Delivery) -> None:
    """Print a delivery to standard output."""
    line = delivery.as_line()
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        sys.stdout.write(line + "\n")
        return
    from rich.console import Console  # noqa: PLC0415 - half of what a command takes to start
    from rich.text import Text  # noqa: PLC0415

    text = Text(line)
    kind = delivery.alert.record["alert_type"]
    text.highlight_words([kind], _STYLES.get(kind, "bold"))
    text.highlight_regex(r"^\S+", "bold")
    text.highlight_regex(r"FAR [^ ].*?(?=  )", "cyan")
    text.highlight_regex(r"\[[^\]]* ✓ [^\]]*\]", "green")
    text.highlight_regex(r"\[[^\]]* · [^\]]*\]", "dim")
    Console(soft_wrap=True, highlight=False).print(text)
