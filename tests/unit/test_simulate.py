"""Synthetic detectors: the same samples in any pieces, noise of the stated spectrum, injections of the stated SNR."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from pipelines.feeds.simulate import Simulation
from pipelines.show.bench import plan
from stream.errors import ConfigurationError
from stream.records import StrainBlock, WitnessBlock
from stream.simulate.detector import Gap, Injection, NetworkConfig, SyntheticNetwork
from stream.simulate.glitches import optimal_snr
from stream.simulate.psds import psd
from stream.simulate.waveforms import BinaryParameters, project
from stream.timebase import HOP_NS, NS_PER_S

START_NS = 1_400_000_000 * NS_PER_S
STOP_NS = START_NS + 6 * NS_PER_S


def joined(network: SyntheticNetwork, hops: int) -> dict[str, np.ndarray]:
    parts: dict[str, list[np.ndarray]] = {}
    for block in network.blocks(START_NS, STOP_NS, hops):
        if isinstance(block, StrainBlock):
            parts.setdefault(block.detector, []).append(block.samples)
        else:
            for group in block.groups:
                parts.setdefault(block.detector + " witness", []).append(group.samples)
    return {name: np.concatenate(p, axis=-1) for name, p in parts.items()}


def network() -> SyntheticNetwork:
    made = SyntheticNetwork(NetworkConfig(seed=3, glitch_rate_hz=0.3))
    binary = BinaryParameters(36.0, 29.0, ra_rad=1.0, dec_rad=0.7, geocent_ns=START_NS + 3 * NS_PER_S)
    made.inject(Injection(binary, network_snr=15.0))
    return made


@pytest.mark.parametrize("hops", [4, 16, 64])
def test_any_block_length_gives_the_same_samples(hops: int) -> None:
    expected, actual = joined(network(), 1), joined(network(), hops)
    assert expected.keys() == {"H1", "L1", "H1 witness", "L1 witness"}
    for name, samples in expected.items():
        np.testing.assert_allclose(actual[name], samples, rtol=0, atol=1e-9 * np.abs(samples).max())


def test_noise_has_the_stated_spectrum() -> None:
    made = SyntheticNetwork(NetworkConfig(seed=1, witnesses=False))
    strain = made.strain("H1", 1_400_000_000 * 4096, 256 * 4096)
    frequency, found = signal.welch(strain, 4096, nperseg=4 * 4096)
    band = (frequency > 25) & (frequency < 1500)
    ratio = found[band] / psd("aLIGO_O4").at(frequency[band])
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)


def test_detectors_and_seeds_are_independent() -> None:
    def cut(seed: int, detector: str) -> np.ndarray:
        return SyntheticNetwork(NetworkConfig(seed=seed, witnesses=False)).strain(detector, 0, 4096 * 8)

    assert abs(np.corrcoef(cut(1, "H1"), cut(1, "L1"))[0, 1]) < 0.3
    assert not np.array_equal(cut(1, "H1"), cut(2, "H1"))
    assert np.array_equal(cut(1, "H1"), cut(1, "H1"))


def test_an_injection_has_its_snr_and_arrives_when_light_would() -> None:
    quiet = SyntheticNetwork(NetworkConfig(seed=3, witnesses=False))
    loud = SyntheticNetwork(NetworkConfig(seed=3, witnesses=False))
    binary = BinaryParameters(36.0, 29.0, ra_rad=1.0, dec_rad=0.7, geocent_ns=START_NS + 3 * NS_PER_S)
    assert loud.inject(Injection(binary, network_snr=15.0)) == pytest.approx(15.0)
    snrs = []
    for detector in ("H1", "L1"):
        first, count = START_NS // HOP_NS * 256, 6 * 4096
        added = loud.strain(detector, first, count) - quiet.strain(detector, first, count)
        snrs.append(optimal_snr(added, psd("aLIGO_O4"), 4096))
    assert np.linalg.norm(snrs) == pytest.approx(15.0, rel=0.01)
    arrivals = project(binary, ("H1", "L1"), 4096)
    assert abs(arrivals["H1"].arrival_ns - arrivals["L1"].arrival_ns) <= 10_100_000
    assert abs(arrivals["H1"].arrival_ns - binary.geocent_ns) <= 21_300_000


def test_a_gap_is_not_sent() -> None:
    gap = Gap("L1", START_NS + NS_PER_S, START_NS + 2 * NS_PER_S)
    made = SyntheticNetwork(NetworkConfig(gaps=(gap,)))
    sent = [(b.detector, b.gps_ns) for b in made.blocks(START_NS, STOP_NS, 1) if isinstance(b, StrainBlock)]
    missing = {("L1", START_NS + NS_PER_S + k * HOP_NS) for k in range(16)}
    assert len(sent) == 2 * 96 - 16
    assert missing.isdisjoint(sent)


def test_a_simulation_injects_in_time_and_refuses_what_it_does_not_know() -> None:
    blocks = list(Simulation(inject="bbh", every_s=3, duration_s=6).source(("H1", "L1"), START_NS))
    assert sum(isinstance(b, StrainBlock) for b in blocks) == 2 * 96
    assert sum(isinstance(b, WitnessBlock) for b in blocks) == 2 * 96
    with pytest.raises(ConfigurationError, match="only bbh"):
        Simulation(inject="bns").source(("H1",), START_NS)
    with pytest.raises(ConfigurationError, match="block length"):
        Simulation(block_s=0.1).source(("H1",), START_NS)


def test_planned_injections_are_apart_and_repeat_with_their_seed() -> None:
    once, again = plan(11, START_NS, 50, 4.0), plan(11, START_NS, 50, 4.0)
    times = np.array([i.parameters.geocent_ns for i in once])
    assert np.diff(times).min() > 2 * NS_PER_S
    assert once == again
    assert {i.parameters.geocent_ns % HOP_NS for i in once} != {0}
