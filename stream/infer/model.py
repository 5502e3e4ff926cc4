"""Models on disk: a folder with the network's files, ``background.json`` and ``card.toml``.

The card says of what kind the network is, what goes in and comes out, how it was made, and the SHA-256 of every file
that is used; they are compared whenever a model is opened, and again when its background is read.

==============  =====================================================================================
kind            the network's files
==============  =====================================================================================
``embedding``   ``encoder.onnx``, ``head.onnx``: trained, for frames of all detectors
``filterbank``  ``bank.npz``, ``filterbank.onnx``: matched filters of one detector;
                ``extrinsic.npz``, ``glitch_term.json``: how their triggers are ranked
==============  =====================================================================================
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stream.errors import ModelError

BACKGROUND = "background.json"
CARD = "card.toml"
BANK, GRAPH, EXTRINSIC, GLITCH_TERM = "bank.npz", "filterbank.onnx", "extrinsic.npz", "glitch_term.json"

Kind = Literal["embedding", "filterbank"]

_NETWORK: dict[Kind, tuple[str, ...]] = {
    "embedding": ("encoder.onnx", "head.onnx"),
    "filterbank": (BANK, GRAPH, EXTRINSIC, GLITCH_TERM),
}
_SHIPPED = Path(__file__).parent / "models"
CARILLON = _SHIPPED / "carillon"
"""The matched-filter network that ships."""


@dataclass(frozen=True, slots=True)
class EncoderCard:
    """What only an embedding network has.

    Attributes
    ----------
    context_samples : int
        Input samples that the encoder needs before the first frame's own.
    embedding : int
        Numbers of a frame.
    head_context_frames : int
        Earlier frames that the head needs to rank one.
    delay_frames : int
        Frames from the one that holds the merger to the one that peaks.
    """

    input_rate_hz: int
    frame_rate_hz: int
    context_samples: int
    embedding: int
    head_context_frames: int
    delay_frames: int


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the pipeline must know of a model.

    Attributes
    ----------
    folder : Path
        Where its files are.
    digests : mapping of str to str
        SHA-256 of each file, in hexadecimal.
    about : mapping
        The whole card as it is written, for people: what it covers and costs, and how it was made.
    encoder_card : EncoderCard or None
        None unless it is an embedding network.
    """

    name: str
    version: str
    kind: Kind
    folder: Path
    digests: Mapping[str, str]
    about: Mapping[str, Any]
    encoder_card: EncoderCard | None = None

    @property
    def label(self) -> str:
        """Name and version, as alerts carry it."""
        return f"{self.name}-{self.version}"

    @property
    def network(self) -> dict[str, str]:
        """SHA-256 of the files that make the statistic: a background belongs to these and no others."""
        return {file: self.digests[file] for file in _NETWORK[self.kind]}

    @property
    def identity(self) -> str:
        """Name, version and hash of the network: what was learned of another one is not taken up."""
        of_all = hashlib.sha256("".join(self.network.values()).encode()).hexdigest()
        return f"{self.label}-{of_all[:16]}"

    @property
    def encoder(self) -> EncoderCard:
        """What only an embedding network has.

        Raises
        ------
        ModelError
            If it is of another kind.
        """
        if self.encoder_card is None:
            raise ModelError(f"model {self.label} is a {self.kind}, which has no encoder: name one of kind embedding")
        return self.encoder_card

    @property
    def is_measured(self) -> bool:
        """Whether a background belongs to it; one that lies there unnamed is not nothing, but a mistake."""
        return BACKGROUND in self.digests or (self.folder / BACKGROUND).exists()

    def read(self, file: str) -> bytes:
        """Return a file's content.

        Raises
        ------
        ModelError
            If the card does not speak of it, it is missing, or it is not the one that the card speaks of.
        """
        if file not in self.digests:
            remedy = f"measure it: tocsin evaluate background --measure {self.folder}/" if file == BACKGROUND else ""
            raise ModelError(f"model {self.label} has no {file} in its card: {remedy or 'export the model anew'}")
        return _verified(self.folder, file, self.digests[file])


def model_names() -> list[str]:
    """Return the names of the models that ship with Tocsin."""
    return sorted(p.parent.name for p in _SHIPPED.glob(f"*/{CARD}"))


def open_model(name: str, *, to_be_measured: bool = False) -> ModelCard:
    """Find a model by shipped name or by folder, verify its files, and return its card.

    Parameters
    ----------
    name : str
    to_be_measured : bool
        Its background is about to be measured: what there is of one is not looked at.

    Raises
    ------
    ModelError
        If it is not there, incomplete, or a file is not the one that the card speaks of.
    """
    folder = Path(name) if "/" in name else _SHIPPED / name
    path = folder / CARD
    if not path.is_file():
        raise ModelError(f"no model {name!r}: shipped are {model_names()}; a folder needs a slash in its name")
    try:
        card = tomllib.loads(path.read_text())
        kind = _kind(card)
        digests = {str(file): str(value) for file, value in card["sha256"].items()}
        for file in {*_NETWORK[kind], *digests} - ({BACKGROUND} if to_be_measured else set()):
            _verified(folder, file, digests[file])
        encoder = EncoderCard(**{f: card[f] for f in EncoderCard.__slots__}) if kind == "embedding" else None
        return ModelCard(card["name"], card["version"], kind, folder, digests, card, encoder)
    except (KeyError, AttributeError, ValueError) as error:
        raise ModelError(f"{path} is not a complete model card ({error}): export the model anew") from error


def _kind(card: Mapping[str, Any]) -> Kind:
    """Return a card's kind; one that says nothing is of the time when there was one."""
    kind = card.get("kind", "embedding")
    for known in _NETWORK:
        if kind == known:
            return known
    raise ValueError(f"kind {kind!r}; known are {', '.join(_NETWORK)}")


def digest(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record_hash(folder: Path, file: str) -> None:
    """Set a file's SHA-256 in the card of its folder; everything else stays as it is written.

    Who makes a file of a model calls this. A folder without a card has nothing to be set.
    """
    path = folder / CARD
    if not path.is_file():
        return
    line = f'"{file}" = "{digest(folder / file)}"'
    text, known = re.subn(rf'^"{re.escape(file)}" = .*$', line, path.read_text(), flags=re.MULTILINE)
    if not known:
        text = re.sub(r"^\[sha256\]\n", f"[sha256]\n{line}\n", text, count=1, flags=re.MULTILINE)
    temporary = path.with_suffix(".part")
    temporary.write_text(text)
    temporary.replace(path)


def _verified(folder: Path, file: str, expected: str) -> bytes:
    path = folder / file
    if not path.is_file():
        raise ModelError(f"model file {path} is missing: reinstall, or {_again(folder, file)}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ModelError(
            f"model file {path} has SHA-256 {found[:12]}…, its card says {expected[:12]}…: do not use it; "
            f"reinstall, or {_again(folder, file)}"
        )
    return content


def _again(folder: Path, file: str) -> str:
    return (
        f"measure it anew: tocsin evaluate background --measure {folder}/" if file == BACKGROUND else "export it anew"
    )
