"""No secret is shown, whatever mistake is made with it: not in errors, printed settings, logs or tracebacks."""

from __future__ import annotations

import json
import pickle
import traceback
from pathlib import Path

import pytest
import structlog

from pipelines.cli import entry
from stream.codec.registry import SchemaRegistry
from stream.configuration import load_settings
from stream.errors import ConfigurationError, TocsinError
from stream.log import configure_logging
from stream.masking import SecretUrl, mask_urls
from stream.settings import sections

CANARY = "hunter2canary"
URL = f"https://me:{CANARY}@registry.example:8081"
SECRETS = {"sasl_password": CANARY, "oauth_client_secret": CANARY, "schema_registry_url": URL}


def mistakes() -> dict[str, str]:
    """Return configuration files by what is wrong in them."""
    made: dict[str, str] = {}
    for key, secret in SECRETS.items():
        quoted = json.dumps(secret)
        made |= {
            f"{key}: nothing wrong": f"[kafka]\n{key} = {quoted}",
            f"{key}: list of tables": f"[[kafka]]\n{key} = {quoted}",
            f"{key}: section is a string": f"kafka = {quoted}",
            f"{key}: section is a list": f"kafka = [{quoted}, [{quoted}]]",
            f"{key}: value is a list": f"[kafka]\n{key} = [{quoted}]",
            f"{key}: value is a nested list": f"[kafka]\n{key} = [[{quoted}], {{a = {quoted}}}]",
            f"{key}: value is a table": f"[kafka.{key}]\nvalue = {quoted}",
            f"{key}: table of a table": f"[kafka.security]\n{key} = {quoted}",
            f"{key}: misspelled": f"[kafka]\n{key[:-3]}{key[-2:]} = {quoted}",
            f"{key}: top level": f"{key} = {quoted}",
            f"{key}: misspelled section": f"[kafak]\n{key} = {quoted}",
            f"{key}: not quoted": f"[kafka]\n{key} = {secret}",
            f"{key}: not closed": f'[kafka]\n{key} = "{secret}',
            f"{key}: twice": f"[kafka]\n{key} = {quoted}\n{key} = {quoted}",
            f"{key}: colon": f"[kafka]\n{key}: {quoted}",
            f"{key}: as a twofold key": f"[kafka]\n{quoted} = 1\n{quoted} = 2",
            f"{key}: fault beside it": f"[kafka]\n{key} = {quoted}\noperation_timeout_s = {quoted}",
            f"{key}: for another": f"[kafka]\nsasl_mechanism = {quoted}\nssl_key_location = [{quoted}]",
            f"{key}: with the brokers": f"[kafka]\nbootstrap_servers = {json.dumps(f'me:{secret}@host:9092')}",
            f"{key}: in the token's URL": f"[kafka]\noauth_token_url = {json.dumps(f'https://me:{secret}@host')}",
            f"{key}: in channels": f"[strain.channels]\n{key} = {quoted}",
            f"{key}: in a text": f"[topics]\nalerts = {{{key} = {quoted}}}",
        }
        others = [section for section in sections() if section != "kafka"]
        made |= {f"{key}: in [{section}]": f"[{section}]\n{key} = {quoted}" for section in others}
    return made


ENVIRONMENTS = {
    "nothing wrong": {f"TOCSIN_KAFKA__{key}".upper(): value for key, value in SECRETS.items()},
    "a section at once": {"TOCSIN_KAFKA": json.dumps(SECRETS)},
    "misspelled": {"TOCSIN_KAFKA__SASL_PASWORD": CANARY},
    "no section": {"TOCSIN_SASL_PASSWORD": CANARY},
    "an entry of no mapping": {"TOCSIN_KAFKA__SASL_PASSWORD__MINE": CANARY},
    "list that is none": {"TOCSIN_STRAIN__DETECTORS": f'["{CANARY}"'},
    "mapping that is none": {"TOCSIN_STRAIN__CHANNELS": CANARY},
    "pairs that are none": {"TOCSIN_DENOISE__BILINEAR": CANARY},
    "another fault": {"TOCSIN_KAFKA__SASL_PASSWORD": CANARY, "TOCSIN_KAFKA__SECURITY_PROTOCOL": CANARY},
    "no URL": {"TOCSIN_KAFKA__SCHEMA_REGISTRY_URL": f"me:{CANARY}@host"},
}


