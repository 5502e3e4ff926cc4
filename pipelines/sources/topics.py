"""The topics of other messengers, by source and mission: what is read where nobody names topics.

A topic that a broker does not have costs a line in the log, so the table may be ahead of the missions, which announce
theirs one by one. Gravitational waves (``igwn.gwalert``, ``LVC_*``), circulars, pointings, light curves and images
are left out: they tell of no event.

Source: the notice types of the GCN quick start (gcn.nasa.gov/quickstart; repository nasa-gcn/gcn.nasa.gov,
``NoticeTypeCheckboxes``), schema folders of nasa-gcn/gcn-schema for those that are to come, and SNEWS's
publishing tools (SNEWS2/SNEWS_Publishing_Tools) for SCiMMA.
"""

from __future__ import annotations

from collections.abc import Mapping

_VOEVENT = "gcn.classic.voevent."

GCN: Mapping[str, tuple[str, ...]] = {
    "Fermi GBM": (
        "gcn.notices.fermi.gbm.alert",
        *(
            _VOEVENT + f"FERMI_GBM_{kind}"
            for kind in ("ALERT", "FLT_POS", "GND_POS", "FIN_POS", "SUBTHRESH", "POS_TEST")
        ),
    ),
    "Fermi LAT": tuple(_VOEVENT + f"FERMI_LAT_{kind}" for kind in ("POS_INI", "POS_UPD", "OFFLINE", "GND")),
    "Swift": (
        "gcn.notices.swift.bat.guano",
        *(_VOEVENT + f"SWIFT_BAT_{kind}" for kind in ("GRB_ALERT", "GRB_POS_ACK", "QL_POS", "SUB_THRESHOLD", "SUBSUB")),
        *(_VOEVENT + f"SWIFT_{kind}" for kind in ("XRT_POSITION", "UVOT_POS")),
    ),
    "INTEGRAL": tuple(_VOEVENT + f"INTEGRAL_{kind}" for kind in ("WAKEUP", "REFINED", "OFFLINE", "WEAK", "SPIACS")),
    "AGILE": tuple(_VOEVENT + f"AGILE_{kind}" for kind in ("GRB_WAKEUP", "GRB_GROUND", "GRB_REFINED", "MCAL_ALERT")),
    "GECAM": tuple(_VOEVENT + f"GECAM_{kind}" for kind in ("FLT", "GND")),
    "CALET": (_VOEVENT + "CALET_GBM_FLT_LC", _VOEVENT + "CALET_GBM_GND_LC"),
    "Konus, IPN": tuple(_VOEVENT + kind for kind in ("KONUS_LC", "IPN_POS", "IPN_RAW", "IPN_SEG")),
    "SVOM": tuple(f"gcn.notices.svom.voevent.{instrument}" for instrument in ("grm", "eclairs", "mxt")),
    "Einstein Probe": ("gcn.notices.einstein_probe.wxt.alert",),
    "MAXI": (
        "gcn.notices.maxi.gsc.known",
        "gcn.notices.maxi.gsc.unknown",
        _VOEVENT + "MAXI_UNKNOWN",
        _VOEVENT + "MAXI_KNOWN",
    ),
    "Glowbug": ("gcn.notices.glowbug.alert",),
    "BurstCube": ("gcn.notices.burstcube.alert",),
    "HAWC": (_VOEVENT + "HAWC_BURST_MONITOR",),
    "IceCube": (
        "gcn.notices.icecube.lvk_nu_track_search",
        "gcn.notices.icecube.gold_bronze_track_alerts",
        *(_VOEVENT + f"ICECUBE_{kind}" for kind in ("ASTROTRACK_GOLD", "ASTROTRACK_BRONZE", "CASCADE")),
        _VOEVENT + "AMON_NU_EM_COINC",
    ),
    "KM3NeT": ("gcn.notices.km3net.alert",),
    "Super-Kamiokande": ("gcn.notices.superk.sn_alert", _VOEVENT + "SK_SN"),
    "SNEWS": (_VOEVENT + "SNEWS",),
    "CHIME": ("gcn.notices.chime.frb",),
    "DSA-110": ("gcn.notices.dsa110.frb",),
    "BOOM": ("gcn.notices.boom.alert",),
}
SCIMMA: Mapping[str, tuple[str, ...]] = {
    "SNEWS": ("snews.alert-firedrill", "snews.alert-test", "snews.alert"),
}
TOPICS: Mapping[str, tuple[str, ...]] = {
    "gcn": tuple(topic for topics in GCN.values() for topic in topics),
    "scimma": tuple(topic for topics in SCIMMA.values() for topic in topics),
    "local": (),
}
"""What each source is asked for by default; a broker of one's own has topics that only its owner knows."""

HEARTBEATS: Mapping[str, str] = {"gcn": "gcn.heartbeat", "scimma": "sys.heartbeat"}
"""One message a second of each, whether anything happens on the sky or not."""
