"""Settings from environment variables: ``TOCSIN_<SECTION>__<KEY>``.

A list may be written ``H1,L1`` or as JSON, a mapping ``H1=NAME,L1=NAME``, as JSON, or as one variable for each entry
(``TOCSIN_STRAIN__CHANNELS__H1``). A variable that is no setting, or is not in its form, is refused by its name; its
value is never shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stream.errors import ConfigurationError

PREFIX = "TOCSIN_"
_NOT_SETTINGS = {
    "TOCSIN_TEST_DATA", "TOCSIN_KAFKA_HOME", "TOCSIN_REQUIRE_KAFKA", "TOCSIN_FUZZ_SEED", "TOCSIN_FUZZ_COUNT",
    "TOCSIN_CONFIG", "TOCSIN_WEBHOOK_SECRET",
    "TOCSIN_SUPEREVENT_ID", "TOCSIN_ALERT_TYPE", "TOCSIN_TIME", "TOCSIN_FAR_HZ", "TOCSIN_TEST", "TOCSIN_KEY",
    "TOCSIN_ATTEMPT",
}  # fmt: skip
"""Variables of the tests, of the command line, and those that the command of an alert finds, which may start ours."""

_OF_SERVICE = re.compile(
    r"TOCSIN(_[A-Z0-9]+)*_(SERVICE_HOST=.*|SERVICE_PORT(_[A-Z0-9]+)*=\d+|PORT=[a-z]+://.*|PORT_\d+_[A-Z]+(_[A-Z]+)?=.*)"
)
"""What Kubernetes sets in every container for a service whose name begins with ``tocsin``."""

_LIST_FORM = 'write A,B or ["A", "B"]'
_MAPPING_FORM = 'write A=X,B=Y or {"A": "X", "B": "Y"}'
_NESTED_FORM = 'write JSON, as [["A", "B"]]'


def variable(section: str, key: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{section}__{key}".upper()


def read(environment: Mapping[str, str], sections: Mapping[str, type[BaseModel]]) -> dict[str, dict[str, Any]]:
    """Return the values that the environment sets, by section and key.

    Parameters
    ----------
    environment : mapping
        Variables and their values.
    sections : mapping
        Model of each section.

    Raises
    ------
    ConfigurationError
        If a variable of ours is no setting, or a list or mapping is not in one of its forms.
    """
    places = {
        variable(section, key): (section, key, info)
        for section, model in sections.items()
        for key, info in model.model_fields.items()
    }
    found: dict[str, dict[str, Any]] = {section: {} for section in sections}
    for name in sorted(environment):  # a mapping's own variable comes before those of its entries
        if not name.upper().startswith(PREFIX) or name.upper() in _NOT_SETTINGS:
            continue
        if _OF_SERVICE.fullmatch(f"{name}={environment[name]}"):
            continue
        head, _, entry = name.partition("__")
        key, _, entry = entry.partition("__")
        place = places.get(f"{head}__{key}".upper())
        if place is None or (entry and not _is_mapping(place[2])):
            raise ConfigurationError(
                f"environment variable {name} is no setting: `tocsin run --print-config` names them all"
            )
        section, field, info = place
        if entry:
            found[section].setdefault(field, {})[entry] = environment[name]
        else:
            found[section][field] = _parsed(name, environment[name], info)
    return {section: values for section, values in found.items() if values}


def _is_mapping(info: FieldInfo) -> bool:
    return get_origin(info.annotation) is dict


def _parsed(name: str, text: str, info: FieldInfo) -> Any:
    if _is_mapping(info):
        return _mapping(name, text)
    if get_origin(info.annotation) is tuple:
        nested = get_origin(get_args(info.annotation)[0]) is not None
        return _list(name, text, nested)
    return text


def _list(name: str, text: str, nested: bool) -> list[Any]:
    if not nested and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",")] if text.strip() else []
    form = _NESTED_FORM if nested else _LIST_FORM
    value = _json(name, text, form)
    if not isinstance(value, list):
        raise _malformed(name, form)
    return value


def _mapping(name: str, text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        value = _json(name, text, _MAPPING_FORM)
        assert isinstance(value, dict)
        return value
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise _malformed(name, _MAPPING_FORM)
        found[key.strip()] = value.strip()
    return found


def _json(name: str, text: str, form: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed(name, form) from None


def _malformed(name: str, form: str) -> ConfigurationError:
    return ConfigurationError(f"environment variable {name} is not in its form: {form}")
