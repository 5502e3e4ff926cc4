"""Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

Progress = Callable[[float, float], None]
"""Called with what is done and what there is in all."""

_LINE_EVERY_S = 5.0


@contextmanager
def progress(what: str, unit: str = "s") -> Iterator[Progress]:
    """Yield a function to call with what is done and what there is in all."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what, unit)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, done="")

        def show(done: float, total: float) -> None:
            bar.update(task, completed=done, total=total, done=f"{done:.1f} of {total:.1f} {unit}")

        yield show


def _lines(what: str, unit: str) -> Progress:
    said_s = time.monotonic()

    def show(done: float, total: float) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= _LINE_EVERY_S:
            said_s = time.monotonic()
            print(f"{what}: {done:.1f} of {total:.1f} {unit}", file=sys.stderr, flush=True)

    return show
