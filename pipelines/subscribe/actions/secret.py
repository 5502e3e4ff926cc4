"""Where a URL or a secret is written: here, in a variable of the environment, or in a file.

Every user of a machine reads the command lines of its processes (``ps``), and a rules file is shown around: what opens
a webhook is better named there than written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from stream.errors import ConfigurationError

_VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]{0,127})")
_LONGEST = 1 << 14


def variable_of(text: str) -> str | None:
    """Return NAME of ``env:NAME``; None of what is not of that form."""
    found = _VARIABLE.fullmatch(text)
    return None if found is None else found[1]


def look_up(text: str, environ: Mapping[str, str]) -> str:
    """Return what ``env:NAME`` or ``file:PATH`` names, without the white space around it; any other text as it is.

    Raises
    ------
    ConfigurationError
        If there is nothing. What was found is not repeated.
    """
    variable = variable_of(text)
    if variable is not None:
        found = environ.get(variable, "").strip()
        if not found:
            raise ConfigurationError(f"env:{variable}: the variable is not set, or empty: export it")
        return found
    if text.startswith("file:") and "://" not in text:
        return _read(text.removeprefix("file:"))
    return text


def _read(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            found = file.read(_LONGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"file:{path} cannot be read: {error.strerror}") from error
    except ValueError:
        raise ConfigurationError(f"file:{path} is no plain text in UTF-8") from None
    if not found.strip() or len(found) > _LONGEST:
        raise ConfigurationError(f"file:{path} is empty, or too long: it holds a URL or a secret, and nothing else")
    return found.strip()
