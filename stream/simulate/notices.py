"""Notices as missions send them, in GCN's unified schema: Fermi-GBM's of a burst, IceCube's of a track.

GBM sends an alert without a position, then flight, ground and final positions, each better. It places a burst with a
statistical error and a systematic one, which all its positions of a burst share: a core of 3.71 deg for 0.9 of bursts,
a tail of 14.3 deg (Connaughton et al., ApJS 216, 32 (2015)). The way of light to the satellite, 23 ms at most, is left
out.

Each is marked as an injection (``alert_tense``): no receiver takes one for nature's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream.timebase import NS_PER_S, gps_ns_to_utc

TENSE = "injection"
GBM_TOPIC, ICECUBE_TOPIC = "gcn.notices.fermi.gbm.alert", "gcn.notices.icecube.gold_bronze_track_alerts"

_FERMI_EPOCH_S = 662_342_413
"""GPS time of 2001-01-01T00:00:00 UTC, from which Fermi counts its seconds."""
_GBM_SENT_S = (("INITIAL_ALERT", 13.6), ("FLIGHT_POSITION", 15.6), ("FLIGHT_POSITION", 22.6), ("FLIGHT_POSITION", 32.6),
               ("GROUND_POSITION", 90.6), ("GROUND_POSITION", 114.6), ("FINAL_POSITION", 563.6))  # fmt: skip
"""When GBM's notices come after the trigger: those of bn240812094, GCN's example of the schema."""
_GBM_STATISTICAL = {"FLIGHT_POSITION": 1.0, "GROUND_POSITION": 0.35, "FINAL_POSITION": 0.25}
_GBM_SYSTEMATIC = ((0.9, 3.71), (0.1, 14.3))
_R68, _R90 = math.sqrt(-2 * math.log(0.32)), math.sqrt(-2 * math.log(0.1))
"""Radii that hold 0.68 and 0.9 of a two-dimensional Gaussian, in its standard deviations."""
_TRACK_SENT_S, _RETRACTED_AFTER_S = 35.0, 240.0
_SCHEMA = "https://gcn.nasa.gov/schema/main/gcn/notices/"


@dataclass(frozen=True, slots=True, order=True)
class SimulatedNotice:
    """A notice, when it is sent, and of what: the id of the event, its stage, and whether a merger belongs to it."""

    sent_ns: int
    topic: str
    payload: bytes
    event_id: str = ""
    stage: str = ""
    of_merger: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as a mission sees it: when, and from where."""

    gps_ns: int
    ra_rad: float
    dec_rad: float

    def as_degrees(self) -> dict[str, float]:
        """Return the place as a notice tells it."""
        return {
            "ra": round(math.degrees(self.ra_rad), 3) % 360.0,
            "dec": round(math.degrees(self.dec_rad), 3),
        }


