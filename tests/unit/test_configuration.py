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


@pytest.mark.parametrize("variable", ["TOCSIN_KAFKA__BOOTSTRAP", "TOCSIN_KAFAK__GROUP_ID", "TOCSIN_ANYTHING"])
def test_an_unknown_variable_is_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(ConfigurationError, match=variable):
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
