"""GWF frames: today's LIGO stream on Kafka, and archive files; read and written with lalframe.

The C library trusts its input, so damage is looked for before it sees it: a frame file of version 8 ends with the
POSIX ``cksum`` CRC of all that precedes (LIGO-T970130, FrEndOfFile.chkSumFile). A file cut short or altered in one bit
is refused here; one without checksum cannot be told from a damaged one, and is refused too. That is no help against
malice, which computes checksums: what comes on Kafka is read by :mod:`stream.codec.gwf_process`.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import lal
import lalframe
import lalframe.frread
import numpy as np

from stream.blocks import MAX_BLOCK_HOPS, check_strain_block
from stream.codec.channels import choose
from stream.codec.files import StrainFile, blocks, detector_in_name, make_strain_file
from stream.codec.quality import quality_of_state
from stream.errors import CodecError, StrainFileError
from stream.records import StrainBlock
from stream.timebase import HOPS_PER_S, NS_PER_S

_MIN_SIZE = 40 + 4
_BIT_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_CRC_CHUNK = 1 << 24


@dataclass(frozen=True, slots=True)
class GwfChannels:
    """Which channels to read; None takes the only one that ends in ``STRAIN``, and in ``DQMASK``."""

    strain: str | None = None
    state: str | None = None


def read_gwf_file(path: Path, channels: GwfChannels | None = None) -> StrainFile:
    """Read one detector's strain from a GWF file.

    Raises
    ------
    StrainFileError
        If the file is damaged, has no checksum, lacks the channel, or its frames are not contiguous.
    """
    return _read(path.read_bytes(), path, path, channels or GwfChannels())


def decode_gwf(
    payload: bytes, *, detector: str, channels: GwfChannels | None = None, folder: Path | None = None
) -> list[StrainBlock]:
    """Return the strain of a GWF message as blocks of at most 4 s.

    The library may crash on a frame whose checksum is right and whose content is not: a stranger's frames are decoded
    through :mod:`stream.codec.gwf_process`.

    Parameters
    ----------
    payload : bytes
    detector : str
    channels : GwfChannels, optional
    folder : Path, optional
        Where the library's file is put for as long as it is read.

    Raises
    ------
    CodecError
        If the frame is damaged, has no checksum, lacks the channel, is of another detector, or is off the hop grid.
    """
    label = Path("frame.gwf")
    try:
        with _temporary(payload, folder) as path:
            strain = _read(payload, path, label, channels or GwfChannels(), detector)
    except StrainFileError as error:
        raise CodecError(str(error)) from error
    if strain.detector != detector:
        raise CodecError(f"frame holds strain of {strain.detector}, not of {detector}: set strain.channels.{detector}")
    return [replace(block, sequence=0) for block in blocks(strain, MAX_BLOCK_HOPS)]  # frames carry no sequence


def encode_gwf(block: StrainBlock) -> bytes:
    """Return a block as a GWF frame of one strain channel and its ``DQMASK`` channel at 16 Hz."""
    check_strain_block(block)
    epoch = lal.LIGOTimeGPS(*divmod(block.gps_ns, NS_PER_S))
    series = lal.CreateREAL8TimeSeries(
        block.channel, epoch, 0.0, 1.0 / block.sample_rate_hz, lal.StrainUnit, len(block.samples)
    )
    series.data.data = block.samples.astype(np.float64)
    mask = lal.CreateINT4TimeSeries(
        f"{block.detector}:TOCSIN-DQMASK", epoch, 0.0, 1.0 / HOPS_PER_S, lal.DimensionlessUnit, len(block.dq_mask)
    )
    mask.data.data = block.dq_mask.astype(np.uint32).view(np.int32)
    frame = lalframe.FrameNew(epoch, block.duration_ns / NS_PER_S, "Tocsin", 0, 0, 0)
    lalframe.FrameAddREAL8TimeSeriesProcData(frame, series)
    lalframe.FrameAddINT4TimeSeriesProcData(frame, mask)
    with _temporary(b"") as path:
        lalframe.FrameWrite(frame, str(path))
        return path.read_bytes()


def check_frame(payload: bytes, name: str) -> None:
    """Refuse bytes that are not a whole, unaltered GWF file.

    Raises
    ------
    StrainFileError
        Naming what is wrong.
    """
    if payload[:5] != b"IGWD\0" or len(payload) < _MIN_SIZE:
        raise StrainFileError(f"{name}: {len(payload)} bytes that are no GWF frame (they do not start with IGWD)")
    if payload[5] < 8:
        raise StrainFileError(f"{name}: GWF of version {payload[5]}; rewrite it as version 8, or take its HDF5 twin")
    stated = int.from_bytes(payload[-4:], "little" if payload[12] == 0x34 else "big")
    if stated != posix_cksum(memoryview(payload)[:-4]):
        raise StrainFileError(f"{name}: damaged or without checksum ({len(payload)} bytes, CRC differs); get it again")


def posix_cksum(data: bytes | memoryview) -> int:
    """Return the CRC of POSIX ``cksum``: zlib's polynomial, bits in the other order, the length appended."""
    length = len(data)
    tail = length.to_bytes((length.bit_length() + 7) // 8, "little")
    crc = 0xFFFFFFFF  # zlib starts from the complement of what it is given: from zero
    for first in range(0, length, _CRC_CHUNK):
        crc = zlib.crc32(bytes(data[first : first + _CRC_CHUNK]).translate(_BIT_REVERSED), crc)
    crc = zlib.crc32(tail.translate(_BIT_REVERSED), crc)
    # Both complement the end result, so that only the order of the bits is left to undo.
    return int(f"{crc:032b}"[::-1], 2)


def _read(payload: bytes, path: Path, label: Path, channels: GwfChannels, detector: str = "") -> StrainFile:
    check_frame(payload, label.name)
    try:
        return _read_checked(path, label, channels, detector)
    except (
        RuntimeError, ValueError, TypeError, OSError, LookupError, ArithmeticError, MemoryError, AttributeError,
    ) as error:  # fmt: skip
        raise StrainFileError(f"{label.name}: lalframe cannot read it ({error}); get it again") from error


def _read_checked(path: Path, label: Path, channels: GwfChannels, detector: str) -> StrainFile:
    file = lalframe.FrameUFrFileOpen(str(path), "r")  # its table of contents lives no longer than it
    toc = lalframe.FrameUFrTOCRead(file)
    names = _channel_names(toc)
    strain_name = choose(names, channels.strain, "STRAIN", detector, failure=StrainFileError, where=f"{label.name}: ")
    if strain_name is None:
        of = f" of {detector}" if detector else ""
        raise StrainFileError(f"{label.name}: no channel{of} ends in STRAIN; name one of {', '.join(names)}")
    state_name = choose(
        names, channels.state, "DQMASK", detector or strain_name[:2], failure=StrainFileError, where=f"{label.name}: "
    )
    start_s, duration_s = _span(toc, label)
    stream = lalframe.FrStreamOpen("", str(path))
    strain = _series(stream, strain_name, start_s, duration_s)
    rate_hz = 1.0 / strain.deltaT
    dq = None
    if state_name is not None:
        state = _series(stream, state_name, start_s, duration_s)
        words = state.data.data.astype(np.int64).astype(np.uint32)
        dq = (1 / Fraction(state.deltaT), words if state_name.endswith("DQMASK") else quality_of_state(words))
    return make_strain_file(
        label,
        detector=detector_in_name(label, strain_name),
        channel=strain_name,
        start_s=start_s,
        rate_hz=rate_hz,
        samples=strain.data.data,
        dq=dq,
    )


def _series(stream: Any, channel: str, start_s: Fraction, duration_s: Fraction) -> Any:
    start = lal.LIGOTimeGPS(*divmod(int(start_s * NS_PER_S), NS_PER_S))
    lalframe.FrStreamSeek(stream, start)
    return lalframe.frread.read_channel_from_stream(stream, channel, start, float(duration_s))


def _span(toc: Any, label: Path) -> tuple[Fraction, Fraction]:
    """Return start and length of the frames, which must follow each other without a gap."""
    end = None
    for position in range(lalframe.FrameUFrTOCQueryNFrame(toc)):
        fraction, whole = lalframe.FrameUFrTOCQueryGTimeModf(toc, position)
        frame_start = Fraction(whole) + Fraction(fraction)
        if end is None:
            start = frame_start
        elif frame_start != end:
            raise StrainFileError(f"{label.name}: frames are not contiguous at GPS {float(end)}; read them one by one")
        end = frame_start + Fraction(lalframe.FrameUFrTOCQueryDt(toc, position))
    if end is None:
        raise StrainFileError(f"{label.name}: holds no frame; get it again")
    return start, end - start


def _channel_names(toc: Any) -> list[str]:
    kinds = ("Adc", "Proc", "Sim")
    return [
        getattr(lalframe, f"FrameUFrTOCQuery{kind}Name")(toc, index)
        for kind in kinds
        for index in range(getattr(lalframe, f"FrameUFrTOCQuery{kind}N")(toc))
    ]


@contextmanager
def _temporary(payload: bytes, folder: Path | None = None) -> Iterator[Path]:
    """Hold bytes in a named file, in memory where there is a place for that: lalframe wants a path."""
    memory = Path("/dev/shm")
    folder = folder or (memory if os.access(memory, os.W_OK) else None)
    with tempfile.NamedTemporaryFile(prefix="tocsin-", suffix=".gwf", dir=folder) as file:
        file.write(payload)
        file.flush()
        yield Path(file.name)
