"""Model cards of both kinds: what is opened is what the card speaks of, wherever the folder is."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from stream.detect.extrinsic import load_extrinsic
from stream.detect.glitch_term import read_glitch_term
from stream.errors import ModelError
from stream.infer import model_names, open_model, record_hash
from stream.infer.filterbank.bank import read_bank
from stream.infer.filterbank.stage import FilterBank
from stream.settings import InferSettings
from stream.significance import load_shipped

FILES = {"bank.npz", "filterbank.onnx", "extrinsic.npz", "glitch_term.json"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a matched-filter network of one's own, without a background."""
    made = Path(shutil.copytree(open_model("carillon").folder, tmp_path / "mine"))
    (made / "background.json").unlink(missing_ok=True)
    card = (made / "card.toml").read_text().splitlines()
    (made / "card.toml").write_text("\n".join(line for line in card if not line.startswith('"background.json"')) + "\n")
    return made


def test_two_kinds_ship() -> None:
    assert {"first", "carillon"} <= set(model_names())
    assert open_model("first").kind == "embedding"
    card = open_model("carillon")
    assert (card.kind, card.label, set(card.network)) == ("filterbank", "carillon-1", FILES)


@pytest.mark.parametrize("file", sorted(FILES))
def test_each_file_of_a_filter_bank_is_verified(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"not this")
    with pytest.raises(ModelError, match=f"{file}.*its card says"):
        open_model(f"{folder}/")
    (folder / file).unlink()
    with pytest.raises(ModelError, match=f"{file} is missing"):
        open_model(f"{folder}/")


def test_a_folder_of_ones_own_is_read_from_there(folder: Path) -> None:
    card = open_model(f"{folder}/")
    assert card.folder == folder
    shared = FilterBank.of(card, InferSettings(threads=1))
    shared.close()
    assert len(shared.bank) == len(read_bank(folder / "bank.npz"))
    assert "H1" in load_extrinsic(folder / "extrinsic.npz").detectors
    assert read_glitch_term(folder / "glitch_term.json").rate_hz > 0


def test_a_model_without_a_background_is_unmeasured_and_not_refused(folder: Path) -> None:
    assert load_shipped(open_model(f"{folder}/")) == {}


def test_what_only_an_embedding_network_has_is_refused_of_another() -> None:
    assert open_model("first").encoder.frame_rate_hz == 128
    with pytest.raises(ModelError, match="carillon-1 is a filterbank, which has no encoder"):
        _ = open_model("carillon").encoder


def test_a_card_that_says_no_kind_is_of_an_embedding_network(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(open_model("first").folder, tmp_path / "older"))
    card = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(card.replace('kind = "embedding"\n', ""))
    assert open_model(f"{folder}/").kind == "embedding"


def test_an_unknown_kind_is_refused_with_those_that_are_known(folder: Path) -> None:
    card = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(card.replace('"filterbank"\n', '"oracle"\n'))
    with pytest.raises(ModelError, match=r"kind 'oracle'; known are embedding, filterbank"):
        open_model(f"{folder}/")


def test_who_makes_a_file_anew_sets_its_hash_and_nothing_else(folder: Path) -> None:
    before = (folder / "card.toml").read_text()
    old, new = ((folder / "glitch_term.json").read_bytes(), b'{"coefficients": [0, 0, 0, 0, 0]}')
    (folder / "glitch_term.json").write_bytes(new)
    record_hash(folder, "glitch_term.json")
    assert (folder / "card.toml").read_text() == before.replace(sha256(old).hexdigest(), sha256(new).hexdigest())
    assert open_model(f"{folder}/").identity != open_model("carillon").identity


def test_a_file_that_the_card_did_not_speak_of_is_added_to_it(folder: Path) -> None:
    (folder / "background.json").write_text("{}")
    record_hash(folder, "background.json")
    assert open_model(f"{folder}/").digests["background.json"] == sha256(b"{}").hexdigest()


def test_a_folder_without_a_card_has_no_hash_to_be_set(tmp_path: Path) -> None:
    (tmp_path / "bank.npz").write_bytes(b"bank")
    record_hash(tmp_path, "bank.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["bank.npz"]