def gbm_notices(seen: Seen, rng: np.random.Generator, *, withdrawn: bool = False) -> Iterator[SimulatedNotice]:
    """Yield Fermi-GBM's notices of a burst, as ``gcn/notices/fermi/gbm/trigger.schema.json`` has them."""
    utc = gps_ns_to_utc(seen.gps_ns)
    day_part = (utc.hour * 3600 + utc.minute * 60 + utc.second) / 86_400
    identity = (
        str(seen.gps_ns // NS_PER_S - _FERMI_EPOCH_S),
        f"bn{utc:%y%m%d}{min(round(1000 * day_part), 999):03d}",
    )
    statistical_deg = float(np.clip(math.exp(rng.normal(math.log(5.0), 0.5)), 1.5, 15.0))
    part = rng.random()
    systematic_deg = _GBM_SYSTEMATIC[0][1] if part < _GBM_SYSTEMATIC[0][0] else _GBM_SYSTEMATIC[1][1]
    placed = _moved(seen, systematic_deg / _R68, rng)
    same = {
        "$schema": f"{_SCHEMA}fermi/gbm/trigger.schema.json", "mission": "Fermi", "instrument": "GBM",
        "messenger": "EM", "id": list(identity), "trigger_time": _iso(seen.gps_ns), "trigger_type": "rate",
        "spectral_band_units": "keV", "human_in_the_loop": False, "ground_generated_notice": False,
        "rate_snr": round(float(rng.uniform(5.0, 20.0)), 1), "rate_duration": 0.256,
    }  # fmt: skip
    number = 0
    for number, (subtype, after_s) in enumerate(_GBM_SENT_S, 1):
        told: dict[str, Any] = {"alert_type": "update" if number > 1 else "initial", "subtype": subtype}
        if subtype in _GBM_STATISTICAL:
            radius_deg = statistical_deg * _GBM_STATISTICAL[subtype]
            found = _moved(placed, radius_deg / _R68, rng)
            flight = subtype == "FLIGHT_POSITION"
            shown_deg = math.hypot(radius_deg, _GBM_SYSTEMATIC[0][1]) if flight else radius_deg
            told |= {
                **found.as_degrees(), "ra_dec_error": round(shown_deg, 2), "containment_probability": 0.68,
                "systematic_included": flight,
            }  # fmt: skip
            told |= {"classification": {"GRB": 0.97}} if flight else {"duration_class": "SHORT"}
        yield _notice(GBM_TOPIC, seen.gps_ns, after_s, {**same, **told, "record_number": number}, identity[0])
    if withdrawn:
        told = {"alert_type": "retraction", "record_number": number + 1}
        kept = {name: same[name] for name in ("$schema", "mission", "instrument", "messenger", "id", "trigger_time")}
        yield _notice(GBM_TOPIC, seen.gps_ns, _RETRACTED_AFTER_S, {**kept, **told}, identity[0])


def track_notices(seen: Seen, rng: np.random.Generator, *, withdrawn: bool = False) -> Iterator[SimulatedNotice]:
    """Yield IceCube's notices of a track, as ``gcn/notices/icecube/single_neutrino_alerts.schema.json`` has them."""
    utc = gps_ns_to_utc(seen.gps_ns)
    identity = f"{seen.gps_ns // (8 * 3600 * NS_PER_S)}_{int(rng.integers(1, 10**8))}"
    radius_deg = float(np.clip(math.exp(rng.normal(math.log(0.7), 0.4)), 0.2, 4.0))
    found, gold = _moved(seen, radius_deg / _R90, rng), rng.random() < 0.4
    same = {
        "$schema": f"{_SCHEMA}icecube/single_neutrino_alerts.schema.json", "mission": "IceCube", "instrument": "IC86",
        "messenger": "Neutrino", "pipeline": f"{'Gold' if gold else 'Bronze'} Track Alert", "id": [identity],
        "event_name": [f"IceCube-{utc:%y%m%d}A"], "trigger_time": _iso(seen.gps_ns),
    }  # fmt: skip
    first = {
        "alert_type": "initial", "alert_topology": "Track", "number_of_events": 1, **found.as_degrees(),
        "ra_dec_error": round(radius_deg, 2), "containment_probability": 0.9, "systematic_included": False,
        "nu_energy": round(math.exp(rng.normal(math.log(150.0), 0.5)), 2),
        "p_astro": round(float(rng.uniform(0.5, 0.9) if gold else rng.uniform(0.3, 0.5)), 3),
        "far": float(f"{rng.uniform(1e-8, 9e-8):.3g}"), "record_number": 1,
    }  # fmt: skip
    yield _notice(ICECUBE_TOPIC, seen.gps_ns, _TRACK_SENT_S, {**same, **first}, identity)
    if withdrawn:
        told = {"alert_type": "retraction", "record_number": 2}
        yield _notice(ICECUBE_TOPIC, seen.gps_ns, _RETRACTED_AFTER_S, {**same, **told}, identity)


def _notice(topic: str, gps_ns: int, after_s: float, told: Mapping[str, Any], event_id: str) -> SimulatedNotice:
    sent_ns = gps_ns + round(after_s * NS_PER_S)
    whole = {**told, "alert_datetime": _iso(sent_ns), "alert_tense": TENSE}
    stage = str(told.get("subtype", told["alert_type"]))
    return SimulatedNotice(sent_ns, topic, json.dumps(whole).encode(), event_id, stage)


def _moved(seen: Seen, sigma_deg: float, rng: np.random.Generator) -> Seen:
    """Return where something is placed that is seen with an error: a Gaussian on the sphere, nearly."""
    away = math.radians(sigma_deg) * math.hypot(rng.normal(), rng.normal())
    angle = rng.uniform(0.0, 2 * math.pi)
    sin_dec = math.sin(seen.dec_rad) * math.cos(away) + math.cos(seen.dec_rad) * math.sin(away) * math.cos(angle)
    east = math.sin(angle) * math.sin(away) * math.cos(seen.dec_rad)
    ra_rad = seen.ra_rad + math.atan2(east, math.cos(away) - math.sin(seen.dec_rad) * sin_dec)
    return Seen(seen.gps_ns, ra_rad % (2 * math.pi), math.asin(max(-1.0, min(1.0, sin_dec))))


def _iso(gps_ns: int) -> str:
    return gps_ns_to_utc(gps_ns).isoformat(timespec="microseconds").replace("+00:00", "Z")
