"""Whether an external event coincides with a superevent, and how rarely chance would have it so.

``GwEvent, ExternalEvent ─judge→ Coincidence | None``; of all that coincide with one superevent, ``best``. Pure: the
same live and replayed.

A coincidence is told if its joint false-alarm rate, with the sky where both maps are known and from the times alone
where one is not, times the trials factor is at most the threshold (gwcelery 3.0.0, ``trigger_raven_alert``, with which
Tocsin has the rule in common but for what docs/decisions/0026 names).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from stream.codec.skymap import encode_skymap
from stream.coincide.combine import combine
from stream.coincide.draw import read_map, skymap_of
from stream.coincide.joint_far import sky_far, time_far
from stream.coincide.overlap import overlap
from stream.coincide.windows import window_ns
from stream.errors import CodecError
from stream.records import Coincidence, ExternalEvent, GwEvent
from stream.regions import credible_areas_deg2
from stream.settings import ExternalSettings
from stream.text import clean

_NOT_MADE = "the product of the sky maps was not made"
_NO_MAP = "the superevent has no sky map"
_OF_GAMMA = ("GRB", "SubGRB", "SubGRBTargeted")
_SAY_NOTHING = ("UNRELIABLE_LOCATION", "ERROR")
_CONTRARY = ("NOT", "NON", "NO_")
_LEAST_LIKELY = 0.5
"""A gamma-ray event whose notice gives a burst less is none (gwcelery's label NOT_GRB)."""


def judge(
    gw: GwEvent, external: ExternalEvent, settings: ExternalSettings, *, combined: bool = True
) -> Coincidence | None:
    """Return the coincidence of a superevent and an external event, or None where there is none to tell."""
    found = weigh(gw, external, settings, combined=combined)
    return None if isinstance(found, str) else found


def weigh(
    gw: GwEvent, external: ExternalEvent, settings: ExternalSettings, *, combined: bool = True
) -> Coincidence | str:
    """Return the coincidence of a superevent and an external event, or why there is none to tell.

    Parameters
    ----------
    gw : GwEvent
    external : ExternalEvent
    settings : ExternalSettings
        Searches, windows, rates, threshold and trials factor.
    combined : bool
        Whether the product of the maps is made, which takes longer than all else and decides nothing.
    """
    window = window_ns(external, gw.group, settings)
    passed_over = _passed_over(gw, external, window)
    if passed_over or window is None:
        return passed_over
    rate = time_far(external, gw.far_hz, window, settings)
    if rate.far_hz is None:
        return rate.reason
    sky = _sky(gw, external, rate.far_hz, combined)
    if sky.disjoint:
        return "the two sky maps have no direction in common"
    far_hz = rate.far_hz if sky.far_hz is None else sky.far_hz
    if far_hz * settings.trials_factor > settings.far_threshold_hz:
        return (
            f"its joint false-alarm rate of {far_hz:.3g} Hz, times {settings.trials_factor} trials, is above "
            f"{settings.far_threshold_hz:.3g} Hz"
        )
    return Coincidence(
        gw, replace(external, raw=b""), external.gps_ns - gw.gps_ns, window, rate.far_hz, sky.far_hz, sky.overlap,
        sky.combined_fits, *sky.areas_deg2, significant=True, reasons=sky.reasons,
    )  # fmt: skip


def _passed_over(gw: GwEvent, external: ExternalEvent, window: tuple[int, int] | None) -> str:
    """Return why an external event is not looked at any further; empty where it is."""
    if external.alert_type == "retraction":
        return "the external event is retracted"
    if window is None:
        return f"search {clean(external.search, 40)!r} is not looked for with events of group {clean(gw.group, 40)!r}"
    if not window[0] <= external.gps_ns - gw.gps_ns <= window[1]:
        return "the external event lies outside the window"
    return "" if is_burst(external) else "the external event is probably no burst"


def best(found: Sequence[Coincidence]) -> Coincidence | None:
    """Return the most significant of the coincidences with one superevent, which names the others; None of none.

    The lowest joint false-alarm rate comes first, then the least time difference, then the identity.
    """
    ranked = sorted((c for c in found if c.external is not None), key=_rank)
    if not ranked:
        return None
    return replace(ranked[0], others=tuple(_name(c.external) for c in ranked[1:] if c.external is not None))


def is_burst(external: ExternalEvent) -> bool:
    """Return whether a notice leaves it likely that the event is what its search is for.

    Of gamma rays: it gives no classification, or bursts together half of it or more, or names nothing by that name and
    nothing else that likely. A kind such as ``NOT_GRB`` says the contrary; ``UNRELIABLE_LOCATION`` and ``ERROR``, as
    Fermi's flight software has them, say nothing of the source.
    """
    told = {kind.upper(): p for kind, p in external.classification.items() if kind.upper() not in _SAY_NOTHING}
    if external.search not in _OF_GAMMA or not told:
        return True
    if any(p >= _LEAST_LIKELY for kind, p in told.items() if kind.startswith(_CONTRARY)):
        return False
    bursts = [p for kind, p in told.items() if "GRB" in kind and not kind.startswith(_CONTRARY)]
    return sum(bursts) >= _LEAST_LIKELY if bursts else max(told.values()) < _LEAST_LIKELY


@dataclass(frozen=True, slots=True)
class _Sky:
    """What the two maps say; what is None has a reason."""

    far_hz: float | None = None
    overlap: float | None = None
    combined_fits: bytes | None = None
    areas_deg2: tuple[float | None, float | None] = (None, None)
    reasons: dict[str, str] = field(default_factory=dict)
    disjoint: bool = False


def _sky(gw: GwEvent, external: ExternalEvent, time_far_hz: float, with_product: bool) -> _Sky:
    of_gw = None
    reason = _NO_MAP
    if gw.skymap_fits is not None:
        try:
            of_gw = read_map(gw.skymap_fits)
        except CodecError as error:
            reason = f"the superevent's sky map cannot be read: {error}"
    if of_gw is None:
        return _nothing(reason)
    of_external = skymap_of(external)
    if of_external is None:
        return _nothing("the external event tells of no place")
    shared = overlap(of_gw, of_external)
    rate = sky_far(time_far_hz, shared)
    if rate.far_hz is None:
        return _Sky(overlap=shared, disjoint=True)
    if not with_product:
        return _Sky(rate.far_hz, shared, reasons=_reasons(_NOT_MADE, "combined"))
    combined = combine(of_gw, of_external, external.source)
    if combined.skymap is None:
        return _Sky(rate.far_hz, shared, reasons=_reasons(combined.reason, "combined"))
    history = [f"{gw.superevent_id} and {external.source} {external.event_id}"]
    areas = credible_areas_deg2(combined.skymap, (0.5, 0.9))
    return _Sky(rate.far_hz, shared, encode_skymap(combined.skymap, history), (areas[0], areas[1]))


def _nothing(reason: str) -> _Sky:
    return _Sky(reasons=_reasons(reason, "sky_far_hz", "overlap", "combined"))


def _reasons(reason: str, *names: str) -> dict[str, str]:
    combined = ("combined_fits", "combined_area50_deg2", "combined_area90_deg2")
    return {key: reason for name in names for key in (combined if name == "combined" else (name,))}


def _rank(found: Coincidence) -> tuple[float, int, str]:
    far_hz = math.inf if found.far_hz is None else found.far_hz
    return far_hz, abs(found.time_difference_ns), _name(found.external)


def _name(external: ExternalEvent | None) -> str:
    return "" if external is None else f"{external.source} {external.event_id}"
