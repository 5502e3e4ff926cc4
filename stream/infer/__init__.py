"""Infer: the encoder network on whitened strain, one call for all detectors.

Stands between ``condition`` and ``detect``. Models are package data under ``stream/infer/models/<name>/``.
"""

from stream.infer.encoder import EncoderStage
from stream.infer.model import ModelCard, model_names, open_model, record_hash

__all__ = ["EncoderStage", "ModelCard", "model_names", "open_model", "record_hash"]
