"""Metrics of the daemon, as Prometheus scrapes them. All names begin with ``tocsin_``; units are in the names."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_COMPUTE_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_FOLLOWUP_S = (0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_RATIO = (1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 1e2, 1e3, 1e4, 1e6)
_ALERT_S = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)

STAGE_SECONDS = Histogram(
    "tocsin_stage_seconds", "Work of one stage on one span of data.", ("stage",), buckets=_COMPUTE_S
)
MERGER_TO_ALERT = Histogram(
    "tocsin_merger_to_alert_seconds",
    "From the merger to the acknowledgement of its event's first alert by Kafka.",
    buckets=_ALERT_S,
)
BLOCKS = Counter(
    "tocsin_blocks_total",
    "Blocks by detector and by outcome: used, refused, duplicate, late, ahead of the clock.",
    ("detector", "outcome"),
)
MASKED_SECONDS = Counter(
    "tocsin_masked_seconds_total", "Time that was not heard, by detector and reason.", ("detector", "reason")
)
SKIPPED_SECONDS = Counter("tocsin_skipped_seconds_total", "Data skipped because the search had fallen behind.")
CANDIDATES = Counter("tocsin_candidates_total", "Candidates below the FAR threshold.")
ALERTS = Counter("tocsin_alerts_total", "Alerts acknowledged by Kafka, by alert type.", ("alert_type",))
ALERTS_WAITING = Gauge("tocsin_alerts_waiting", "Alerts that Kafka does not have yet.")
BROKER_ERRORS = Counter("tocsin_broker_errors_total", "Errors of the connection to the brokers.")
MESSAGES_REFUSED = Counter(
    "tocsin_messages_refused_total", "Messages on alert topics that could not be read, by topic.", ("topic",)
)
CHECKPOINT_ERRORS = Counter("tocsin_checkpoint_errors_total", "Checkpoints that could not be written.")
OUTBOX_ERRORS = Counter("tocsin_outbox_errors_total", "Alerts that the outbox did not take or could not forget.")
EXTERNAL_STORE_ERRORS = Counter(
    "tocsin_external_store_errors_total", "Events of other messengers that could not be kept or read."
)
EXTERNAL_NOT_COMPARED = Counter(
    "tocsin_external_events_not_compared_total", "Events of other messengers that could not be compared with an event."
)
EXTERNAL_LISTENING = Gauge("tocsin_external_listening", "1 while events of other messengers are read, 0 after a fault.")
EXTERNAL_EVENTS = Counter(
    "tocsin_external_events_total",
    "Events of other messengers that were taken, by source and outcome: kept, or told (in an alert).",
    ("source", "outcome"),
)
COINCIDENCES = Counter(
    "tocsin_coincidences_total",
    "What notices of other messengers changed in alerts: joined, left, another (took its place), moved (its rate).",
    ("change",),
)
EXTERNAL_TO_REVISION = Histogram(
    "tocsin_external_to_revision_seconds",
    "From the receipt of a notice to the revision that follows from it, on disk.",
    buckets=_FOLLOWUP_S,
)
LAG = Gauge(
    "tocsin_lag_seconds",
    "Age of the newest message read of a topic that has more to read or whose leader is away, else 0.",
    ("topic",),
)
CLOCK_BEHIND = Gauge(
    "tocsin_clock_behind_seconds", "By how much most detectors say that the daemon's clock is behind, or 0."
)
STATISTIC = Gauge("tocsin_statistic", "Highest ranking statistic of the last span.")
PSD_READY = Gauge("tocsin_psd_ready", "1 when the detector's PSD is usable.", ("detector",))
DETECTOR_HEARING = Gauge(
    "tocsin_detector_hearing", "1 when the detector's strain is searched, 0 when it is not.", ("detector",)
)
DETECTOR_SENDING = Gauge("tocsin_detector_sending", "1 when messages come from the detector.", ("detector",))
DETECTOR_UNHEARD_SECONDS = Gauge(
    "tocsin_detector_unheard_seconds", "Time since the detector's strain was last searched.", ("detector",)
)
MODEL = Gauge("tocsin_model", "1 for each network that runs, by its role: live or shadow.", ("model", "role"))
SHADOW_EVENTS = Counter(
    "tocsin_shadow_events_total",
    "Candidates below the FAR threshold that both networks have (both), or one alone (live_only, shadow_only).",
    ("outcome",),
)
SHADOW_FAR_RATIO = Histogram(
    "tocsin_shadow_far_ratio",
    "FAR by the shadow over FAR by the live network, of candidates that both have.",
    buckets=_RATIO,
)
SHADOW_FAULTS = Counter("tocsin_shadow_faults_total", "Networks beside the live one that could not run, or failed.")
BACKGROUND_SECONDS = Gauge("tocsin_live_background_seconds", "Live background, all slides together.", ("detectors",))
FOLLOWUP_SECONDS = Histogram(
    "tocsin_followup_seconds",
    "Time until a candidate's sky map and class (map), or its refined map (refined), came back from their process.",
    ("what",),
    buckets=_FOLLOWUP_S,
)
FOLLOWUP_FAILURES = Counter(
    "tocsin_followup_failures_total",
    "Follow-ups that failed, by fault: raised, died (their process did), hung.",
    ("what", "fault"),
)
FOLLOWUP_DROPPED = Counter("tocsin_followup_dropped_total", "Follow-ups given up for louder candidates.", ("what",))
FOLLOWUP_RESTARTS = Counter("tocsin_followup_restarts_total", "Processes of the follow-up started again.", ("what",))
NOTICES = Counter("tocsin_notices_total", "External events told by notices and handed on, by source.", ("source",))
NOTICES_REFUSED = Counter(
    "tocsin_notices_refused_total", "Notices that tell of no event that can be used, by kind.", ("kind",)
)
NOTICES_REPEATED = Counter("tocsin_notices_repeated_total", "External events that had been handed on before.")
NOTICES_SHORTENED = Counter(
    "tocsin_notices_shortened_total", "External events too large for a message, by what was left out.", ("part",)
)
SOURCE_HEARD = Gauge(
    "tocsin_source_heard_seconds", "Time since anything came from a source that has heartbeats.", ("source",)
)
SOURCE_SILENCES = Counter("tocsin_source_silences_total", "Times that a source fell silent.", ("source",))
MAPS_FETCHED = Counter(
    "tocsin_maps_fetched_total",
    "Sky maps named by URL, by outcome: fetched, refused, failed, superseded, dropped.",
    ("outcome",),
)
