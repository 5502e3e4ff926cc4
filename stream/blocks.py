"""What every block must obey, whatever bytes it came in: decoders and encoders refuse others, the aligner counts them.

A block starts on the hop grid, holds whole hops, 1/16 s to 4 s of them, at a rate that puts whole samples on the grid.
NaN is allowed in samples: it says that the site had none, and the aligner marks those hops invalid.
"""

from __future__ import annotations

import re
from dataclasses import replace

from stream.errors import SchemaError
from stream.records import StrainBlock, WitnessBlock
from stream.timebase import HOP_NS, HOPS_PER_S, samples_per_hop

MAX_BLOCK_HOPS = 4 * HOPS_PER_S
MAX_RATE_HZ = 65_536
MAX_CHANNEL_NAME = 256
MAX_GROUPS = 64
MAX_CHANNELS = 8192
_MAX_LONG = 2**63 - 1
_DETECTOR = re.compile(r"[A-Z][0-9]")


def check_strain_block(block: StrainBlock) -> None:
    """Refuse a block that no later stage could place on the grid.

    Raises
    ------
    SchemaError
        Naming the field, its value and what it should be.
    """
    what = f"strain block of {_shown(block.detector)}"
    _check_detector(block.detector)
    if len(block.channel) > MAX_CHANNEL_NAME:
        raise SchemaError(f"{what} has a channel name of {len(block.channel)} letters: at most {MAX_CHANNEL_NAME}")
    check_rate(block.sample_rate_hz, what)
    per_hop = samples_per_hop(block.sample_rate_hz)
    if block.samples.ndim != 1:
        raise SchemaError(f"{what} has samples of shape {block.samples.shape}: send one row")
    hops, rest = divmod(len(block.samples), per_hop)
    if rest:
        raise SchemaError(f"{what} has {len(block.samples)} samples, not a multiple of {per_hop}: send whole hops")
    check_span(block.gps_ns, hops, what)
    if len(block.dq_mask) != hops:
        raise SchemaError(f"{what} has {len(block.dq_mask)} data-quality words for {hops} hops: send one per 1/16 s")


def check_witness_block(block: WitnessBlock) -> None:
    """Refuse a witness block that no later stage could place on the grid.

    Raises
    ------
    SchemaError
        Naming the field, its value and what it should be.
    """
    what = f"witness block of {_shown(block.detector)}"
    _check_detector(block.detector)
    hops, rest = divmod(block.duration_ns, HOP_NS)
    if rest:
        raise SchemaError(f"{what} lasts {block.duration_ns} ns, not a multiple of {HOP_NS}: send whole hops of 1/16 s")
    check_span(block.gps_ns, hops, what)
    n_channels = sum(len(group.channels) for group in block.groups)
    if len(block.groups) > MAX_GROUPS or n_channels > MAX_CHANNELS:
        raise SchemaError(
            f"{what} has {n_channels} channels in {len(block.groups)} groups: at most {MAX_CHANNELS} in {MAX_GROUPS}"
        )
    for group in block.groups:
        check_rate(group.sample_rate_hz, what)
        expected = witness_shape(group.sample_rate_hz, len(group.channels), block.duration_ns)
        if group.samples.shape != expected:
            raise SchemaError(f"{what} has a {group.samples.shape} table at {group.sample_rate_hz} Hz: send {expected}")


def is_sound(block: StrainBlock | WitnessBlock) -> bool:
    """Whether a block obeys the rules: for who counts what does not, and goes on."""
    try:
        if isinstance(block, StrainBlock):
            check_strain_block(block)
        else:
            check_witness_block(block)
    except SchemaError:
        return False
    return True


def witness_shape(rate_hz: int, n_channels: int, duration_ns: int) -> tuple[int, int]:
    """Return the shape, channels by samples, of a witness group's table over whole hops."""
    return n_channels, samples_per_hop(rate_hz) * (duration_ns // HOP_NS)


def check_rate(rate_hz: int, what: str) -> None:
    """Refuse a rate that is not a multiple of 16 Hz up to 65536 Hz."""
    if not 0 < rate_hz <= MAX_RATE_HZ or rate_hz % HOPS_PER_S:
        raise SchemaError(
            f"{what} has a sample rate of {rate_hz} Hz: resample it to 4096 or 16384 Hz (multiples of {HOPS_PER_S} "
            f"up to {MAX_RATE_HZ} are read)"
        )


def check_span(gps_ns: int, hops: int, what: str) -> None:
    """Refuse a start off the hop grid or a length outside 1/16 s to 4 s."""
    if gps_ns % HOP_NS or not 0 <= gps_ns <= _MAX_LONG - MAX_BLOCK_HOPS * HOP_NS:
        raise SchemaError(f"{what} starts at GPS {gps_ns} ns, off the grid: start it on a multiple of {HOP_NS} ns")
    if not 1 <= hops <= MAX_BLOCK_HOPS:
        raise SchemaError(f"{what} holds {hops} hops of 1/16 s: send 1 to {MAX_BLOCK_HOPS} (4 s)")


def split(block: StrainBlock, max_hops: int = MAX_BLOCK_HOPS) -> list[StrainBlock]:
    """Cut a block of whole hops into blocks of at most ``max_hops``; all keep its ``sequence`` and ``sent_ns``."""
    hops = len(block.dq_mask)
    if hops <= max_hops:
        return [block]
    per_hop = samples_per_hop(block.sample_rate_hz)
    return [
        replace(
            block,
            gps_ns=block.gps_ns + first * HOP_NS,
            samples=block.samples[first * per_hop : (first + max_hops) * per_hop],
            dq_mask=block.dq_mask[first : first + max_hops],
        )
        for first in range(0, hops, max_hops)
    ]


def _check_detector(name: str) -> None:
    if not _DETECTOR.fullmatch(name):
        raise SchemaError(f"detector {_shown(name)} is none: send a letter and a digit, as in H1, L1, V1, K1")


def _shown(text: str) -> str:
    """Quote foreign text, shortened, so that a message stays readable whatever came."""
    return repr(text if len(text) <= 32 else text[:29] + "...")
