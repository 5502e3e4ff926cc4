"""Read settings from file, environment and options, and print them with their documentation."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from stream.errors import ConfigurationError
from stream.settings import Settings

_PREFIX = "TOCSIN_"
_NOT_SETTINGS = {"TOCSIN_TEST_DATA", "TOCSIN_KAFKA_HOME", "TOCSIN_REQUIRE_KAFKA", "TOCSIN_CONFIG"}
"""Variables of the tests and of the command line."""


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
    _check_environment()
    source = type("Settings", (Settings,), {"model_config": SettingsConfigDict(toml_file=path)})
    try:
        read = source(**dict(overrides or {}))
    except ValidationError as error:
        where = f" in {path}" if path is not None else ""
        raise ConfigurationError(f"settings{where}: {_explain(error)}") from error
    except ValueError as error:  # pydantic-settings: a variable whose value is not the JSON that its key wants
        raise ConfigurationError(f"environment: {error}") from error
    # The class made for the file ends here: another process could not unpickle it.
    return Settings.model_construct(read.model_fields_set, **{key: getattr(read, key) for key in Settings.model_fields})


def _check_file(path: Path | None) -> None:
    if path is None:
        return
    try:
        tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"configuration file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"configuration file {path} is not TOML: {error}") from error


def _check_environment() -> None:
    """Refuse a variable that would silently do nothing."""
    known = {name(section, key) for section, model in _sections().items() for key in model.model_fields}
    for variable in os.environ:
        upper = variable.upper()
        if not upper.startswith(_PREFIX) or upper in _NOT_SETTINGS:
            continue
        # A mapping's entry has a variable of its own: TOCSIN_STRAIN__CHANNELS__H1.
        section, key, *_ = [*upper.split("__"), ""]
        if f"{section}__{key}" not in known:
            raise ConfigurationError(
                f"environment variable {variable} is no setting: `tocsin run --print-config` names them all"
            )


def _sections() -> dict[str, type[BaseModel]]:
    found = {}
    for section, info in Settings.model_fields.items():
        assert isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
        found[section] = info.annotation
    return found


def name(section: str, key: str) -> str:
    """Return the environment variable of a setting."""
    return f"{_PREFIX}{section}__{key}".upper()


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{where} is not a setting (see `tocsin run --print-config`)")
        else:
            value = "" if "secret" in where or "password" in where else f" (got {problem['input']!r})"
            lines.append(f"{where}: {problem['msg']}{value}")
    return "; ".join(lines)


def render_settings(settings: Settings) -> str:
    """Return settings as a commented TOML file: description, variable and value of each key, secrets masked.

    The file loads back to the same settings, secrets apart.
    """
    lines = [
        "# Tocsin's settings. Each key may also be given by the variable that its comment names, which wins.",
        "# Topics are local and ids marked as test by default: public sending is opt-in.",
    ]
    for section, model in _sections().items():
        lines += ["", f"# {(model.__doc__ or '').strip()}", f"[{section}]"]
        values = getattr(settings, section)
        for key, info in model.model_fields.items():
            lines += [f"# {info.description}", f"# {name(section, key)}", _assignment(key, getattr(values, key))]
    return "\n".join(lines) + "\n"


def _assignment(key: str, value: object) -> str:
    if value is None:
        return f"# {key} ="
    if isinstance(value, SecretStr):
        return f'# {key} = "**********"'
    return f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    """Return a value as TOML; strings, numbers and booleans are written as in JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)
