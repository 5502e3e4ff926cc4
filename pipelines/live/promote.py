"""``tocsin models promote``: ask the daemon of a state folder for another model, and wait until it is live."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

from pipelines.live.promotion import Answer, Wish, read_answer, withdraw_wish, write_wish
from stream.errors import ConfigurationError, DeadlineExceeded, ModelError
from stream.infer import open_model
from stream.settings import Settings

_ATTENDED_S = 10.0
_LOOK_S = 0.1


def promote(settings: Settings, name: str, who: str, wait_s: float, say: Callable[[str], None]) -> Answer:
    """Return the daemon's last word once the model is live.

    Parameters
    ----------
    settings : Settings
        Of the daemon: its state folder is where it is asked.
    name : str
        Model, by name or folder.
    who : str
        Who wants it, for the log.
    wait_s : float
        Seconds to wait for.
    say : callable
        Told of each step of the daemon.

    Raises
    ------
    ModelError
        If the model is not there, altered, or refused by the daemon: the one before is live.
    ConfigurationError
        If there is no such state folder, or it is not writable.
    DeadlineExceeded
        If no daemon answers, or the model is not live in time.
    """
    card = open_model(name)
    folder = settings.daemon.state_dir
    wish = Wish(str(uuid.uuid4()), str(card.folder.resolve()) if "/" in name else name, who)
    try:
        write_wish(folder, wish)
    except OSError as error:
        raise ConfigurationError(
            f"daemon.state_dir={folder} cannot be written ({error.strerror}): give the configuration of the daemon "
            "that runs, and run this as its user"
        ) from error
    try:
        return _awaited(folder, wish, wait_s, say)
    finally:
        withdraw_wish(folder, wish)


def _awaited(folder: Path, wish: Wish, wait_s: float, say: Callable[[str], None]) -> Answer:
    begun_s, last = time.monotonic(), None
    while True:
        answer = read_answer(folder, wish)
        if answer is not None and answer != last:
            last = answer
            if answer.state == "refused":
                raise ModelError(f"{wish.model} was not promoted, {answer.live} is live: {answer.detail}")
            say(answer.detail)
            if answer.state == "live":
                return answer
        waited_s = time.monotonic() - begun_s
        if last is None and waited_s > min(wait_s, _ATTENDED_S):
            raise DeadlineExceeded(
                f"no daemon answers in daemon.state_dir={folder}: start it, with infer.model={wish.model}"
            )
        if waited_s > wait_s:
            assert last is not None
            raise DeadlineExceeded(
                f"{wish.model} is not live after {wait_s:g} s ({last.detail}): the daemon goes on, and /readyz says "
                "when it is; it needs 10 s of strain, and 2 s without a candidate"
            )
        time.sleep(_LOOK_S)
