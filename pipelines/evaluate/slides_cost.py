"""What time slides of a matched-filter network cost: ``python -m pipelines.evaluate.slides_cost --work DIR``.

The triggers are those of :mod:`pipelines.evaluate.trigger_background`, kept in its work folder (made where they are
missing), glitches in; stretches are repeated until there are so many hours. Slid is above what comes as often as alerts
do. Prints the time of one process and its largest memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipelines.evaluate.trigger_background import TriggerMeasureConfig, TriggerMeasurement
from stream.detect.balance import balanced
from stream.infer import open_model
from stream.records import Triggers
from stream.significance.trigger_slides import SlideConfig, slide_triggers
from stream.timebase import HOPS_PER_S, NS_PER_S

_ALERTS_HZ = 2 / 86_400
_TRIAL_SLIDES = 20
_YEAR_S = 31_557_600.0


def repeated(own: Triggers, hops: int) -> Triggers:
    """Return a stretch again and again until it is so long."""
    times = -(-hops // len(own.valid))
    parts = [
        replace(own, gps_ns=own.gps_ns + k * own.duration_ns, time_ns=own.time_ns + k * own.duration_ns)
        for k in range(times)
    ]
    return Triggers.joined(parts).cut(0, hops)


def cost(triggers: list[Triggers], measurement: TriggerMeasurement, slides: int) -> dict[str, float]:
    """Slide, and return what it took."""
    started, trial = (
        time.perf_counter(),
        slide_triggers(triggers, measurement.ranking, SlideConfig(-6.0, _TRIAL_SLIDES)),
    )
    at = int(_ALERTS_HZ * trial.live_ns / NS_PER_S)
    least = float(np.sort(trial.statistic)[::-1][min(at, len(trial.statistic) - 1)])
    trial_s, started, used = time.perf_counter() - started, time.perf_counter(), time.process_time()
    found = slide_triggers(triggers, measurement.ranking, SlideConfig(least, slides // 2))
    return {
        "hours": len(triggers[0].valid) / HOPS_PER_S / 3600,
        "triggers": sum(len(t.template) for t in triggers),
        "slides": slides,
        "live_years": round(found.live_ns / NS_PER_S / _YEAR_S, 3),
        "events": len(found.statistic),
        "least": round(least, 3),
        "trial_wall_s": round(trial_s, 1),
        "wall_s": round(time.perf_counter() - started, 1),
        "processor_s": round(time.process_time() - used, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="What time slides of a matched-filter network cost.")
    parser.add_argument("--work", type=Path, required=True, help="folder of triggers")
    parser.add_argument("--model", default="carillon")
    parser.add_argument("--stretches", type=int, default=20, help="how many of half an hour are different")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--slides", type=int, default=1000)
    arguments = parser.parse_args()
    config = TriggerMeasureConfig(stretches={"H1": arguments.stretches, "L1": arguments.stretches})
    measurement = TriggerMeasurement(open_model(arguments.model, to_be_measured=True), config, arguments.work)
    hops = round(arguments.hours * 3600) * HOPS_PER_S
    triggers = balanced([repeated(t, hops) for t in measurement.triggers().values()])
    print(json.dumps(cost(triggers, measurement, arguments.slides)))


if __name__ == "__main__":
    main()
