"""Read settings from file, environment and options, and print them with their documentation.

No error shows a secret: values are told only of known keys in sections that hold none, and what others say of a file
or a value is not passed on.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import tomli_w
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsConfigDict

from stream.environment import variable
from stream.errors import ConfigurationError
from stream.masking import SecretUrl, mask_urls
from stream.settings import Settings, sections

_GONE = {
    "detect.dead_time_s": "which peaks are one event is no longer a setting; remove the key",
}
"""Keys of older versions, and what to do about them."""


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings: options over environment over file over defaults.

    Parameters
    ----------
    path : Path, optional
        TOML file.
    overrides : mapping, optional
        Values by section and key, as options give them.

    Raises
    ------
    ConfigurationError
        If the file is missing or is not TOML, or a key, a variable or a value is not known or not allowed.
    """
    _check_file(path)
    source = type("Settings", (Settings,), {"model_config": SettingsConfigDict(toml_file=path)})
    try:
        read = source(**dict(overrides or {}))
    except ValidationError as error:
        where = f" in {path}" if path is not None else ""
        # Not chained: the error that pydantic raised holds the values.
        raise ConfigurationError(f"settings{where}: {_explain(error)}") from None
    # The class made for the file ends here: another process could not unpickle it.
    return Settings.model_construct(read.model_fields_set, **{key: getattr(read, key) for key in Settings.model_fields})


def _check_file(path: Path | None) -> None:
    if path is None:
        return
    try:
        read = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"configuration file {path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"configuration file {path} is not TOML: {without_quotes(error)}") from None
    except (UnicodeDecodeError, RecursionError):
        raise ConfigurationError(f"configuration file {path} is not TOML: it is no plain text in UTF-8") from None
    for section, values in read.items():
        if section in Settings.model_fields and not isinstance(values, dict):
            written = f"a list, as [[{section}]] makes one" if isinstance(values, list) else "a single value"
            raise ConfigurationError(f"configuration file {path}: {section} is {written}: write [{section}]")


def without_quotes(error: tomllib.TOMLDecodeError) -> str:
    """Return what is wrong and where, without what the parser quotes of the file."""
    what = re.match(r"[A-Za-z ,-]*", str(error))
    where = re.search(r"\(at [a-z0-9, ]*\)$", str(error))
    return f"{what[0].strip() if what else 'an error'} {where[0] if where else ''}".strip()


def _explain(error: ValidationError) -> str:
    return "; ".join(
        _problem(problem["loc"], problem["type"], problem["msg"], problem["input"])
        for problem in error.errors(include_url=False, include_context=False)
    )


def _problem(place: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    where = ".".join(str(part) for part in place)
    if where in _GONE and kind == "extra_forbidden":
        return f"{where} is not a setting any more: {_GONE[where]}"
    if kind == "extra_forbidden":
        return f"{where} is not a setting{_meant(place)} (see `tocsin run --print-config`)"
    given_by = ""
    if len(place) > 1 and (name := variable(str(place[0]), str(place[1]))) in map(str.upper, os.environ):
        given_by = f" ({name})"
    return f"{where}{given_by}: {message.removeprefix('Value error, ')}{_got(place, value)}"


def _meant(place: tuple[int | str, ...]) -> str:
    """Return the key that was probably meant."""
    model = sections().get(str(place[0]))
    keys = {key: f"{place[0]}.{key}" for key in model.model_fields} if model and len(place) > 1 else {}
    keys = keys or {section: f"[{section}]" for section in sections()}
    near = get_close_matches(str(place[-1]), keys, 1)
    return f"; {keys[near[0]]} is" if near else ""


def _got(place: tuple[int | str, ...], value: object) -> str:
    """Return the wrong value: a plain one, of a known key, in a section without secrets."""
    model = sections().get(str(place[0]))
    if model is None or len(place) < 2 or place[1] not in model.model_fields:
        return ""
    if any(_is_secret(info) for info in model.model_fields.values()):
        return ""
    if isinstance(value, str | int | float):
        return f" (got {mask_urls(repr(value))[:80]})"
    return " (got a list)" if isinstance(value, list | tuple) else ""


def _is_secret(info: FieldInfo) -> bool:
    kinds = (info.annotation, *get_args(info.annotation))
    return any(isinstance(kind, type) and issubclass(kind, SecretStr) for kind in kinds)


def render_settings(settings: Settings) -> str:
    """Return settings as a commented TOML file: description, variable and value of each key, secrets masked.

    The file loads back to the same settings, secrets apart.
    """
    lines = [
        "# Tocsin's settings. Each key may also be given by the variable that its comment names, which wins.",
        "# Topics are local and ids marked as test by default: public sending is opt-in.",
    ]
    for section, model in sections().items():
        lines += ["", f"# {(model.__doc__ or '').strip()}", f"[{section}]"]
        values = getattr(settings, section)
        for key, info in model.model_fields.items():
            lines += [f"# {info.description}", f"# {variable(section, key)}", _assignment(key, getattr(values, key))]
    return "\n".join(lines) + "\n"


def _assignment(key: str, value: object) -> str:
    if value is None:
        return f"# {key} ="
    if isinstance(value, dict):  # with dotted keys, as a table of its own would end the section
        return "\n".join(f"{key}.{_assignment(k, v)}" for k, v in value.items()) or f"{key} = {{}}"
    line = tomli_w.dumps({key: str(value) if isinstance(value, Path | SecretStr) else value}).rstrip()
    shown = not isinstance(value, SecretStr) or (isinstance(value, SecretUrl) and not value.holds_secrets)
    return line if shown else f"# {line}"
