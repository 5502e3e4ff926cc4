"""A revision as the record that LVK's subscribers already read, and what that record has no place for.

Fields, types and nesting are those of ``igwn.alerts.Alert`` (igwn-gwalert-schema 1.3.0); in a RETRACTION ``event`` is
null. What is not known when the alert leaves is null or an empty map; why, and where the FAR came from, stands beside
the record: in the headers ``tocsin.*`` of the message and in the object ``tocsin`` of the JSON form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream.errors import PublishError
from stream.records import Candidate, Decision, Revision
from stream.timebase import gps_ns_to_iso, gps_ns_to_utc

_NOT_COMPUTED = "not computed in this version"
_MAY_BE_UNKNOWN = ("skymap", "classification", "properties")


def alert_record(revision: Revision, pipeline: str, significant_far_hz: float) -> dict[str, Any]:
    """Return the alert of a revision as a record of ``igwn.alerts.Alert``.

    Parameters
    ----------
    revision : Revision
    pipeline : str
        Name of the pipeline in the alert.
    significant_far_hz : float
        At or below this FAR the event is marked significant.

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
        "event": _event(revision, pipeline, significant_far_hz),
        "external_coinc": None,
        "urls": {},
    }


def extra_of(revision: Revision, event: Mapping[str, Any] | None) -> dict[str, Any]:
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
    if event is not None:
        extra["unknown"] = _unknown(revision.candidate, event)
    if revision.decision is not None:
        extra |= _decided(revision.decision)
    return extra


def _event(revision: Revision, pipeline: str, significant_far_hz: float) -> dict[str, Any] | None:
    if revision.alert_type == "RETRACTION":
        return None
    if revision.carried is not None:
        return dict(revision.carried)
    candidate = revision.candidate
    if candidate is None:
        raise PublishError(
            f"{revision.superevent_id}, revision {revision.number}: neither candidate nor event is known"
        )
    return {
        "time": gps_ns_to_iso(candidate.gps_ns),
        "far": candidate.far_hz,
        "significant": candidate.far_hz <= significant_far_hz,
        "instruments": sorted(candidate.peak.detectors),
        "group": "CBC",
        "pipeline": pipeline,
        "search": "BBH",
        "classification": {},
        "properties": {},
        "mchirp_source": None,
        "duration": None,
        "central_frequency": None,
        "skymap": None,
    }


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


def _unknown(candidate: Candidate | None, event: Mapping[str, Any]) -> dict[str, str]:
    """Return why the event's empty fields are empty."""
    reasons = {name: _NOT_COMPUTED for name in _MAY_BE_UNKNOWN if not event[name]}
    if candidate is not None and candidate.p_astro is None:
        reasons["p_astro"] = candidate.p_astro_reason
    return reasons


def _decided(decision: Decision) -> dict[str, Any]:
    told = {"kind": decision.kind, "why": decision.why, "who": decision.who, "made_ns": decision.made_ns}
    return {"decision_id": decision.decision_id, "decision": told}
