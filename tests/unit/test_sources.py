"""Sources: topics by mission, credentials that are named where they are missing, files, and silence."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import structlog

from pipelines.sources import FileSource, open_source
from pipelines.sources.credentials import gcn_kafka, scimma_kafka
from pipelines.sources.named import topics_of
from pipelines.sources.silence import SilenceWatch
from pipelines.sources.topics import GCN, SCIMMA, TOPICS
from stream.codec.limits import MAX_BYTES
from stream.errors import ConfigurationError
from stream.kafka import config
from stream.metrics import SOURCE_SILENCES
from stream.settings import KafkaSettings, Settings
from stream.timebase import SystemClock

CLOCK = SystemClock()
CANARY = "hunter2canary"
HOP = '[[auth]]\nusername = "jo"\npassword = "{}"\nhostname = "kafka.scimma.org:9092"\n'


def secret_of(settings: KafkaSettings) -> str:
    found = settings.oauth_client_secret or settings.sasl_password
    assert found is not None
    return found.get_secret_value()


def test_gcn_is_reached_with_the_credentials_of_the_environment() -> None:
    settings = gcn_kafka("test.gcn.nasa.gov", {"GCN_CLIENT_ID": "id", "GCN_CLIENT_SECRET": CANARY})
    made = config.consumer(settings, "group")
    assert settings.bootstrap_servers == "kafka.test.gcn.nasa.gov:9092"
    assert made["sasl.oauthbearer.token.endpoint.url"] == "https://auth.test.gcn.nasa.gov/oauth2/token"
    assert (made["security.protocol"], made["sasl.mechanisms"], made["sasl.oauthbearer.method"]) == (
        "SASL_SSL", "OAUTHBEARER", "oidc",
    )  # fmt: skip
    assert CANARY not in repr(settings)


def test_scimma_is_reached_with_scram_and_a_group_of_the_users_name() -> None:
    settings = scimma_kafka({"HOP_USERNAME": "jo", "HOP_PASSWORD": CANARY})
    assert (settings.bootstrap_servers, settings.sasl_mechanism) == ("kafka.scimma.org:9092", "SCRAM-SHA-512")
    assert (settings.sasl_username, secret_of(settings)) == ("jo", CANARY)
    assert CANARY not in repr(settings)


@pytest.mark.parametrize(
    ("name", "environ", "named"),
    [
        ("gcn", {}, "GCN_CLIENT_ID and GCN_CLIENT_SECRET"),
        ("gcn", {"GCN_CLIENT_ID": "x"}, "GCN_CLIENT_ID and GCN_CLIENT_SECRET"),
        ("scimma", {"HOME": "/nonexistent"}, "HOP_USERNAME and HOP_PASSWORD"),
    ],
)
def test_missing_credentials_are_named_in_one_line(name: str, environ: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        open_source(name, Settings(), CLOCK, environ)
    assert "\n" not in str(caught.value)


def hop_file(folder: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    file = folder / "hop" / "auth.toml"
    file.parent.mkdir()
    file.write_text(text)
    file.chmod(mode)
    return {"XDG_CONFIG_HOME": str(folder)}


def test_hops_own_file_is_read(tmp_path: Path) -> None:
    elsewhere = '[[auth]]\nusername = "no"\npassword = "no"\nhostname = "other.example"\n'
    environ = hop_file(tmp_path, elsewhere + HOP.format(CANARY))
    assert (scimma_kafka(environ).sasl_username, secret_of(scimma_kafka(environ))) == ("jo", CANARY)


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (HOP.format(CANARY), 0o644, "may be read by others"),
        (f'auth = "{CANARY}', 0o600, "cannot be read as TOML"),
        (f'auth = "{CANARY}"', 0o600, "no credentials for kafka.scimma.org"),
        (HOP.format(CANARY).replace("kafka.scimma.org", "other.example"), 0o600, "no credentials"),
        (f'[auth]\npassword = "{CANARY}"', 0o600, "no credentials"),
    ],
)
def test_a_file_of_hop_that_will_not_do_is_named_and_not_quoted(tmp_path: Path, text: str, mode: int, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        scimma_kafka(hop_file(tmp_path, text, mode))
    assert CANARY not in str(caught.value)


def test_each_topic_is_listed_once_and_none_is_of_gravitational_waves() -> None:
    for topics in TOPICS.values():
        assert len(set(topics)) == len(topics)
        assert not [t for t in topics if "LVC" in t or "gwalert" in t or "circular" in t]
    assert set(TOPICS["gcn"]) == {topic for topics in GCN.values() for topic in topics}
    assert set(TOPICS["scimma"]) == {topic for topics in SCIMMA.values() for topic in topics}
    assert "gcn.notices.swift.bat.guano" in TOPICS["gcn"]


def test_topics_are_the_persons_or_the_settings_or_the_tables() -> None:
    usual = Settings()
    own = Settings.model_validate({"listen": {"topics": {"gcn": "a  b"}}})
    assert topics_of("gcn", usual) == TOPICS["gcn"]
    assert topics_of("gcn", usual, ["one"]) == ("one",)
    assert topics_of("gcn", usual, ["+one"]) == (*TOPICS["gcn"], "one")
    assert topics_of("gcn", own) == ("a", "b")
    assert topics_of("gcn", own, ["+b", "+c"]) == ("a", "b", "c")


def test_the_topic_that_events_go_to_is_not_read() -> None:
    with pytest.raises(ConfigurationError, match="again and again"):
        topics_of("local", Settings(), ["external.events"])


@pytest.mark.parametrize(("name", "why"), [("local", "has no topics"), ("moon", "is no source")])
def test_a_source_that_cannot_be_opened_says_why(name: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        open_source(name, Settings(), CLOCK, {})


def test_files_are_handed_out_once_in_order_with_what_was_gzipped_expanded(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name, text in (("b/2.json", b"two"), ("1.xml", b"one"), (".hidden", b"no"), ("b/.git", b"no")):
        (tmp_path / name).write_bytes(text)
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"three"))
    (tmp_path / "d.gz").write_bytes(b"\x1f\x8bdamaged")
    source = FileSource([tmp_path], CLOCK)
    found = source.poll(0.0)
    assert source.ended
    assert [m.payload for m in found] == [b"one", b"two", b"three", b"\x1f\x8bdamaged"]
    assert [Path(m.place).name for m in found] == ["1.xml", "2.json", "c.gz", "d.gz"]
    assert source.poll(0.0) == []


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(MAX_BYTES["external"] + 5000))
    (tmp_path / "b.gz").write_bytes(gzip.compress(bytes(MAX_BYTES["external"] * 4)))
    assert [len(m.payload) for m in FileSource([tmp_path], CLOCK).poll(0.0)] == [MAX_BYTES["external"] + 1] * 2


def test_a_file_that_may_not_be_read_is_passed_over_and_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "a").write_bytes(b"x")
    source = FileSource([tmp_path, tmp_path / "a"], CLOCK)
    assert [m.payload for m in source.poll(0.0)] == [b"x", b"x"]
    with pytest.raises(ConfigurationError, match="gone"):
        FileSource([tmp_path / "gone"], CLOCK)


def test_silence_is_said_once_and_again_each_time_as_long_and_so_is_its_end() -> None:
    watch = SilenceWatch("moon", "moon.heartbeat", 60.0, 0.0)
    before = SOURCE_SILENCES.labels("moon")._value.get()
    with structlog.testing.capture_logs() as logs:
        for now_s in range(1, 200):
            watch(float(now_s), 0)
        watch(200.0, 3)
        watch(259.0, 0)
    said = [(entry["event"], entry.get("since_s", entry.get("after_s"))) for entry in logs]
    assert said == [("source_silent", 60), ("source_silent", 120), ("source_silent", 180), ("source_heard_again", 200)]
    assert SOURCE_SILENCES.labels("moon")._value.get() - before == 1
    assert (watch.silent, watch.heard) == (False, 3)
