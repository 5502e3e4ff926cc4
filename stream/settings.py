"""Settings: one pydantic model per stage, composed into :class:`Settings`.

Values come from, in falling order of precedence: command-line options, environment variables
(``TOCSIN_KAFKA__BOOTSTRAP_SERVERS``: prefix, section, two underscores, key), the TOML file, the defaults.
Unknown keys are refused, secrets are masked, every key has a description: ``tocsin run --print-config`` prints them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, PositiveFloat, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from stream import environment
from stream.errors import ConfigurationError
from stream.kafka_settings import KafkaSettings, Section, TopicSettings

__all__ = [
    "DETECTORS",
    "AlignSettings",
    "ConditionSettings",
    "DaemonSettings",
    "DenoiseSettings",
    "DetectSettings",
    "ExternalSettings",
    "InferSettings",
    "KafkaSettings",
    "ListenSettings",
    "LocalizeSettings",
    "PublishSettings",
    "Settings",
    "SignificanceSettings",
    "StrainSettings",
    "TopicSettings",
    "check_detectors",
    "sections",
    "with_detectors",
]

DETECTORS = ("H1", "L1", "V1", "K1", "I1")
"""Detectors that are known: Hanford, Livingston, Virgo, KAGRA, LIGO India."""


def check_detectors(detectors: Sequence[str]) -> tuple[str, ...]:
    """Return detectors if each is known and named once.

    Raises
    ------
    ConfigurationError
        Otherwise, naming the one that is wrong.
    """
    known = f"choose from {', '.join(DETECTORS)}, each once"
    if not detectors:
        raise ConfigurationError(f"no detector is named: {known}")
    for name in detectors:
        if name not in DETECTORS:
            raise ConfigurationError(f"{name!r} is no known detector: {known}")
    twice = next((name for name in detectors if detectors.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"{twice} is named twice: {known}")
    return tuple(detectors)


class StrainSettings(Section):
    """What strain to listen to."""

    detectors: tuple[str, ...] = Field(("H1", "L1"), description=f"Detectors to listen to: {', '.join(DETECTORS)}.")
    codec: Literal["avro", "gwf", "arrow"] = Field("avro", description="Format of the strain topics.")
    channels: dict[str, str] = Field(
        default_factory=dict, description="Channel of each detector, where the format carries several (gwf, arrow)."
    )
    state_channels: dict[str, str] = Field(
        default_factory=dict, description="State-vector channel of each detector (gwf, arrow), if any."
    )
    required_dq_bits: int = Field(
        15, ge=0, le=127, description="Data-quality bits that must all be set: DATA 1, CBC_CAT1 2, CAT2 4, CAT3 8."
    )
    witnesses: bool = Field(False, description="Listen to witness topics and denoise with them.")

    @field_validator("detectors")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return check_detectors(value)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None

    @field_validator("channels", "state_channels")
    @classmethod
    def _of_known(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = next((name for name in value if name not in DETECTORS), None)
        if unknown is not None:
            raise ValueError(f"{unknown!r} is no known detector: the keys are of {', '.join(DETECTORS)}")
        return value


class AlignSettings(Section):
    """How long to wait for whom."""

    lateness_s: float = Field(
        0.5, ge=0, le=10, description="How much later than another detector's any block may come and still be used."
    )
    max_lateness_s: float = Field(
        1.0, ge=0, le=10, description="A detector that is always late is waited for as it needs, at most this long."
    )
    absent_after_s: float = Field(2.0, gt=0, description="After this much silence a detector is no longer waited for.")
    max_hops: int = Field(16, ge=1, le=1024, description="Longest segment handed on at once, in hops of 1/16 s.")


class DenoiseSettings(Section):
    """Witness regression."""

    enabled: bool = Field(True, description="Subtract what the witnesses predict, where witnesses are present.")
    filter_s: float = Field(0.25, gt=0, le=4, description="Length of the causal regression filter.")
    update_s: float = Field(4.0, gt=0, description="How often the filter is fitted anew.")
    memory_s: float = Field(64.0, gt=0, description="Memory of the regression's statistics.")
    bilinear: tuple[tuple[str, str], ...] = Field(
        (),
        description="Pairs of channel-name patterns (with * and ?): the products of the first's channels with the "
        "second's become regressors, for example the mains monitor with each slow alignment signal.",
    )
    max_regressors: int = Field(24, ge=1, le=64, description="Most regressors of one detector; the first ones count.")
    max_age_s: float = Field(
        3600.0, gt=0, description="Filters kept from before a restart that are older than this are not taken up."
    )


class ConditionSettings(Section):
    """PSD and whitening."""

    sample_rate_hz: int = Field(2048, description="Rate of the whitened strain.")
    low_frequency_hz: float = Field(20.0, gt=5, description="Below this the whitening filter falls off.")
    psd_min_s: float = Field(8.0, ge=4, description="Clean data needed before a PSD is used.")
    psd_max_s: float = Field(64.0, ge=8, description="Clean data that the rolling median covers.")
    max_psd_age_s: float = Field(
        3600.0,
        ge=64,
        description="Data older than this are in no PSD, after a restart and after a silence: spectra drift.",
    )


class InferSettings(Section):
    """Where and how the networks run."""

    model: str = Field("carillon", description="Name of a shipped model, or path of a model folder.")
    shadow: str | None = Field(
        None, description="A second network on the same strain, compared with the live one; it rings no bell."
    )
    provider: Literal["cpu", "cuda", "tensorrt"] = Field(
        "cpu", description="Execution provider; it is there or the daemon refuses to start."
    )
    half: bool = Field(False, description="Half precision, where the provider has it (TensorRT).")
    threads: int = Field(2, ge=1, description="Threads of one inference on the CPU, and of making its filters.")
    device_id: int = Field(0, ge=0, description="GPU to use.")


class DetectSettings(Section):
    """Peaks of the ranking statistic of embeddings; a matched-filter network tells each event when it is settled."""

    confirm_s: float = Field(
        0.09,
        gt=0,
        le=1,
        description="A peak stands when nothing higher follows for this long. Nothing to a matched-filter network.",
    )
    min_statistic: float = Field(
        0.0, description="Peaks that are not above this are not looked at. Nothing to a matched-filter network."
    )


class SignificanceSettings(Section):
    """Background and thresholds."""

    far_threshold_hz: float = Field(
        2.0 / 86_400, gt=0, description="Candidates below this FAR become alerts (default: two a day)."
    )
    significant_far_hz: float = Field(
        1.0 / (30 * 86_400),
        gt=0,
        description="An alert is marked significant whose FAR times the trials factor is at most this (one a month).",
    )
    trials_factor: int = Field(
        7,
        ge=1,
        description="How many searches ring for one sky: one of them rings falsely so many times as often. Told in "
        "each alert.",
    )
    slides: int = Field(
        32,
        ge=0,
        description="Live time slides per pair of detectors; 0 keeps the shipped background. A matched-filter network "
        "makes all that its blocks hold, whatever the number.",
    )
    live_window_s: float = Field(86_400.0, gt=0, description="Live background covers the last so much data.")


class LocalizeSettings(Section):
    """Where a candidate came from, and what it is."""

    enabled: bool = Field(True, description="Make a sky map and a source class of each candidate.")
    response_factor: float = Field(
        0.83,
        gt=0,
        le=1,
        description="SNRs count as this part of themselves, as in BAYESTAR: errors of waveform and calibration make "
        "maps of real events narrower than they should be.",
    )
    threads: int = Field(2, ge=1, le=64, description="Threads of one sky map, which change nothing in it.")
    queue: int = Field(16, ge=1, le=1024, description="Most candidates that wait for their map; the loudest are kept.")
    timeout_s: float = Field(
        5.0, gt=0, le=600, description="A map that takes longer is given up, and its process begins anew."
    )
    refine: Literal["none", "bayestar"] = Field(
        "none", description="Have BAYESTAR (ligo.skymap, where it is installed) make the map again for a later alert."
    )


class ExternalSettings(Section):
    """Other messengers, and what of them coincides with an event."""

    enabled: bool = Field(False, description="Listen to topics.external, and tell in alerts what coincides.")
    store: Path = Field(
        Path("state/external.sqlite"), description="File of the recent events of both kinds; it survives restarts."
    )
    keep_days: float = Field(
        7.0, gt=0, le=60, description="Notices, and retractions, that come so late still join and leave an event."
    )
    searches: tuple[str, ...] = Field(
        ("GRB", "SubGRB", "SubGRBTargeted", "FRB", "HEN", "SNEWS"),
        description="Kinds of external events that are looked for.",
    )
    windows_s: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="Other windows than RAVEN's: by search, or source/search; the external event minus the merger lies "
        "between them, for example {'FRB' = [-2.0, 10.0]}.",
    )
    rates_per_year: dict[str, PositiveFloat] = Field(
        default_factory=dict, description="Other rates of chance than RAVEN's: external events of a search, per year."
    )
    far_threshold_hz: float = Field(
        1.0 / (30 * 86_400),
        gt=0,
        description="A coincidence is told, and its event significant, if its joint false-alarm rate times the trials "
        "factor is at most this (one a month).",
    )
    trials_factor: int = Field(
        7, ge=1, description="How many searches ring for one sky: one of them coincides falsely so many times as often."
    )

    @field_validator("windows_s")
    @classmethod
    def _rising(cls, value: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        wrong = next((key for key, (low, high) in value.items() if low >= high), None)
        if wrong is not None:
            raise ValueError(f"{wrong} is {list(value[wrong])}: expected a lower, then a higher time")
        return value


class ListenSettings(Section):
    """Where notices of other messengers come from."""

    sources: tuple[Literal["gcn", "scimma", "local"], ...] = Field(
        ("gcn",),
        description="Brokers to read, where --source names none: gcn (credentials: GCN_CLIENT_ID, GCN_CLIENT_SECRET), "
        "scimma (HOP_USERNAME, HOP_PASSWORD, or hop's own file), local (that of [kafka]).",
    )
    topics: dict[str, str] = Field(
        default_factory=dict,
        description="Topics instead of the table's, by source, with spaces between: {'local' = 'notices frb'}.",
    )
    group: str = Field(
        "tocsin-listen",
        min_length=1,
        max_length=200,
        description="Consumer group at each source; its place there survives restarts. SCiMMA's begins with the user.",
    )
    gcn_domain: Literal["gcn.nasa.gov", "test.gcn.nasa.gov", "dev.gcn.nasa.gov"] = Field(
        "gcn.nasa.gov", description="Which of GCN's systems; each has credentials of its own."
    )
    silence_s: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="A source with heartbeats from which nothing comes for so long is said to be silent.",
    )
    fetch_maps: bool = Field(
        False,
        description="Fetch sky maps that notices name by URL: the event goes out at once, and again with its map.",
    )
    map_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts that maps are fetched from, by https alone; host:port for another port than 443. One that "
        "resolves to a private address is refused, unless it is written as that address or is localhost.",
    )
    map_bytes: int = Field(
        32 << 20,
        ge=1024,
        le=512 << 20,
        description="Longest map that is fetched, as it comes and once expanded; reading one takes fifteen times as "
        "much memory. One too large for a message goes with fewer pixels.",
    )
    map_timeout_s: float = Field(30.0, gt=0, le=600, description="Time for one map, from the first look-up to its end.")
    map_queue: int = Field(16, ge=1, le=1024, description="Most maps that wait to be fetched; more are passed over.")
    map_ca_location: Path | None = Field(None, description="File with the certificate authorities of map_hosts.")
    http_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        description="Port of /metrics, /healthz and /readyz on daemon.http_host; none without it.",
    )


class PublishSettings(Section):
    """Alerts."""

    outbox: Path = Field(Path("state/outbox"), description="Folder where an alert stands until Kafka has it.")
    kind: Literal["test", "mock", "production"] = Field(
        "test", description="Prefix of superevent ids: TS, MS or S. Production is opt-in."
    )
    transactional_id: str = Field("tocsin-alerts", description="Kafka transactional id; one per daemon that publishes.")
    transactions: bool = Field(True, description="Use Kafka transactions (the embedded broker has none).")
    pipeline: str = Field("Tocsin", description="Name of the pipeline in alerts.")
    wait_for_map_s: float = Field(
        0.15, ge=0, le=10, description="The first alert of an event waits this long for its sky map and source class."
    )


class DaemonSettings(Section):
    """The long-running process."""

    state_dir: Path = Field(Path("state"), description="Folder of checkpoints.")
    checkpoint_s: float = Field(60.0, gt=0, description="How often the state is written.")
    max_lag_s: float = Field(8.0, gt=0, description="Further behind than this, the daemon is said to lag.")
    max_ahead_s: float = Field(
        0.25, ge=0, le=60, description="Strain that ends further in the future is refused: its clock is wrong."
    )
    broker_wait_s: float = Field(
        60.0, ge=0, le=600, description="Longest time that blocks wait for those of a topic whose broker is away."
    )
    catch_up_s: float = Field(
        20.0,
        ge=0,
        description="A lag that lasts this long and does not shrink by as much is ended: skip to now, and say what was "
        "skipped.",
    )
    when_fenced: Literal["end", "wait"] = Field(
        "end",
        description="When another daemon takes over: end with exit code 4, or (for a supervisor that would start this "
        "one again) do nothing more until told to end.",
    )
    pages_dir: Path | None = Field(
        None,
        description="Folder of the event pages, which are then served at / of the same port; without it none are made.",
    )
    pages_kept: int = Field(200, ge=1, le=5000, description="Most events that have a page; the oldest ones go.")
    http_host: str = Field("127.0.0.1", description="Address of /metrics, /healthz and /readyz.")
    http_port: int = Field(9464, ge=0, le=65_535, description="Port of the same; 0 takes a free one.")
    heartbeat_s: float = Field(1.0, gt=0, description="Interval of heartbeats.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log event shown.")
    log_format: Literal["json", "console"] = Field("json", description="JSON lines, or colours for people.")


class Settings(BaseSettings):
    """All settings of the daemon."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    strain: StrainSettings = StrainSettings()
    align: AlignSettings = AlignSettings()
    denoise: DenoiseSettings = DenoiseSettings()
    condition: ConditionSettings = ConditionSettings()
    infer: InferSettings = InferSettings()
    detect: DetectSettings = DetectSettings()
    significance: SignificanceSettings = SignificanceSettings()
    localize: LocalizeSettings = LocalizeSettings()
    external: ExternalSettings = ExternalSettings()
    listen: ListenSettings = ListenSettings()
    publish: PublishSettings = PublishSettings()
    daemon: DaemonSettings = DaemonSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, TOML file."""
        return init_settings, _Environment(settings_cls), TomlConfigSettingsSource(settings_cls)


class _Environment(PydanticBaseSettingsSource):
    """The environment as :mod:`stream.environment` reads it: pydantic's own errors name neither variable nor form."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: all values come at once."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """Return the values by section and key."""
        return environment.read(os.environ, sections())


def sections() -> dict[str, type[BaseModel]]:
    """Return the model of each section."""
    found = {}
    for section, info in Settings.model_fields.items():
        assert isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
        found[section] = info.annotation
    return found


def with_detectors(settings: Settings, detectors: tuple[str, ...]) -> Settings:
    """Return settings that listen to other detectors."""
    return settings.model_copy(update={"strain": settings.strain.model_copy(update={"detectors": detectors})})
