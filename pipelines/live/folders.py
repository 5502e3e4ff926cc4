"""The daemon's folders: held by one daemon at a time, and rid of what a killed one left half written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pipelines.live import checkpoint
from stream.lock import FolderLock
from stream.publish import Outbox
from stream.settings import Settings


@contextlib.contextmanager
def own_folders(settings: Settings) -> Iterator[None]:
    """Hold ``daemon.state_dir`` and ``publish.outbox``.

    Raises
    ------
    ConfigurationError
        If another daemon holds one of them: its process is named.
    PublishError
        If the outbox cannot be made.
    """
    state, outbox = settings.daemon.state_dir, settings.publish.outbox
    with contextlib.ExitStack() as held:
        of_state = held.enter_context(FolderLock(state, "daemon.state_dir"))
        same = outbox.resolve() == state.resolve()
        of_outbox = of_state if same else held.enter_context(FolderLock(outbox, "publish.outbox"))
        checkpoint.sweep(state, of_state)
        Outbox(outbox).sweep(of_outbox)
        yield
