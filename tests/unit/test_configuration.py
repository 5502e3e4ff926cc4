"""Settings from file, environment and options: precedence, refusals, and the printed form."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from stream.configuration import load_settings, render_settings
from stream.errors import ConfigurationError
from stream.settings import Settings


def test_options_win_over_environment_over_file_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('[kafka]\nbootstrap_servers = "file:1"\ngroup_id = "file"\n[daemon]\nhttp_port = 1111\n')
    monkeypatch.setenv("TOCSIN_KAFKA__BOOTSTRAP_SERVERS", "environment:2")
    monkeypatch.setenv("TOCSIN_DAEMON__HTTP_PORT", "2222")

    settings = load_settings(file, {"daemon": {"http_port": 3333}})

    assert settings.kafka.bootstrap_servers == "environment:2"
    assert settings.kafka.group_id == "file"
    assert settings.daemon.http_port == 3333
    assert settings.daemon.http_host == "127.0.0.1"


def test_an_unknown_key_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('[kafka]\nbootstrap_server = "x:1"\n')
    with pytest.raises(ConfigurationError, match=r"kafka\.bootstrap_server is not a setting"):
        load_settings(file)


def test_a_key_of_an_older_version_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text("[detect]\ndead_time_s = 1.0\n")
    with pytest.raises(ConfigurationError, match=r"detect\.dead_time_s is not a setting any more: .*remove the key"):
        load_settings(file)


@pytest.mark.parametrize("variable", ["TOCSIN_KAFKA__BOOTSTRAP", "TOCSIN_KAFAK__GROUP_ID", "TOCSIN_ANYTHING"])
def test_an_unknown_variable_is_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(ConfigurationError, match=variable):
        load_settings()


def test_the_variables_of_a_kubernetes_service_of_our_name_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_settings()
    for service in ("TOCSIN", "TOCSIN_DAEMON"):
        port, address = f"{service}_PORT_9464_TCP", "10.0.0.1"
        for variable, value in (
            (f"{service}_SERVICE_HOST", address), (f"{service}_SERVICE_PORT", "9464"),
            (f"{service}_SERVICE_PORT_HTTP", "9464"), (f"{service}_PORT", f"tcp://{address}:9464"),
            (port, f"tcp://{address}:9464"), (f"{port}_PROTO", "tcp"), (f"{port}_PORT", "9464"),
            (f"{port}_ADDR", address),
        ):  # fmt: skip
            monkeypatch.setenv(variable, value)
    assert plain == load_settings()
    monkeypatch.setenv("TOCSIN_DAEMON_HTTP_PORT", "9000")
    with pytest.raises(ConfigurationError, match="TOCSIN_DAEMON_HTTP_PORT"):
        load_settings()


def test_a_variable_of_the_wrong_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_DAEMON__HTTP_PORT", "many")
    with pytest.raises(ConfigurationError, match=r"daemon\.http_port"):
        load_settings()


def test_a_missing_file_and_a_file_that_is_not_toml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("kafka: {}")
    with pytest.raises(ConfigurationError, match="not TOML"):
        load_settings(bad)


def test_printed_settings_load_back_equal(tmp_path: Path) -> None:
    settings = load_settings(
        None,
        {
            "strain": {"detectors": ["H1", "V1"], "channels": {"H1": "H1:GDS-CALIB_STRAIN"}},
            "denoise": {"bilinear": [["*:PEM-MAINS*", "*:ASC-*"]]},
            "publish": {"outbox": "somewhere/else"},
        },
    )
    file = tmp_path / "printed.toml"
    file.write_text(render_settings(settings))
    assert load_settings(file) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize("name", ["a\x7fb", "bell \U0001f514", 'quoted "twice"', "back\\slash", "two\nlines"])
def test_a_printed_text_of_any_characters_loads_back_equal(name: str, tmp_path: Path) -> None:
    """JSON's way to write a string is not always TOML's: DEL, and what lies beyond 16 bits."""
    settings = load_settings(None, {"kafka": {"group_id": name}, "strain": {"channels": {"H1": name}}})
    file = tmp_path / "printed.toml"
    file.write_text(render_settings(settings))
    assert load_settings(file) == settings


def test_every_key_is_described_and_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(None, {"kafka": {"sasl_password": "hush-hush"}})
    printed = render_settings(settings)
    assert "hush-hush" not in printed
    assert "hush-hush" not in repr(settings)
    for section, info in Settings.model_fields.items():
        assert info.annotation is not None
        for key, field in info.annotation.model_fields.items():
            assert field.description, f"{section}.{key}"
            assert f"TOCSIN_{section}__{key}".upper() in printed


@pytest.mark.parametrize(
    ("detectors", "said"),
    [
        (["H1", "H1"], "H1 is named twice"),
        (["H1", "foo"], "'foo' is no known detector: choose from H1, L1, V1, K1, I1"),
        (["h1"], "'h1' is no known detector"),
        ([], "no detector is named"),
    ],
)
def test_detectors_are_known_and_each_named_once(
    detectors: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_settings(None, {"strain": {"detectors": detectors}})
    monkeypatch.setenv("TOCSIN_STRAIN__DETECTORS", ",".join(detectors))
    with pytest.raises(ConfigurationError, match=rf"strain\.detectors \(TOCSIN_STRAIN__DETECTORS\): {said}"):
        load_settings()


def test_channels_are_of_known_detectors() -> None:
    with pytest.raises(ConfigurationError, match="'X1' is no known detector"):
        load_settings(None, {"strain": {"channels": {"X1": "X1:STRAIN"}}})


@pytest.mark.parametrize("text", ["H1,V1", " H1 , V1 ", '["H1", "V1"]'])
def test_a_list_in_the_environment_is_comma_separated_or_json(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_STRAIN__DETECTORS", text)
    assert load_settings().strain.detectors == ("H1", "V1")


@pytest.mark.parametrize(
    "variables",
    [
        {"TOCSIN_STRAIN__CHANNELS": '{"H1": "H1:A", "L1": "L1:B"}'},
        {"TOCSIN_STRAIN__CHANNELS": "H1=H1:A, L1=L1:B"},
        {"TOCSIN_STRAIN__CHANNELS__H1": "H1:A", "TOCSIN_STRAIN__CHANNELS__L1": "L1:B"},
        {"TOCSIN_STRAIN__CHANNELS": "H1=H1:A,L1=none", "TOCSIN_STRAIN__CHANNELS__L1": "L1:B"},
    ],
)
def test_a_mapping_in_the_environment_has_three_forms(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load_settings().strain.channels == {"H1": "H1:A", "L1": "L1:B"}


def test_a_list_of_pairs_in_the_environment_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_DENOISE__BILINEAR", '[["*:PEM-MAINS*", "*:ASC-*"]]')
    assert load_settings().denoise.bilinear == (("*:PEM-MAINS*", "*:ASC-*"),)


@pytest.mark.parametrize(
    ("variable", "text", "form"),
    [
        ("TOCSIN_STRAIN__DETECTORS", '["H1"', r'write A,B or \["A", "B"\]'),
        ("TOCSIN_STRAIN__CHANNELS", "H1:GDS", r'write A=X,B=Y or \{"A": "X", "B": "Y"\}'),
        ("TOCSIN_STRAIN__STATE_CHANNELS", "{H1: x}", "write A=X,B=Y or"),
        ("TOCSIN_DENOISE__BILINEAR", "a,b", r'write JSON, as \[\["A", "B"\]\]'),
        ("TOCSIN_DENOISE__BILINEAR", "{}", "write JSON, as"),
    ],
)
def test_a_list_or_mapping_of_another_form_is_named_with_its_form(
    variable: str, text: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigurationError, match=f"{variable} is not in its form: {form}"):
        load_settings()


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_no_number_of_the_settings_is_nan_or_infinite(value: str, tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    for section, info in Settings.model_fields.items():
        assert info.annotation is not None
        for key, field in info.annotation.model_fields.items():
            if field.annotation is float:
                file.write_text(f"[{section}]\n{key} = {value}\n")
                with pytest.raises(ConfigurationError, match=rf"{section}\.{key}: "):
                    load_settings(file)


def test_a_misspelled_key_is_told_what_it_may_mean(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('[kafka]\nsasl_pasword = "x"\n')
    with pytest.raises(ConfigurationError, match=r"kafka\.sasl_pasword is not a setting; kafka\.sasl_password is"):
        load_settings(file)