def shown(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> tuple[str, int]:
    """Return all that the command prints, and its exit code."""
    monkeypatch.setattr("sys.argv", ["tocsin", *arguments])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    out, err = capfd.readouterr()
    return out + err, int(ended.value.code or 0)


def assert_silent(load: dict[str, object]) -> None:
    """Check that a traceback of loading, and the settings in any form, are silent too."""
    try:
        settings = load_settings(**load)  # type: ignore[arg-type]
    except ConfigurationError as error:
        chain: BaseException | None = error
        while chain is not None:
            assert CANARY not in "".join(traceback.format_exception(chain))
            chain = chain.__context__ or chain.__cause__
    else:
        assert CANARY not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize("mistake", mistakes())
def test_no_mistake_in_the_file_shows_a_secret(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text(mistakes()[mistake] + "\n")
    printed, code = shown(["run", "--print-config", "--config", str(file)], monkeypatch, capfd)
    assert CANARY not in printed
    assert (0 if "nothing wrong" in mistake else 2) == code, printed
    assert "Traceback" not in printed
    assert_silent({"path": file})


@pytest.mark.parametrize("mistake", ENVIRONMENTS)
def test_no_mistake_in_the_environment_shows_a_secret(
    mistake: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in ENVIRONMENTS[mistake].items():
        monkeypatch.setenv(name, value)
    printed, code = shown(["run", "--print-config"], monkeypatch, capfd)
    assert CANARY not in printed
    assert (0 if mistake == "nothing wrong" else 2) == code, printed
    assert code == 0 or any(name in printed for name in ENVIRONMENTS[mistake]), printed
    assert_silent({})


def test_a_list_of_tables_in_the_file_is_refused_though_the_environment_sets_the_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merged, the environment's section would take the place of the file's, and nobody would know."""
    file = tmp_path / "tocsin.toml"
    file.write_text('[[kafka]]\nbootstrap_servers = "far:9092"\n')
    monkeypatch.setenv("TOCSIN_KAFKA__GROUP_ID", "mine")
    with pytest.raises(ConfigurationError, match=r"kafka is a list.*write \[kafka\]"):
        load_settings(file)


def test_credentials_among_the_brokers_of_an_option_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    printed, code = shown(["topics", "list", "--broker", f"me:{CANARY}@host:9092"], monkeypatch, capfd)
    assert CANARY not in printed
    assert code == 2


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://host:8081", "http://host:8081"),
        ("https://me:pass@host/path", "https://**********@host/path"),
        ("https://me:p/a@ss,https://x?y@host", "https://**********@host"),
        ("http://one,https://me:pass@two", "http://**********@two"),
        ("http://host/path?token=pass", "http://host/path?**********"),
        ("me:pass@http://host", "**********"),
    ],
)
def test_a_url_shows_where_it_leads_and_not_how_it_gets_in(url: str, masked: str) -> None:
    secret = SecretUrl(url)
    assert masked == str(secret)
    assert url == secret.get_secret_value() == pickle.loads(pickle.dumps(secret)).get_secret_value()
    assert repr(secret) == f"SecretUrl({masked!r})"


def test_printed_settings_keep_a_url_without_secrets_and_comment_out_one_with(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOCSIN_KAFKA__SCHEMA_REGISTRY_URL", "http://host:8081")
    assert '\nschema_registry_url = "http://host:8081"\n' in shown(["run", "--print-config"], monkeypatch, capfd)[0]
    monkeypatch.setenv("TOCSIN_KAFKA__SCHEMA_REGISTRY_URL", URL)
    printed, _ = shown(["run", "--print-config"], monkeypatch, capfd)
    assert '\n# schema_registry_url = "https://**********@registry.example:8081"\n' in printed


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_logs_mask_urls(log_format: str, capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", log_format)  # type: ignore[arg-type]
    try:
        raise OSError(f"cannot open {URL}")
    except OSError as error:
        structlog.get_logger().warning("broken", url=URL, error=str(error), exc_info=log_format == "json")
    printed = capfd.readouterr().err
    assert CANARY not in printed
    assert "registry.example" in printed


@pytest.mark.parametrize("place", ["127.0.0.1:1", "[bad", "host:port:port"])
def test_a_registry_that_does_not_answer_or_is_none_is_told_without_credentials(place: str) -> None:
    with pytest.raises(TocsinError) as caught:
        SchemaRegistry(f"http://me:{CANARY}@{place}", timeout_s=1).subjects()
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_text_without_urls_stays_as_it_is() -> None:
    assert mask_urls("a@b, http://host/path") == "a@b, http://host/path"
