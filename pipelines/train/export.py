"""Export: torch to ONNX, checked for parity, with the model's card.

Two graphs, both with dynamic batch and length: ``encoder.onnx`` (strain -> embedding, single) and ``head.onnx``
(pairs of embeddings -> coincidence term), so that a time slide runs the second alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import tomli_w
import torch

from pipelines.train.loss import TARGET_DELAY_FRAMES
from pipelines.train.network import FRAME_RATE_HZ, INPUT_RATE_HZ, Detector
from stream.errors import ModelError
from stream.infer.model import digest

OPSET = 17
_PARITY = 1e-3


def export(network: Detector, out: Path, provenance: dict[str, dict[str, object]]) -> None:
    """Write ``encoder.onnx``, ``head.onnx`` and ``card.toml`` to a folder.

    Raises
    ------
    ModelError
        If ONNX Runtime and torch disagree by more than 1e-3 on random input.
    """
    network.eval()
    dim = network.config.embedding
    strain = torch.randn(2, 1, network.encoder.context_samples + 16 * 8)
    pair = (torch.randn(3, dim, 12), torch.randn(3, dim, 12))
    dynamic = {0: "n", 2: "samples"}
    torch.onnx.export(
        network.encoder, (strain,), str(out / "encoder.onnx"), opset_version=OPSET, dynamo=False,
        input_names=["strain"], output_names=["embedding", "single"],
        dynamic_axes={"strain": dynamic, "embedding": {0: "n", 2: "frames"}, "single": {0: "n", 1: "frames"}},
    )  # fmt: skip
    frames = {0: "n", 2: "frames"}
    torch.onnx.export(
        network.pair, pair, str(out / "head.onnx"), opset_version=OPSET, dynamo=False,
        input_names=["a", "b"], output_names=["coincidence"],
        dynamic_axes={"a": frames, "b": frames, "coincidence": {0: "n", 1: "ranked_frames"}},
    )  # fmt: skip
    parity = check_parity(network, out)
    (out / "card.toml").write_text(card(network, out, parity, provenance))


def check_parity(network: Detector, out: Path) -> float:
    """Return the largest difference between torch and ONNX Runtime on random input of several shapes."""
    encoder = ort.InferenceSession(out / "encoder.onnx", providers=["CPUExecutionProvider"])
    head = ort.InferenceSession(out / "head.onnx", providers=["CPUExecutionProvider"])
    worst = 0.0
    for n, n_frames, scale in ((1, 8, 1.0), (3, 40, 1.0), (2, 128, 30.0)):
        strain = torch.randn(n, 1, network.encoder.context_samples + 16 * n_frames) * scale
        with torch.no_grad():
            embedding, single = network.encoder(strain)
            coincidence = network.pair(embedding, embedding.flip(0))
        got_embedding, got_single = encoder.run(None, {"strain": strain.numpy()})
        got = head.run(None, {"a": embedding.numpy(), "b": embedding.flip(0).numpy()})[0]
        pairs = ((embedding, got_embedding), (single, got_single), (coincidence, got))
        worst = max(worst, *(float(np.abs(a.numpy() - b).max()) for a, b in pairs))
    if worst > _PARITY:
        raise ModelError(f"ONNX Runtime differs from torch by {worst:.2g} (limit {_PARITY}): do not ship this export")
    return worst


def card(network: Detector, out: Path, parity: float, provenance: dict[str, dict[str, object]]) -> str:
    """Return the model's card as TOML."""
    return tomli_w.dumps(
        {
            "name": out.name,
            "version": "1",
            "kind": "embedding",
            "task": "compact binary coalescence, black holes of 5 to 100 solar masses",
            "input_rate_hz": INPUT_RATE_HZ,
            "frame_rate_hz": FRAME_RATE_HZ,
            "context_samples": network.encoder.context_samples,
            "embedding": network.config.embedding,
            "head_context_frames": network.config.head_frames - 1,
            "delay_frames": TARGET_DELAY_FRAMES,
            "torch_parity": float(f"{parity:.3g}"),
            "sha256": {name: digest(out / name) for name in ("encoder.onnx", "head.onnx")},
            "network": network.config.as_dict(),
            **provenance,
        }
    )
