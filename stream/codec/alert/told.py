"""The values that an alert tells beside its record, each of the form that its reader expects, or refused by name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, get_args

from stream.errors import SchemaError
from stream.records import AlertType

_DETECTOR = re.compile(r"[A-Z][A-Z0-9]{1,7}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ALERT_TYPES: tuple[str, ...] = get_args(AlertType)
_MAX_NAMES = 16
_DECADE_NS = 10 * 366 * 86_400 * 10**9


class Told:
    """Named values of a stranger; every reader raises :class:`SchemaError` on one of another form.

    Parameters
    ----------
    values : mapping
    where : str
        What the names begin with in an error.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = values
        self._where = where

    def number(self, name: str) -> float | None:
        """Return a finite number, or None where none is told."""
        value = self._values.get(name)
        return None if value is None else self._number(name, value)

    def numbers(self, name: str) -> dict[str, float]:
        """Return a finite number for each detector."""
        found = self._few(name, dict)
        return {self._detector(name, key): self._number(name, value) for key, value in found.items()}

    def count(self, name: str, below: int) -> int:
        """Return a whole number from 0 on; 0 where none is told."""
        value = self._values.get(name, 0)
        if not _is_count(value, below):
            raise self._wrong(name, f"a whole number below {below}")
        return int(value)

    def counts(self, name: str) -> dict[str, int]:
        """Return whole numbers by name."""
        found: dict[str, int] = self._few(name, dict)
        if not all(_is_count(value, 2**62) for value in found.values()):
            raise self._wrong(name, "whole numbers by day")
        return found

    def names(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return names of detectors."""
        found = self._few(name, list) if name in self._values else default
        return tuple(self._detector(name, value) for value in found)

    def words(self, name: str, among: tuple[str, ...]) -> tuple[str, ...]:
        """Return words out of a few, in their order; none where none is told."""
        found = self._few(name, list)
        if not all(word in among for word in found):
            raise self._wrong(name, f"some of {', '.join(among)}")
        return tuple(word for word in among if word in found)

    def flag(self, name: str) -> bool:
        """Return true or false; False where it is not told."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def text(self, name: str) -> str:
        """Return a text; empty where none is told."""
        value = self._values.get(name, "")
        return value if isinstance(value, str) else json.dumps(value)

    def short(self, name: str, longest: int) -> str:
        """Return a text of at most so many letters; empty where none is told."""
        value = self._values.get(name, "")
        if not isinstance(value, str) or len(value) > longest:
            raise self._wrong(name, f"a text of at most {longest} letters")
        return value

    def texts(self, name: str, longest: int) -> tuple[str, ...]:
        """Return texts of at most so many letters; none where none is told."""
        found = self._few(name, list)
        if not all(isinstance(value, str) and len(value) <= longest for value in found):
            raise self._wrong(name, f"texts of at most {longest} letters")
        return tuple(found)

    def nanoseconds(self, name: str) -> int:
        """Return a difference of times, within ten years; 0 where none is told."""
        value = self._values.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _DECADE_NS:
            raise self._wrong(name, "whole nanoseconds")
        return value

    def record(self, name: str) -> Told:
        """Return an object of values; empty where none is told."""
        return Told(self._few(name, dict), f"{self._where}{name}.")

    def uuid(self, name: str) -> str | None:
        """Return a UUID as text, or None where none is told."""
        value = self._values.get(name)
        if value is not None and not (isinstance(value, str) and _UUID.fullmatch(value)):
            raise self._wrong(name, "a UUID")
        return value

    def alert_type(self) -> AlertType:
        """Return the alert type; PRELIMINARY where none is told."""
        value = self._values.get("alert_type", "PRELIMINARY")
        if value not in _ALERT_TYPES:
            raise self._wrong("alert_type", " or ".join(_ALERT_TYPES))
        found: AlertType = value
        return found

    def _few(self, name: str, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
        value = self._values.get(name, kind())
        if not isinstance(value, kind) or len(value) > _MAX_NAMES:
            raise self._wrong(name, f"a {kind.__name__} of at most {_MAX_NAMES} values")
        return value

    def _number(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._wrong(name, "a finite number")
        return float(value)

    def _detector(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not _DETECTOR.fullmatch(value):
            raise self._wrong(name, "names of detectors")
        return value

    def _wrong(self, name: str, expected: str) -> SchemaError:
        return SchemaError(f"header {self._where}{name} is {str(self._values.get(name))[:64]!r}: expected {expected}")


def _is_count(value: Any, below: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below
