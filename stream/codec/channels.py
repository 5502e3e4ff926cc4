"""Which of a message's or a file's channels is a detector's strain, and which tells its quality."""

from __future__ import annotations

from collections.abc import Sequence

from stream.errors import TocsinError


def choose(
    names: Sequence[str], wanted: str | None, ending: str, detector: str, *, failure: type[TocsinError], where: str = ""
) -> str | None:
    """Return the channel that is wanted, else the only one of the detector that ends so; None where there is none.

    Raises
    ------
    TocsinError
        Of the kind ``failure``, its message beginning with ``where``: the wanted one is not there, or several fit.
    """
    if wanted is not None:
        if wanted not in names:
            raise failure(f"{where}no channel {wanted}; there are {', '.join(names)}: set strain.channels.{detector}")
        return wanted
    found = [name for name in names if name.startswith(detector) and name.endswith(ending)]
    if len(found) > 1:
        of = f" of {detector}" if detector else ""
        raise failure(f"{where}several channels{of} end in {ending}; name one of {', '.join(found)}")
    return found[0] if found else None
