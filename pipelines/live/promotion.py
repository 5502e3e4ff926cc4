"""Which model a daemon runs, beyond its settings: what was asked of it, what it answered, what it keeps.

``tocsin models promote`` and the daemon talk through three small files in ``daemon.state_dir``: who may write there
may promote, in a container as on a bare machine, and no port is opened for it.

===========================  ==========================================================
``promote.json``             the wish, written by the command; the daemon takes it away
``promote.answer.json``      how far it is: ``opening``, ``listening``, ``live`` or ``refused``
``model.json``               the model that was promoted: a restart comes up with it
===========================  ==========================================================

A promotion holds for the settings that it was made against: when ``infer.model`` is changed later, the settings count.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import structlog

from stream.errors import ModelError
from stream.infer import open_model
from stream.settings import Settings

log = structlog.get_logger()
_WISH, _ANSWER, _KEPT = "promote.json", "promote.answer.json", "model.json"
_MOST_BYTES = 65_536

State = Literal["opening", "listening", "live", "refused"]


@dataclass(frozen=True, slots=True)
class Wish:
    """A model to be promoted, and who wants it; ``wish_id`` is what the answer is to."""

    wish_id: str
    model: str
    who: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How far a wish is; ``live`` is the label of the network that is live now."""

    wish_id: str
    state: State
    detail: str
    live: str


@dataclass(frozen=True, slots=True)
class Promoted:
    """A model that was promoted, and the model of the settings that it stands for."""

    model: str
    instead_of: str
    who: str
    gps_ns: int


def write_wish(folder: Path, wish: Wish) -> None:
    """Ask for a promotion.

    Raises
    ------
    OSError
        If the folder is not there, or not writable.
    """
    _write(folder / _WISH, asdict(wish))


def withdraw_wish(folder: Path, wish: Wish) -> None:
    """Take a wish back that no daemon has taken."""
    if _read(folder / _WISH) == asdict(wish):
        (folder / _WISH).unlink(missing_ok=True)


def take_wish(folder: Path) -> Wish | None:
    """Return what is asked for, if anything; it is asked for no longer. What cannot be read is logged and removed."""
    path = folder / _WISH
    if not path.exists():
        return None
    try:
        wish = Wish(**{name: str(value) for name, value in (_read(path) or {}).items()})
    except TypeError as error:
        wish = None
        log.warning("promotion_unreadable", path=str(path), error=str(error), remedy="tocsin models promote")
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # it would be taken again and again
        log.warning("promotion_not_taken", path=str(path), error=str(error), remedy="make the folder writable")
        return None
    return wish


def write_answer(folder: Path, answer: Answer) -> None:
    """Say how far a wish is; one that cannot be written is logged, and holds nothing up."""
    try:
        _write(folder / _ANSWER, asdict(answer))
    except OSError as error:
        log.warning("promotion_not_answered", error=str(error), remedy="free the disk of daemon.state_dir")


def read_answer(folder: Path, wish: Wish) -> Answer | None:
    """Return the answer to a wish, None before the first."""
    found = _read(folder / _ANSWER)
    return Answer(**found) if found is not None and found.get("wish_id") == wish.wish_id else None


def keep(folder: Path, promoted: Promoted) -> None:
    """Let a restart come up with this model; that of the settings needs nothing kept.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if promoted.model == promoted.instead_of:
        (folder / _KEPT).unlink(missing_ok=True)
    else:
        _write(folder / _KEPT, asdict(promoted))


def promoted_model(settings: Settings) -> Promoted | None:
    """Return what was promoted against these settings, if anything; why something does not count is logged."""
    path = settings.daemon.state_dir / _KEPT
    if not path.exists():
        return None
    try:
        kept = Promoted(**(_read(path) or {}))
    except TypeError as error:
        log.error("promoted_model_unreadable", path=str(path), error=str(error), instead=settings.infer.model)
        return None
    if kept.instead_of != settings.infer.model:
        log.warning("promotion_ended", model=kept.model, instead_of=kept.instead_of, infer_model=settings.infer.model)
        return None
    return kept


def forget_ended(settings: Settings) -> None:
    """Remove what was promoted against other settings, so that it does not come back with those."""
    path = settings.daemon.state_dir / _KEPT
    found = _read(path)
    if found is not None and found.get("instead_of") != settings.infer.model:
        with contextlib.suppress(OSError):  # said at each start until it can be removed
            path.unlink()


def with_model(settings: Settings, model: str) -> Settings:
    """Return settings with another ``infer.model``."""
    return settings.model_copy(update={"infer": settings.infer.model_copy(update={"model": model})})


def in_force(settings: Settings) -> Settings:
    """Return the settings with the promoted model in them; one that is no longer whole is refused, and logged."""
    kept = promoted_model(settings)
    if kept is None:
        return settings
    try:
        open_model(kept.model)
    except ModelError as error:
        log.error("promoted_model_refused", model=kept.model, instead=settings.infer.model, error=str(error))
        return settings
    log.warning(
        "promoted_model", model=kept.model, instead_of=kept.instead_of, who=kept.who,
        remedy="to end it: tocsin models promote, or change infer.model",
    )  # fmt: skip
    return with_model(settings, kept.model)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    """Return a file's content; None where there is none, or none that can be read."""
    try:
        with path.open() as file:
            found = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
