"""A revision as the record that LVK's subscribers already read, and what that record has no place for.

Fields, types and nesting are those of ``igwn.alerts.Alert`` (igwn-gwalert-schema 1.3.0); in a RETRACTION ``event`` is
null. What is not known when the alert leaves is null or an empty map; why, and where the FAR came from, stands beside
the record: in the headers ``tocsin.*`` of the message and in the object ``tocsin`` of the JSON form.

``significant`` is true where the event's own false-alarm rate passes the threshold after its trials factor, and also
where that of its coincidence with another messenger does: as RAVEN publishes LVK's (LVK public alerts user guide).

``search`` is BBH: of the names that LVK's searches bear, AllSky promises neutron stars too, and the banks of the
shipped networks hold black holes alone (``covers`` of their cards).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stream.codec.alert import messenger
from stream.errors import PublishError
from stream.records import FOLLOWED_FIELDS, Candidate, Decision, Localized, Revision
from stream.settings import SignificanceSettings
from stream.timebase import gps_ns_to_iso, gps_ns_to_utc

_NOT_MADE = "not made: localize.enabled is off"
_NOT_TOLD = "not told by the alert that this one repeats"
_LONGEST_REASON = 500
"""Headers are read within bounds; what a library raised can be pages."""


def alert_record(revision: Revision, pipeline: str, significance: SignificanceSettings) -> dict[str, Any]:
    """Return the alert of a revision as a record of ``igwn.alerts.Alert``.

    Parameters
    ----------
    revision : Revision
    pipeline : str
        Name of the pipeline in the alert.
    significance : SignificanceSettings
        Say at which FAR the event is marked significant.

    Raises
    ------
    PublishError
        If nothing is known of the event that the alert is about.
    """
    created = gps_ns_to_utc(revision.created_ns).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "alert_type": revision.alert_type,
        "time_created": created,
        "superevent_id": revision.superevent_id,
        "event": _event(revision, pipeline, significance),
        "external_coinc": messenger.external_coinc(revision),
        "urls": {},
    }


def extra_of(revision: Revision, event: Mapping[str, Any] | None, significance: SignificanceSettings) -> dict[str, Any]:
    """Return what the record has no place for: which alert of its event this is, and what is known and not known.

    A restart tells from it which alerts were sent; see :func:`stream.codec.alert.headers.sent_of`.
    """
    extra: dict[str, Any] = {
        "gps_ns": revision.gps_ns,
        "revision": revision.number,
        "alert_type": revision.alert_type,
        "day_count": revision.day_count,
        "days": dict(revision.days),
    }
    if revision.candidate is not None:
        extra |= _measured(revision.candidate)
        extra["trials_factor"] = significance.trials_factor
    if revision.followed is not None:
        extra["followed"] = {name: value for name, value in asdict(revision.followed).items() if value is not None}
        extra["followed"]["known"] = list(revision.followed.known)
    if revision.joined is not None and revision.alert_type != "RETRACTION":
        extra["joined"] = messenger.joined_extra(revision.joined)
    if event is not None:
        extra["unknown"] = _unknown(revision, event)
    if revision.decision is not None:
        extra |= _decided(revision.decision)
    return extra


def _event(revision: Revision, pipeline: str, significance: SignificanceSettings) -> dict[str, Any] | None:
    if revision.alert_type == "RETRACTION":
        return None
    if revision.carried is not None:
        carried = revision.carried
        return {**carried, "significant": _is_significant(carried["far"], revision, significance)}
    candidate = revision.candidate
    if candidate is None:
        raise PublishError(
            f"{revision.superevent_id}, revision {revision.number}: neither candidate nor event is known"
        )
    return {
        "time": gps_ns_to_iso(candidate.gps_ns),
        "far": candidate.far_hz,
        "significant": _is_significant(candidate.far_hz, revision, significance),
        "instruments": sorted(candidate.peak.detectors),
        "group": "CBC",
        "pipeline": pipeline,
        "search": "BBH",
        "duration": None,
        "central_frequency": None,
        **_found(revision.localized),
    }


def _is_significant(far_hz: float, revision: Revision, significance: SignificanceSettings) -> bool:
    """Return whether the event is rare enough, by itself or with what coincides; what left is no reason any more."""
    alone = far_hz * significance.trials_factor <= significance.significant_far_hz
    return alone or (revision.joined is not None and revision.joined.significant)


def _found(localized: Localized | None) -> dict[str, Any]:
    """Return the fields that the follow-up fills: each whole, or empty."""
    source = None if localized is None else localized.source
    edges_and_parts = None if source is None else source.mchirp_source
    return {
        "skymap": None if localized is None else localized.skymap_fits,
        "classification": {} if source is None else _floats(source.classification),
        "properties": {} if source is None else _floats(source.properties),
        "mchirp_source": edges_and_parts
        and {"bin_edges": [*map(float, edges_and_parts[0])], "probabilities": [*map(float, edges_and_parts[1])]},
    }


def _floats(values: Mapping[str, float] | None) -> dict[str, float]:
    return {name: float(value) for name, value in (values or {}).items()}


def _measured(candidate: Candidate) -> dict[str, Any]:
    peak, background = candidate.peak, candidate.background
    return {
        "statistic": peak.statistic,
        "detectors": list(peak.detectors),
        "per_detector": dict(peak.per_detector),
        "confirmed_ns": peak.confirmed_ns,
        "far_hz": candidate.far_hz,
        "far_is_limit": candidate.far_is_limit,
        "background": {
            "source": background.source,
            "duration_s": background.duration_s,
            "detectors": list(background.detectors),
        },
        "model": candidate.model,
        "p_astro": candidate.p_astro,
    }


def _unknown(revision: Revision, event: Mapping[str, Any]) -> dict[str, str]:
    """Return why the event's empty fields are empty."""
    localized, candidate = revision.localized, revision.candidate
    known = {} if localized is None else dict(localized.reasons)
    if localized is not None and localized.source is not None:
        known = {**localized.source.reasons, **known}
    repeats = revision.carried is not None or revision.alert_type == "INITIAL"
    otherwise = "not known" if localized is not None else _NOT_TOLD if repeats else _NOT_MADE
    reasons = {name: known.get(name, otherwise) for name in FOLLOWED_FIELDS if not event[name]}
    if candidate is not None and candidate.p_astro is None:
        reasons["p_astro"] = candidate.p_astro_reason
    reasons |= messenger.unknown(revision, messenger.external_coinc(revision))
    return {name: reason[:_LONGEST_REASON] for name, reason in reasons.items()}


def _decided(decision: Decision) -> dict[str, Any]:
    told = {"kind": decision.kind, "why": decision.why, "who": decision.who, "made_ns": decision.made_ns}
    return {"decision_id": decision.decision_id, "decision": told}
