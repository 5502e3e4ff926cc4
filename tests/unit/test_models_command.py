"""``tocsin models``: what ships is listed and verified; a network is built from a seed, and a build goes on."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipelines.cli import app
from pipelines.live import promote, promotion
from pipelines.train import build as building
from pipelines.train import extrinsic
from pipelines.train.bank import BankConfig
from pipelines.train.build import BuildConfig, build
from stream.errors import ConfigurationError, ModelError
from stream.infer import open_model

SMALL = BuildConfig(
    BankConfig(seed=4, templates=6, candidates=60, draws=60),
    extrinsic_seed=4, sources=2000, glitch_term_seed=4, glitch_term_s=90, spectra=0,
)  # fmt: skip


def tocsin(*words: str) -> Result:
    return CliRunner().invoke(app, ["models", *words])


def document(*words: str) -> Any:
    return json.loads(tocsin(*words, "--json").stdout)


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shipped graph stand for one that is written: it is the same for every bank, and onnx may be missing."""
    shipped = open_model("carillon").folder / "filterbank.onnx"
    monkeypatch.setattr(building, "_graph", lambda path: shutil.copy(shipped, path))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find("json" if name == "onnx" else name))


def test_what_ships_is_listed_with_its_kind_and_background() -> None:
    first, carillon = (next(m for m in document("list") if m["name"] == name) for name in ("first", "carillon"))
    assert (first["kind"], carillon["kind"]) == ("embedding", "filterbank")
    assert first["background_s"]["H1+L1"] > 9e7
    assert "first-1" in tocsin("list").stdout


def test_a_card_says_what_is_covered_kept_and_spent_and_how_it_was_made() -> None:
    card = document("show", "carillon")["card"]
    assert {"made", "bank", "covers", "fitting_factor", "latency", "snr_kept", "cost"} <= set(card)
    assert card["bank"]["templates"] == 200
    shown = tocsin("show", "carillon").stdout
    assert open_model("carillon").identity in shown
    assert "[fitting_factor]" in shown


def test_models_that_ship_are_as_their_cards_say() -> None:
    assert [(m["model"], m["ok"]) for m in document("verify")] == [("carillon-1", True), ("first-1", True)]


@pytest.mark.parametrize(("file", "content"), [("glitch_term.json", "{}"), ("background.json", "{}")])
def test_an_altered_file_fails_by_name(file: str, content: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(open_model("carillon").folder, tmp_path / "mine"))
    (folder / file).write_text(content)
    found = tocsin("verify", f"{folder}/")
    assert found.exit_code == 1
    assert found.stdout.startswith("FAIL ")
    assert file in found.stdout


def test_building_needs_what_writes_graphs_and_says_so_before_the_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="needs onnx, which is not installed: uv run --extra train tocsin"):
        build(tmp_path / "mine", SMALL, print)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("graph")
def test_a_network_is_built_from_its_seed_and_a_build_that_was_cut_off_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, whole, said = tmp_path / "cut", tmp_path / "whole", list[str]()
    with monkeypatch.context() as broken:
        broken.setattr(extrinsic, "main", _die)
        with pytest.raises(KeyboardInterrupt):
            build(cut, SMALL, said.append)
    with pytest.raises(ModelError, match="no model"):
        open_model(f"{cut}/")
    with pytest.raises(ConfigurationError, match="half built with other options"):
        build(cut, BuildConfig.of(5, 6), print)
    said.clear()
    build(cut, SMALL, said.append)
    assert [text.endswith("there already") for text in said] == [True, True, False, False, False]
    build(whole, SMALL, print)
    card = open_model(f"{cut}/")
    assert card.network == open_model(f"{whole}/").network
    assert (card.label, card.kind, card.about["bank"]["templates"]) == ("cut-1", "filterbank", 6)
    assert {path.name for path in cut.iterdir()} == {*card.network, "card.toml"}
    with pytest.raises(ConfigurationError, match="a model already"):
        build(cut, SMALL, print)


def _die(words: list[str]) -> None:
    raise KeyboardInterrupt


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path, graph: Callable[[], None]) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigurationError, match="not empty"):
        build(tmp_path, SMALL, print)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_one_seed_is_enough_to_make_a_network_again() -> None:
    shipped, own = BuildConfig.of(None, 200), BuildConfig.of(5, 100)
    assert building.made_by("carillon", shipped)["command"] == "tocsin models build --out carillon --templates 200"
    assert building.made_by("mine", own) == {
        "command": "tocsin models build --out mine --templates 100 --seed 5",
        "seeds": {"bank": 5, "extrinsic": 5, "glitch_term": 5},
    }


def test_a_promotion_is_asked_for_in_the_state_folder_and_its_answer_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wish names a folder whole: the daemon stands elsewhere."""
    monkeypatch.setenv("TOCSIN_DAEMON__STATE_DIR", str(tmp_path))
    mine = Path(shutil.copytree(open_model("first").folder, tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)
    asked: list[promotion.Wish] = []

    def daemon(folder: Path, wish: promotion.Wish) -> promotion.Answer:
        asked.append(wish)
        return promotion.Answer(wish.wish_id, "live", "first-1 is live since GPS 1", "first-1")

    monkeypatch.setattr(promote, "read_answer", daemon)
    found = tocsin("promote", "./mine/", "--who", "shift", "--json")
    assert json.loads(found.stdout) == {"live": "first-1", "detail": "first-1 is live since GPS 1"}
    assert (asked[0].model, asked[0].who) == (str(mine), "shift")


def test_a_model_that_a_daemon_refuses_ends_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_DAEMON__STATE_DIR", str(tmp_path))

    def daemon(folder: Path, wish: promotion.Wish) -> promotion.Answer:
        return promotion.Answer(wish.wish_id, "refused", "it has no background", "old-1")

    monkeypatch.setattr(promote, "read_answer", daemon)
    found = tocsin("promote", "first")
    assert isinstance(found.exception, ModelError)
    assert str(found.exception) == "first was not promoted, old-1 is live: it has no background"


def test_without_a_state_folder_there_is_no_daemon_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_DAEMON__STATE_DIR", str(tmp_path / "none"))
    found = tocsin("promote", "first")
    assert isinstance(found.exception, ConfigurationError)
    assert "daemon.state_dir" in str(found.exception)


def test_the_model_in_force_is_shown_when_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_DAEMON__STATE_DIR", str(tmp_path))
    monkeypatch.setenv("TOCSIN_INFER__MODEL", "first")
    assert document("show")["label"] == "first-1"
    promotion.keep(tmp_path, promotion.Promoted("carillon", "first", "shift", 0))
    assert document("show")["label"] == "carillon-1"
