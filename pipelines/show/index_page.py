"""The list of recent events, the newest first: one page, for a phone at night."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.show import markup
from pipelines.show.summary import Summary
from pipelines.subscribe.messenger import rate_text
from pipelines.subscribe.received import far_text
from stream import __version__
from stream.regions import area_text

_REFRESH_S = 30


def index_page(events: Sequence[Sequence[Summary]]) -> str:
    """Return the page.

    Parameters
    ----------
    events : sequence of sequence of Summary
        Of each event its alerts, the oldest first, at least one.
    """
    newest = sorted(events, key=_when, reverse=True)
    gone = sum(event[-1].alert_type == "RETRACTION" for event in newest)
    count = f"{len(newest)} event{'' if len(newest) == 1 else 's'}" + (f", {gone} retracted" if gone else "")
    parts = [f"<h1>Events</h1>{markup.paragraph(count if newest else 'No event yet.', 'dim')}"]
    parts += ['<div class="many">', *(_card(event) for event in newest), "</div>"]
    parts.append(f"<footer>Tocsin {markup.esc(__version__)}. Loads itself anew every {_REFRESH_S} s.</footer>")
    return markup.document("Tocsin: events", parts, refresh_s=_REFRESH_S)


def _when(event: Sequence[Summary]) -> tuple[int, str]:
    times = [told.gps_ns for told in event if told.gps_ns is not None]
    return (times[-1] if times else 0, event[-1].created)


def _card(event: Sequence[Summary]) -> str:
    """Return what the last alert of an event says; of a retracted one, what the alert before it said too."""
    last = event[-1]
    retracted = last.alert_type == "RETRACTION"
    told = next((alert for alert in reversed(event) if alert.alert_type != "RETRACTION"), last)
    words = [markup.badge(last.alert_type, "gone" if retracted else "loud")]
    if told.significant:
        words.append(markup.badge("significant", "loud"))
    if told.joined is not None:
        words.append(markup.badge("joint", "loud"))
    rows = {
        "time": markup.moment(told.time),
        "false alarms": None if told.far_hz is None else far_text(told.far_hz, told.far_is_limit).removeprefix("FAR "),
        "detectors": told.detectors,
        "coincides with": told.joined,
        "by chance": None if told.joint_far_hz is None else rate_text(told.joint_far_hz),
        "class": _class(told),
        "90 % of the sky map": "no map" if told.area90_deg2 is None else area_text(told.area90_deg2),
        "distance": _distance(told),
        "retracted": last.why if retracted else None,
    }
    name = markup.esc(last.superevent_id)
    heading = f'<h2><a href="events/{name}.html">{name}</a></h2><p>{"".join(words)}</p>'
    return f'<section class="{"old" if retracted else ""}">{heading}{markup.facts(rows)}</section>'


def _class(told: Summary) -> str | None:
    return None if told.best is None or told.best_part is None else f"{told.best} {markup.percent(told.best_part)}"


def _distance(told: Summary) -> str | None:
    if told.distance_mpc is None or told.distance_std_mpc is None:
        return None
    return f"{told.distance_mpc:.0f} ± {told.distance_std_mpc:.0f} Mpc"
