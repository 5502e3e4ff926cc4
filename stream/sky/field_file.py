"""Fields from a text file, one a line; what is wrong is named with its line.

::

    # name  ra  dec  radius
    A1      197.45 -23.38 1.0
    # name  ra  dec  width height angle (of the height, from north to east)
    B7      197.45 -23.38 3.5 3.5 12
    # name  polygon  ra dec  ra dec  ra dec …
    C       polygon 10 20  12 20  12 22  10 22

All in degrees of ICRS; spaces, tabs or commas between.
"""

from __future__ import annotations

from pathlib import Path

from stream.errors import ConfigurationError
from stream.sky.shapes import Box, Circle, Field, Polygon
from stream.text import clean

MOST_FIELDS = 100_000
_LONGEST_BYTES = 16 << 20
_FORMS = "name ra dec radius, name ra dec width height angle, or name polygon ra dec ra dec ra dec …"
_WORD = 64


def read_fields(path: Path) -> tuple[Field, ...]:
    """Return the fields of a file, at least one.

    Raises
    ------
    ConfigurationError
        Naming file and line.
    """
    if path.stat().st_size > _LONGEST_BYTES:
        raise ConfigurationError(f"{path} is longer than {_LONGEST_BYTES} bytes: no list of fields is")
    return parse_fields(path.read_text(encoding="utf-8", errors="replace"), str(path))


def parse_fields(text: str, source: str = "fields") -> tuple[Field, ...]:
    """Return the fields of a text.

    Parameters
    ----------
    text : str
    source : str
        Where it is from, for errors.

    Raises
    ------
    ConfigurationError
        Naming the source and the line.
    """
    found: dict[str, Field] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        where = f"{source}:{number}"
        field = _field(words, where)
        if field.name in found:
            raise ConfigurationError(f"{where}: another field is named {clean(field.name, _WORD)}: names must differ")
        found[field.name] = field
        if len(found) > MOST_FIELDS:
            raise ConfigurationError(f"{where}: more than {MOST_FIELDS} fields; take fewer at once")
    if not found:
        raise ConfigurationError(f"{source} names no field: a line is {_FORMS}")
    return tuple(found.values())


def _field(words: list[str], where: str) -> Field:
    name, numbers = words[0], words[1:]
    polygon = bool(numbers) and numbers[0].casefold() == "polygon"
    try:
        values = [float(word) for word in numbers[polygon:]]
    except ValueError as error:
        raise ConfigurationError(f"{where}: {clean(str(error), 2 * _WORD)}; a line is {_FORMS}") from error
    try:
        if polygon and len(values) % 2 == 0:
            return Polygon(name, tuple(zip(values[::2], values[1::2], strict=True)))
        if not polygon and len(values) == 3:
            return Circle(name, *values)
        if not polygon and len(values) == 5:
            return Box(name, *values)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    raise ConfigurationError(f"{where}: {len(values)} numbers; a line is {_FORMS}")
