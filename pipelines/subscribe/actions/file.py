"""Keep an alert's message in a folder, as it came."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.subscribe.actions.action import Call
from pipelines.subscribe.received import keep
from stream.errors import ActionFailed, ConfigurationError


class FileAction:
    """Write each alert into a folder; one that is there already is not written again.

    Parameters
    ----------
    folder : Path
    """

    kind = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, call: Call) -> None:
        """Write the message, under a name made of the superevent's id and the message's place."""
        try:
            keep(call.alert, self._folder)
        except (OSError, ConfigurationError) as error:
            raise ActionFailed(str(error)) from error

    def check(self) -> str:
        """Say where, once the folder is there or can be made."""
        there = next(p for p in (self._folder, *self._folder.absolute().parents) if p.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise ConfigurationError(f"{self._folder}: {there} is no folder that can be written")
        return f"alerts are kept in {self._folder}"

    def cancel(self) -> None:
        """Nothing takes long."""
