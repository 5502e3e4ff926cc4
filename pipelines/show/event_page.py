"""The page of an event: one HTML file with all that its last alert says, and what was heard around it.

Inputs are an alert as any reader decodes it, a stranger's therefore, and what the search remembers of the strain, where
it is there. What is not known says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.show import markup
from pipelines.show.evidence import Evidence
from pipelines.show.other_messengers import changes, combined_section, messengers_section
from pipelines.show.page_pictures import detector_png, map_png, statistic_png
from pipelines.show.summary import Summary, number
from pipelines.subscribe.messenger import OtherMessenger
from pipelines.subscribe.received import far_text
from stream import __version__
from stream.codec.skymap import decode_skymap
from stream.errors import DataError
from stream.records import SkyMap
from stream.regions import area_text, credible_areas_deg2, distance_text, most_probable_deg
from stream.timebase import ns_to_gps_s

_FEW_BINS, _LEAST_PART = 8, 0.005
_YEAR_S = 31_557_600.0
_NO_STRAIN = (
    "The strain around the event is not here: an alert does not carry it. "
    "A daemon with daemon.pages_dir, and tocsin replay --pages, have it."
)


def event_page(
    record: Mapping[str, Any],
    extra: Mapping[str, Any],
    evidence: Evidence | None = None,
    earlier: Sequence[Summary] = (),
    home: str | None = None,
) -> tuple[str, Summary]:
    """Return the page of an alert, and its summary.

    Parameters
    ----------
    record, extra : mapping
        As :func:`stream.codec.alert.decode` gives them.
    evidence : Evidence, optional
        What was heard around it.
    earlier : sequence of Summary
        The event's alerts before this one, the oldest first.
    home : str, optional
        Where the list of events is, from this page.
    """
    event, skymap, why_no_map = record["event"], *_map_of(record, extra)
    told = Summary.of(record, extra, skymap)
    parts = [] if home is None else [f'<p><a href="{markup.esc(home)}">all events</a></p>']
    other = OtherMessenger.of(record, extra)
    parts += _head(told, other)
    if event is not None:
        parts.append(markup.key_facts(_key(record, extra, told)))
        parts.append('<div class="two">')
        parts.append(_sky(skymap, why_no_map))
        if other is not None:
            parts += [combined_section(other, extra), messengers_section(told.superevent_id, other, extra)]
        parts.append(_what(event, extra))
        parts.append("</div>")
    parts += _heard(evidence)
    parts.append('<div class="two">')
    if evidence is not None and len(evidence.time_ns):
        parts.append(_statistic(evidence))
    if event is not None:
        parts.append(_significance(event, extra))
    parts += ["</div>", _alerts([*earlier, told])]
    parts.append(f"<footer>Tocsin {markup.esc(__version__)}. Alert made {markup.esc(told.created)}.</footer>")
    return markup.document(f"{told.superevent_id} · {told.alert_type}", parts), told


def page_of_alerts(told: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str:
    """Return the page of an event from all its alerts, the oldest first, without strain."""
    *before, (record, extra) = told
    earlier = [Summary.of(older, beside, _map_of(older, beside)[0]) for older, beside in before]
    return event_page(record, extra, None, earlier)[0]


def _map_of(record: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[SkyMap | None, str]:
    """Return the map of an alert, or why there is none."""
    event = record["event"]
    if event is None or event["skymap"] is None:
        return None, _unknown(extra, "skymap")
    try:
        return decode_skymap(event["skymap"]), ""
    except DataError as error:
        return None, f"the map that came cannot be read: {error}"


def _unknown(extra: Mapping[str, Any], name: str) -> str:
    """Return why something is not known, as the alert tells it."""
    reasons = extra.get("unknown")
    told = reasons.get(name) if isinstance(reasons, Mapping) else None
    return str(told) if told else "not known; the alert does not say why"


def _head(told: Summary, other: OtherMessenger | None) -> Iterator[str]:
    retracted, identity = told.alert_type == "RETRACTION", told.superevent_id
    words = [markup.badge(told.alert_type, "gone" if retracted else "loud")]
    if told.significant is not None:
        words.append(markup.badge("significant", "loud") if told.significant else markup.badge("not significant"))
    if identity.startswith(("TS", "MS")):
        words.append(markup.badge("test" if identity.startswith("T") else "mock"))
    if told.revision is not None:
        words.append(markup.badge(f"revision {told.revision}"))
    yield f"<h1>{markup.esc(identity)}</h1><p>{''.join(words)}</p>"
    when = [markup.moment(told.time) or ""] if told.time else []
    when += [f"GPS {ns_to_gps_s(told.gps_ns):.3f}"] if told.gps_ns is not None else []
    yield markup.paragraph(" · ".join(when), "dim")
    if retracted:
        yield f'<div class="banner"><b>Retracted.</b> {markup.esc(told.why or "The alert gives no reason.")}</div>'
    elif told.why is not None:
        yield markup.paragraph(f"Confirmed: {told.why}")
    if other is not None:
        yield markup.paragraph(f"Coincident {other.as_words()}")


def _key(record: Mapping[str, Any], extra: Mapping[str, Any], told: Summary) -> dict[str, str]:
    """Return the numbers that are looked at first."""
    followed = extra.get("followed")
    chirp = number(followed.get("mchirp_msun")) if isinstance(followed, Mapping) else None
    far = "unknown" if told.far_hz is None else far_text(told.far_hz, told.far_is_limit).removeprefix("FAR ")
    found = {"false alarms": far, "detectors": told.detectors or "none"}
    if told.best is not None and told.best_part is not None:
        found["most probable class"] = f"{told.best} {markup.percent(told.best_part)}"
    if told.p_astro is not None:
        found["p_astro"] = markup.percent(told.p_astro)
    if told.area90_deg2 is not None:
        found["90 % of the sky map"] = area_text(told.area90_deg2)
    if told.distance_mpc is not None and told.distance_std_mpc is not None:
        found["distance"] = f"{told.distance_mpc:.0f} ± {told.distance_std_mpc:.0f} Mpc"
    if chirp is not None:
        found["chirp mass, as detected"] = f"{chirp:.3g} Msun"
    found["found by"] = f"{record['event']['pipeline']} {record['event']['search']}"
    return found


def _sky(skymap: SkyMap | None, why: str) -> str:
    if skymap is None:
        return markup.section("Where", markup.paragraph(f"No sky map: {why}."))
    half, most = credible_areas_deg2(skymap, (0.5, 0.9))
    ra, dec = most_probable_deg(skymap)
    rows = {
        "50 % / 90 % region": f"{area_text(half)} / {area_text(most)}",
        "most probable": f"RA {ra:.2f}° ({_hours(ra)}), Dec {dec:+.2f}°",
        "distance": distance_text(skymap),
        "detectors": "+".join(skymap.detectors) or None,
        "made by": skymap.creator or None,
    }
    described = f"Sky map: 90 % in {area_text(most)}, most probable at RA {ra:.1f} Dec {dec:+.1f} degrees"
    return markup.section("Where", f"<figure>{markup.image(map_png(skymap), described)}</figure>", markup.facts(rows))


def _hours(ra_deg: float) -> str:
    minutes = round(ra_deg * 4)
    return f"{minutes // 60 % 24:02d}h{minutes % 60:02d}m"


def _what(event: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
    """Return classes, properties and chirp mass; each says why where it is not known."""
    parts = []
    for name, title in (("classification", "Class"), ("properties", "If astrophysical")):
        parts.append(f"<p><b>{title}</b></p>")
        parts.append(markup.bars(event[name]) if event[name] else _why_not(extra, name))
    chirp = event["mchirp_source"]
    parts.append("<p><b>Chirp mass of the source</b> <span class='dim'>Msun</span></p>")
    parts.append(_chirp(chirp["bin_edges"], chirp["probabilities"]) if chirp else _why_not(extra, "mchirp_source"))
    return markup.section("What", *parts)


def _chirp(edges: list[float], parts: list[float]) -> str:
    """Return the chirp mass: the bins that hold anything by name where they are few, else a histogram."""
    told = {f"{low:.3g} to {high:.3g}": part for low, high, part in zip(edges, edges[1:], parts, strict=False)}
    held = {name: part for name, part in told.items() if part >= _LEAST_PART}
    if len(edges) == len(parts) + 1 and all(map(math.isfinite, edges)) and 0 < len(held) <= _FEW_BINS:
        return markup.bars(held, by_size=False)
    return markup.histogram(edges, parts)


def _why_not(extra: Mapping[str, Any], name: str) -> str:
    return markup.paragraph(f"unknown: {_unknown(extra, name)}", "dim")


def _heard(evidence: Evidence | None) -> Iterator[str]:
    """Yield strain and Q-scan of each detector."""
    if evidence is None or not evidence.strain:
        yield markup.section("Strain", markup.paragraph(_NO_STRAIN, "dim"))
    else:
        yield '<div class="two">'
        for segment in evidence.strain:
            name = segment.detector
            picture = markup.image(detector_png(segment, evidence.gps_ns), f"{name}: whitened strain and Q-scan")
            told = "<figcaption>Brightest: 25 times the energy of noise, or more.</figcaption>"
            yield markup.section(f"{name}: whitened strain and Q-scan", f"<figure>{picture}{told}</figure>")
        yield "</div>"


def _statistic(evidence: Evidence) -> str:
    """Return the ranking statistic over time."""
    shape = "Of every frame." if evidence.is_curve else "Of what coincided; between the points nothing did."
    picture = markup.image(statistic_png(evidence), "ranking statistic over time")
    return markup.section("Ranking statistic", f"<figure>{picture}<figcaption>{shape}</figcaption></figure>")


def _significance(event: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
    """Return the false-alarm rate and what it was counted in."""
    far, background = number(event["far"]), extra.get("background")
    background = background if isinstance(background, Mapping) else {}
    duration_s, statistic = number(background.get("duration_s")), number(extra.get("statistic"))
    trials = number(extra.get("trials_factor"))
    limit = extra.get("far_is_limit") is True
    singles = extra.get("per_detector")
    rows = {
        "false-alarm rate": None if far is None else f"{'≤ ' * limit}{far:.3g} Hz, {far * _YEAR_S:.3g} per year",
        "at the floor": "yes: nothing in the background is as loud; the rate is one over its length" if limit else None,
        "background": None if "source" not in background else str(background["source"]),
        "its length": None if duration_s is None else f"{duration_s / _YEAR_S:.3g} years ({duration_s:.3g} s)",
        "of detectors": _names(background.get("detectors")),
        "trials factor": None if trials is None else f"{trials:g}",
        "ranking statistic": None if statistic is None else f"{statistic:.2f}",
        "of each detector": _by_name(singles),
        "network": None if "model" not in extra else str(extra["model"]),
        "p_astro": _p_astro(extra),
    }
    missing = "" if extra else markup.paragraph("The alert says nothing beyond IGWN's record of its background.", "dim")
    return markup.section("False-alarm rate and its background", markup.facts(rows), missing)


def _p_astro(extra: Mapping[str, Any]) -> str | None:
    if "p_astro" not in extra:
        return None
    value = number(extra["p_astro"])
    return f"unknown: {_unknown(extra, 'p_astro')}" if value is None else f"{value:.4g}"


def _names(value: object) -> str | None:
    return "+".join(map(str, value[:8])) if isinstance(value, list) else None


def _by_name(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    told = [(name, number(part)) for name, part in list(value.items())[:8]]
    return ", ".join(f"{name} {part:.2f}" for name, part in told if part is not None and math.isfinite(part))


def _alerts(told: Sequence[Summary]) -> str:
    """Return what was said of the event, the newest first."""
    rows = []
    for each, change in reversed(list(zip(told, changes(told), strict=True))):
        far = "" if each.far_hz is None else far_text(each.far_hz, each.far_is_limit)
        area = "no map" if each.area90_deg2 is None else area_text(each.area90_deg2)
        area = "" if each.alert_type == "RETRACTION" else area
        number_ = "" if each.revision is None else str(each.revision)
        shown = (number_, each.alert_type, markup.moment(each.created), far, area, change)
        rows.append("<tr>" + "".join(f"<td>{markup.esc(value)}</td>" for value in shown) + "</tr>")
    return markup.section("Alerts of this event", f'<table class="list">{"".join(rows)}</table>')
