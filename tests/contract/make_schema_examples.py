"""Make ``example.avro`` of the newest version of every schema, and the list of checksums; run once per new version.

    python tests/contract/make_schema_examples.py

An example that is there is never written again: it is what some reader may meet for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import schemas
from stream.codec.alert import encode_alert
from stream.codec.avro import encode_decision, encode_external, encode_heartbeat, encode_strain, encode_witness
from stream.records import Decision, DetectorStatus, ExternalEvent, Heartbeat, StrainBlock, WitnessBlock, WitnessGroup
from stream.timebase import HOP_NS

ROOT = Path(schemas.__file__).parent
SUMS = ROOT / "SHA256SUMS"

GPS_NS = 1126259462_375_000_000
RAMP = np.arange(256, dtype=np.float64) * 2.0**-70

STRAIN = StrainBlock(
    detector="H1",
    channel="H1:GDS-CALIB_STRAIN",
    gps_ns=GPS_NS,
    sample_rate_hz=4096,
    samples=np.where(np.arange(256) == 7, np.nan, RAMP),
    dq_mask=np.array([15], dtype=np.uint32),
    sequence=42,
    sent_ns=GPS_NS + HOP_NS + 3_000_000,
)
WITNESS = WitnessBlock(
    detector="L1",
    gps_ns=GPS_NS,
    duration_ns=HOP_NS,
    groups=(
        WitnessGroup(16, ("L1:PEM-CS_SEIS_X", "L1:PEM-CS_SEIS_Y"), np.array([[1.5], [-2.25]], dtype=np.float32)),
        WitnessGroup(64, ("L1:PEM-CS_MAINSMON_EBAY_1_DQ",), np.array([[0.0, 1.0, 0.0, -1.0]], dtype=np.float32)),
    ),
    sequence=43,
)
EXTERNAL = ExternalEvent(
    event_id="524666471",
    source="Fermi-GBM",
    messenger="gamma",
    alert_type="update",
    gps_ns=1187008884_470_000_000,
    received_ns=1187008898_000_000_000,
    ra_deg=176.8,
    dec_deg=-39.8,
    error_radius_deg=11.6,
    containment=0.68,
    raw=b'{"trigger": 524666471}',
    search="GRB",
    names=("GRB 170817A",),
    notice_id="524666471",
    ivorn="ivo://nasa.gsfc.gcn/Fermi#GBM_example",
    revision=7,
    issued_ns=1187008897_000_000_000,
    error_minor_deg=9.5,
    error_angle_deg=30.0,
    corners_deg=((170.0, -45.0), (180.0, -45.0), (175.0, -35.0)),
    systematic_included=False,
    skymap=b"SIMPLE  =                    T",
    skymap_url="https://example.org/glg_healpix_all_bn170817529.fit",
    classification={"GRB": 0.97},
    p_astro=0.99,
)
DECISION = Decision(
    decision_id="6f1c0a52-6e0b-4b56-9d1e-5a9f5f0f2c11",
    superevent_id="TS150914a",
    kind="retract",
    why="a glitch in L1, seen by eye",
    who="shift@cit",
    made_ns=GPS_NS + 300_000_000_000,
)
HEARTBEAT = Heartbeat(
    daemon_id="tocsin-1",
    gps_ns=GPS_NS,
    state="running",
    detectors=(DetectorStatus("H1", GPS_NS, False), DetectorStatus("V1", None, True)),
    latency_p50_s=0.31,
    latency_p99_s=0.58,
    lag_s=0.07,
    skipped_s=0.0,
    version="0.1.0",
    model="first",
)
ALERT = {
    "alert_type": "UPDATE",
    "time_created": "2015-09-14T09:50:46Z",
    "superevent_id": "TS150914a",
    "event": {
        "time": "2015-09-14T09:50:45.420Z",
        "far": 2.5e-8,
        "significant": True,
        "instruments": ["H1", "L1"],
        "group": "CBC",
        "pipeline": "Tocsin",
        "search": "AllSky",
        "classification": {"BBH": 0.75, "Terrestrial": 0.25},
        "properties": {"HasNS": 0.0},
        "mchirp_source": {"bin_edges": [22.0, 30.0], "probabilities": [1.0]},
        "duration": None,
        "central_frequency": None,
        "skymap": b"SIMPLE  =                    T",
    },
    "external_coinc": {
        "gcn_notice_id": 524666471,
        "ivorn": "ivo://nasa.gsfc.gcn/Fermi#GBM_example",
        "observatory": "Fermi",
        "search": "GRB",
        "time_difference": 2.02,
        "time_coincidence_far": 1e-9,
        "time_sky_position_coincidence_far": None,
        "combined_skymap": None,
    },
    "urls": {"gracedb": "https://example.org/superevents/TS150914a/view/"},
}


def messages() -> dict[str, bytes]:
    """Return one message of each schema, in its newest version, as on the wire."""
    return {
        "alert": encode_alert(ALERT),
        "decision": encode_decision(DECISION),
        "external": encode_external(EXTERNAL),
        "heartbeat": encode_heartbeat(HEARTBEAT),
        "strain": encode_strain(STRAIN),
        "witness": encode_witness(WITNESS),
    }


def sums() -> Iterator[str]:
    """Yield a line of SHA256SUMS for every schema and example."""
    for path in sorted([*ROOT.glob("*/*/*.avsc"), *ROOT.glob("*/*/example.avro")]):
        yield f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT).as_posix()}"


def main() -> None:
    """Write the examples that are missing, then the checksums."""
    for name, message in messages().items():
        path = ROOT / name / schemas.versions(name)[-1] / "example.avro"
        if not path.exists():
            path.write_bytes(message)
    SUMS.write_text("\n".join(sums()) + "\n")


if __name__ == "__main__":
    main()
