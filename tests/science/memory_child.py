"""Search a simulated hour and print the resident memory, in MB, every five minutes of data: run by test_memory."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.offline.report import Report
from pipelines.search import compose, one_by_one, search
from stream.configuration import load_settings
from stream.records import Block
from stream.settings import with_detectors
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import NS_PER_S

START_NS = 1_400_000_000 * NS_PER_S
HOUR_S, EVERY_S = 3600, 300


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def main() -> None:
    settings = with_detectors(load_settings(), ("H1", "L1"))
    network = SyntheticNetwork(NetworkConfig(seed=9, witnesses=False, glitch_rate_hz=0.02))
    readings: list[float] = []

    def source() -> object:
        next_ns = START_NS
        for block in network.blocks(START_NS, START_NS + HOUR_S * NS_PER_S, 16):
            if block.gps_ns >= next_ns:
                readings.append(round(resident_mb(), 1))
                next_ns += EVERY_S * NS_PER_S
            yield block

    stages, report = compose(settings), Report(detectors=("H1", "L1"))
    blocks: list[Block] = source()  # type: ignore[assignment]
    search(one_by_one(blocks), stages, report)
    readings.append(round(resident_mb(), 1))
    live_s = sum(counts.duration_s for counts in stages.network.slides.counts.values())
    print(json.dumps({"resident_mb": readings, "candidates": len(report.candidates), "live_background_s": live_s}))


if __name__ == "__main__":
    main()
