"""How far from a merger an external event may lie to coincide with it: one table for both directions.

``search  source  group → seconds``, as gwcelery 3.0.0 has them (``raven_coincidence_windows``): seconds of the merger
after the external event, since gwcelery searches from there. The windows of GRB, sub-threshold GRB and SNEWS stand
also in lpsinger/gwcelery, ``conf/__init__.py``; those of GRB and SNEWS, the other way round, in the LVK public alerts
user guide, "Coincident with External Trigger Search": a GRB 1 s before to 5 s after the merger.
"""

from __future__ import annotations

from stream.errors import ConfigurationError
from stream.records import ExternalEvent
from stream.settings import ExternalSettings
from stream.timebase import NS_PER_S

GROUPS = ("CBC", "Burst")

_ANY = ""
_FROM_EXTERNAL_S: dict[tuple[str, str], tuple[tuple[float, float], tuple[float, float]]] = {
    # search, mission: of CBC, of Burst
    ("GRB", _ANY): ((-5, 1), (-600, 60)),
    ("SubGRB", "Fermi"): ((-11, 1), (-11, 1)),
    ("SubGRB", "Swift"): ((-20, 10), (-20, 10)),
    ("SubGRB", _ANY): ((-20, 10), (-20, 10)),  # not gwcelery's, which refuses it: the wider, as a rate errs upward
    ("SubGRBTargeted", "Fermi"): ((-11, 1), (-11, 1)),
    ("SubGRBTargeted", "Swift"): ((-20, 10), (-20, 10)),
    ("SubGRBTargeted", _ANY): ((-20, 10), (-20, 10)),
    ("FRB", _ANY): ((-10, 2), (-600, 120)),
    ("HEN", _ANY): ((-10, 10), (-500, 500)),
    ("SNEWS", _ANY): ((-10, 10), (-10, 10)),
}


def window_ns(external: ExternalEvent, group: str, settings: ExternalSettings) -> tuple[int, int] | None:
    """Return between what differences, external event minus merger, the two coincide; both ends belong to it.

    Parameters
    ----------
    external : ExternalEvent
        Its search and source decide. A window of ``settings.windows_s`` counts for both groups; one of
        ``source/search`` comes before one of the search alone.
    group : {"CBC", "Burst"}
    settings : ExternalSettings

    Returns
    -------
    (int, int) or None
        None where the search is not looked for, or has no window.
    """
    if external.search not in settings.searches or group not in GROUPS:
        return None
    search = external.search
    for key in (f"{external.source}/{search}", f"{mission(external.source)}/{search}", search):
        if key in settings.windows_s:
            return _ns(settings.windows_s[key])
    for name in (mission(external.source), _ANY):
        found = _FROM_EXTERNAL_S.get((search, name))
        if found is not None:
            return reversed_ns(_ns(found[GROUPS.index(group)]))
    return None


def widest_ns(settings: ExternalSettings) -> tuple[int, int]:
    """Return a window that holds those of all searches and sources, external event minus merger."""
    found = [_ns(window) for window in settings.windows_s.values()]
    for (search, _), windows in _FROM_EXTERNAL_S.items():
        if search in settings.searches:
            found += [reversed_ns(_ns(window)) for window in windows]
    return min((low for low, _ in found), default=0), max((high for _, high in found), default=0)


def reversed_ns(window: tuple[int, int]) -> tuple[int, int]:
    """Return a window as seen from the other event: external minus merger becomes merger minus external."""
    low, high = window
    return -high, -low


def mission(source: str) -> str:
    """Return the mission of a source: ``Fermi`` of ``Fermi-GBM``."""
    return source.partition("-")[0]


def check_windows(settings: ExternalSettings) -> None:
    """Check that each search has a window.

    Raises
    ------
    ConfigurationError
        Naming the search and the remedy.
    """
    known = {search for search, _ in _FROM_EXTERNAL_S} | {key.rpartition("/")[2] for key in settings.windows_s}
    for search in settings.searches:
        if search not in known:
            raise ConfigurationError(
                f"external.searches: {search} has no window: give it one in external.windows_s, and a rate in "
                "external.rates_per_year"
            )


def _ns(window_s: tuple[float, float]) -> tuple[int, int]:
    return round(window_s[0] * NS_PER_S), round(window_s[1] * NS_PER_S)
