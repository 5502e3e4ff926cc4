"""Loud mergers of any hour: they stand where both detectors hear them, though the Earth has turned."""

from __future__ import annotations

import lal

from stream.simulate.detector import Injection, SyntheticNetwork
from stream.simulate.waveforms import BinaryParameters
from stream.timebase import NS_PER_S


def overhead(merger_ns: int) -> BinaryParameters:
    """Return a merger of 36 and 29 solar masses high above North America, as the demo's is.

    One that stands still in the sky is in a null of H1 for an hour of each day: 6 of a network SNR of 25.
    """
    sidereal_rad = float(lal.GreenwichMeanSiderealTime(lal.LIGOTimeGPS(*divmod(merger_ns, NS_PER_S))))
    return BinaryParameters(36.0, 29.0, ra_rad=sidereal_rad - 1.7, dec_rad=0.7, geocent_ns=merger_ns)


def inject(network: SyntheticNetwork, *mergers_ns: int, network_snr: float = 30.0) -> SyntheticNetwork:
    """Let detectors hear a merger at each time; return them."""
    for merger_ns in mergers_ns:
        network.inject(Injection(overhead(merger_ns), network_snr=network_snr))
    return network


def is_of(found_ns: int, merger_ns: int) -> bool:
    """Whether what was found is this merger: the light takes up to 21 ms between a detector and the Earth's centre."""
    return abs(found_ns - merger_ns) < 50_000_000
