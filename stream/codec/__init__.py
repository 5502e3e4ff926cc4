"""Bytes to records and back: Avro, GWF frames, Arrow batches, and archive files.

:func:`strain_codec` gives the decoder that the configuration names; all of them return blocks that obey the same rules
(:mod:`stream.blocks`) and raise only :class:`~stream.errors.DataError` on bytes that they cannot use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stream.codec.avro import decode_strain
from stream.errors import CodecError
from stream.records import StrainBlock
from stream.settings import StrainSettings

if TYPE_CHECKING:
    from stream.codec.registry import SchemaRegistry

__all__ = ["StrainCodec", "strain_codec"]


class StrainCodec(Protocol):
    """Decoder of a strain topic's messages."""

    def decode(self, payload: bytes, *, detector: str) -> list[StrainBlock]:
        """Return the strain of one message, oldest first, in blocks of at most 4 s.

        Raises
        ------
        CodecError, SchemaError
            If the bytes cannot be used, or are of another detector.
        """
        ...


class AvroStrainCodec:
    """Avro single objects, with Schema Registry framing where a registry is given."""

    def __init__(self, registry: SchemaRegistry | None = None) -> None:
        self._registry = registry

    def decode(self, payload: bytes, *, detector: str) -> list[StrainBlock]:
        """Return the block of one message."""
        if self._registry is not None:
            payload = self._registry.unframe("strain", payload)
        block = decode_strain(payload)
        if block.detector != detector:
            raise CodecError(f"block of {block.detector} on the topic of {detector}: correct the producer's topic")
        return [block]


class GwfStrainCodec:
    """GWF frames, one or more seconds each, read in a process of their own."""

    def __init__(self, settings: StrainSettings) -> None:
        self._settings = settings

    def decode(self, payload: bytes, *, detector: str) -> list[StrainBlock]:
        """Return the blocks of one message."""
        from stream.codec.gwf_process import shared_process  # noqa: PLC0415 - only where it is used

        settings = self._settings
        strain, state = settings.channels.get(detector), settings.state_channels.get(detector)
        return shared_process().decode(payload, detector=detector, strain=strain, state=state)


class ArrowStrainCodec:
    """Arrow IPC streams, as Arrakis sends them."""

    def __init__(self, settings: StrainSettings) -> None:
        self._settings = settings

    def decode(self, payload: bytes, *, detector: str) -> list[StrainBlock]:
        """Return the blocks of one message."""
        from stream.codec.arrow import ArrowChannels, decode_arrow  # noqa: PLC0415 - only where it is used

        channels = ArrowChannels(self._settings.channels.get(detector), self._settings.state_channels.get(detector))
        return decode_arrow(payload, detector=detector, channels=channels)


def strain_codec(settings: StrainSettings, registry: SchemaRegistry | None = None) -> StrainCodec:
    """Return the decoder of ``settings.codec``; a registry serves Avro alone."""
    if settings.codec == "gwf":
        return GwfStrainCodec(settings)
    if settings.codec == "arrow":
        return ArrowStrainCodec(settings)
    return AvroStrainCodec(registry)
