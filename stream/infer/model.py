"""Models on disk: a folder with ``encoder.onnx``, ``head.onnx``, ``background.json`` and ``card.toml``.

The card says what goes in and comes out, what the network was trained on, and the SHA-256 of every file that is used;
they are compared whenever a model is opened, and again when its background is read.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stream.errors import ModelError

BACKGROUND = "background.json"
_NETWORK = ("encoder.onnx", "head.onnx")
_SHIPPED = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the pipeline must know of a model.

    Attributes
    ----------
    folder : Path
        Where its files are.
    context_samples : int
        Input samples that the encoder needs before the first frame's own.
    head_context_frames : int
        Earlier frames that the head needs to rank one.
    delay_frames : int
        Frames from the one that holds the merger to the one that peaks.
    digests : mapping of str to str
        SHA-256 of each file, in hexadecimal.
    """

    name: str
    version: str
    folder: Path
    input_rate_hz: int
    frame_rate_hz: int
    context_samples: int
    embedding: int
    head_context_frames: int
    delay_frames: int
    digests: Mapping[str, str]

    @property
    def label(self) -> str:
        """Name and version, as alerts carry it."""
        return f"{self.name}-{self.version}"

    @property
    def network(self) -> dict[str, str]:
        """SHA-256 of the files that make the statistic: a background belongs to these and no others."""
        return {file: self.digests[file] for file in _NETWORK}

    @property
    def identity(self) -> str:
        """Name, version and hash of the network: what was learned of another one is not taken up."""
        digest = hashlib.sha256("".join(self.network.values()).encode()).hexdigest()
        return f"{self.label}-{digest[:16]}"

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
    return sorted(p.parent.name for p in _SHIPPED.glob("*/card.toml"))


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
    path = folder / "card.toml"
    if not path.is_file():
        raise ModelError(f"no model {name!r}: shipped are {model_names()}; a folder needs a slash in its name")
    try:
        card = tomllib.loads(path.read_text())
        digests = {str(file): str(digest) for file, digest in card["sha256"].items()}
        for file in {*_NETWORK, *digests} - ({BACKGROUND} if to_be_measured else set()):
            _verified(folder, file, digests[file])
        return ModelCard(
            name=card["name"],
            version=card["version"],
            folder=folder,
            input_rate_hz=card["input_rate_hz"],
            frame_rate_hz=card["frame_rate_hz"],
            context_samples=card["context_samples"],
            embedding=card["embedding"],
            head_context_frames=card["head_context_frames"],
            delay_frames=card["delay_frames"],
            digests=digests,
        )
    except (KeyError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path} is not a complete model card ({error}): export the model anew") from error


def _verified(folder: Path, file: str, digest: str) -> bytes:
    path = folder / file
    if not path.is_file():
        raise ModelError(f"model file {path} is missing: reinstall, or {_again(folder, file)}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ModelError(
            f"model file {path} has SHA-256 {found[:12]}…, its card says {digest[:12]}…: do not use it; "
            f"reinstall, or {_again(folder, file)}"
        )
    return content


def _again(folder: Path, file: str) -> str:
    return (
        f"measure it anew: tocsin evaluate background --measure {folder}/" if file == BACKGROUND else "export it anew"
    )
