"""What an event's page says of other messengers: who coincides, how rarely by chance, and where both together point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.show import markup
from pipelines.show.page_pictures import map_png
from pipelines.show.summary import Summary
from pipelines.subscribe.messenger import OtherMessenger, rate_text
from stream.codec.skymap import decode_skymap
from stream.errors import DataError
from stream.regions import area_text, credible_areas_deg2, most_probable_deg

_MESSENGERS = {"gamma": "gamma rays", "x-ray": "X-rays", "radio": "radio", "neutrino": "neutrinos", "optical": "light"}


def combined_section(other: OtherMessenger, extra: Mapping[str, Any]) -> str:
    """Return the combined sky map, or why there is none."""
    title = f"Where, together with {other.name}"
    if other.combined_fits is None:
        return markup.section(title, markup.paragraph(f"No combined sky map: {_unknown(extra, 'combined_skymap')}."))
    try:
        skymap = decode_skymap(other.combined_fits)
    except DataError as error:
        return markup.section(title, markup.paragraph(f"The combined map that came cannot be read: {error}"))
    half, most = credible_areas_deg2(skymap, (0.5, 0.9))
    ra, dec = most_probable_deg(skymap)
    described = f"Combined sky map: 90 % in {area_text(most)}, most probable at RA {ra:.1f} Dec {dec:+.1f} degrees"
    rows = {
        "50 % / 90 % region": f"{area_text(half)} / {area_text(most)}",
        "most probable": f"RA {ra:.2f}°, Dec {dec:+.2f}°",
        "made by": skymap.creator or None,
    }
    return markup.section(title, f"<figure>{markup.image(map_png(skymap), described)}</figure>", markup.facts(rows))


def messengers_section(superevent_id: str, other: OtherMessenger, extra: Mapping[str, Any]) -> str:
    """Return who coincides, when, and how rarely by chance."""
    kind = _MESSENGERS.get(other.messenger)
    sky = other.sky_far_hz
    rows = {
        "gravitational waves": superevent_id,
        "coincides with": ", ".join(other.names) or other.name,
        "seen by": f"{other.observatory}, search {other.search}" + (f" ({kind})" if kind else ""),
        "number there": other.event_id or other.notice_id or None,
        "when": other.when(),
        "by chance, from the times": _rate(other.time_far_hz, extra, "time_coincidence_far"),
        "by chance, with the sky maps": _rate(sky, extra, "time_sky_position_coincidence_far"),
        "overlap of the sky maps": None if other.overlap is None else _overlap(other.overlap),
        "makes the event significant": _yes(other.significant),
        "coincides besides": ", ".join(other.others) or None,
    }
    return markup.section("Other messengers", markup.facts(rows))


def changes(told: Sequence[Summary]) -> Iterator[str]:
    """Yield, for each alert of an event from the oldest on, what joins and what leaves with it."""
    before: str | None = None
    for each in told:
        if each.alert_type == "RETRACTION":
            yield ""
            continue
        now = each.joined
        if now is None:
            yield "" if before is None else f"{before} left"
        else:
            rate = "" if each.joint_far_hz is None else f", {rate_text(each.joint_far_hz)}"
            yield (f"joined by {now}" if before is None else now if now == before else f"{now} for {before}") + rate
        before = now


def _rate(rate_hz: float | None, extra: Mapping[str, Any], name: str) -> str:
    if rate_hz is None:
        return f"unknown: {_unknown(extra, name)}"
    return f"{rate_text(rate_hz)} ({rate_hz:.3g} Hz)"


def _overlap(overlap: float) -> str:
    meaning = "they share no place" if overlap == 0 else "for one source" if overlap > 1 else "against one source"
    return f"{overlap:.3g}: speaks {meaning}" if overlap else f"0: {meaning}"


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _unknown(extra: Mapping[str, Any], name: str) -> str:
    reasons = extra.get("unknown")
    told = reasons.get(f"external_coinc.{name}") if isinstance(reasons, Mapping) else None
    return str(told) if told else "the alert does not say why"
