"""A follow-up of a candidate that was heard again, as one of the candidate that was told."""

from __future__ import annotations

from dataclasses import replace

from stream.records import Candidate, Localized

_TERRESTRIAL = "Terrestrial"


def as_told(localized: Localized, told: Candidate) -> Localized:
    """Return a follow-up whose classes share the p_astro that its alerts tell.

    After a restart a candidate has another FAR and p_astro than it was told with. An alert keeps those that were told;
    its classes, made with the new ones, must not contradict them.
    """
    source, now = localized.source, localized.candidate.p_astro
    classes = None if source is None else source.classification
    if source is None or classes is None or told.p_astro == now:
        return localized
    if told.p_astro is None or not now:
        why = f"no p_astro: {told.p_astro_reason}" if told.p_astro is None else "p_astro was told before the classes"
        source = replace(source, classification=None, reasons={**source.reasons, "classification": why})
    else:
        part = told.p_astro / now
        shares = {name: part * value for name, value in classes.items() if name != _TERRESTRIAL}
        source = replace(source, classification={**shares, _TERRESTRIAL: 1.0 - told.p_astro})
    return replace(localized, source=source)
