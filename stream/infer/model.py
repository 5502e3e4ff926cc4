"""Models on disk: a folder with ``encoder.onnx``, ``head.onnx``, ``background.json`` and ``card.toml``.

The card says what goes in and comes out, what the network was trained on, and the SHA-256 of each file; they are
compared whenever a model is opened.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from stream.errors import ModelError

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

    @property
    def label(self) -> str:
        """Name and version, as alerts carry it."""
        return f"{self.name}-{self.version}"

    @property
    def background_file(self) -> Path:
        """Statistics of the background that was measured with this model."""
        return self.folder / "background.json"


def model_names() -> list[str]:
    """Return the names of the models that ship with Tocsin."""
    return sorted(p.parent.name for p in _SHIPPED.glob("*/card.toml"))


def open_model(name: str) -> ModelCard:
    """Find a model by shipped name or by folder, verify its files, and return its card.

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
        _verify(folder, card["sha256"])
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
        )
    except (KeyError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path} is not a complete model card ({error}): export the model anew") from error


def _verify(folder: Path, digests: dict[str, str]) -> None:
    for file, digest in digests.items():
        path = folder / file
        if not path.is_file():
            raise ModelError(f"model file {path} is missing: reinstall, or export the model anew")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != digest:
            raise ModelError(
                f"model file {path} has SHA-256 {found[:12]}…, its card says {digest[:12]}…: do not use it"
            )
