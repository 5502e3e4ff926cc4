"""Checkpoint of the daemon: what makes the search hear at once after a restart.

One file, replaced atomically: each detector's periodograms (so the PSD is there from the first block on) and the
live background. A file that cannot be read is set aside and named; the search then starts from nothing, which costs
eight seconds. What was alerted is not kept here: the alert topic is the truth, and a candidate found again after a
restart is recognised by the publisher.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from pipelines.search import Stages
from stream.condition import ConditionerState
from stream.condition.psd import PsdState
from stream.significance import BackgroundCounts

log = structlog.get_logger()
_NAME = "checkpoint.npz"
_FORMAT = 1


def save(stages: Stages, folder: Path) -> None:
    """Write the checkpoint; the old one stands until the new one is complete on disk.

    Raises
    ------
    OSError
        If the folder is not writable or the disk is full; the old checkpoint is untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {f"psd/{name}": c.state().psd.periodograms for name, c in stages.condition.items()}
    live = {",".join(key): counts.as_dict() for key, counts in stages.slides.counts.items()}
    header = {
        "format": _FORMAT,
        "model": stages.card.label,
        "live": live,
        "last_candidate_ns": stages.last_candidate_ns,
    }
    temporary = folder / f".{_NAME}.{os.getpid()}"
    try:
        with temporary.open("wb") as file:
            np.savez(file, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / _NAME)
    finally:
        temporary.unlink(missing_ok=True)


def restore(stages: Stages, folder: Path) -> bool:
    """Take up a checkpoint if there is a usable one; return whether there was."""
    path = folder / _NAME
    if not path.exists():
        return False
    try:
        with np.load(path) as kept:
            header = json.loads(kept["header"].tobytes())
            psds = {name.partition("/")[2]: kept[name] for name in kept.files if name.startswith("psd/")}
        if header["format"] != _FORMAT:
            raise ValueError(f"format {header['format']}, not {_FORMAT}")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        aside = path.with_suffix(".unreadable")
        path.replace(aside)
        log.warning("checkpoint_unreadable", path=str(aside), error=str(error), remedy="the search starts from nothing")
        return False
    for name, periodograms in psds.items():
        if name in stages.condition:
            stages.condition[name].restore(ConditionerState(name, PsdState(periodograms)))
    if header["model"] == stages.card.label:
        for key, values in header["live"].items():
            stages.slides.counts[tuple(key.split(","))] = BackgroundCounts.from_dict(values)
    return True
