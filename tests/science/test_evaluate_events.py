"""Real events through the loop with the matched-filter network: loud where they were, and nothing else is."""

from __future__ import annotations

from pathlib import Path

from pipelines.evaluate.events import EVENTS, NOISE, candidates_of, loudest

MODEL = "carillon"


def test_gw150914_has_nearly_its_published_snr_and_nothing_else_is_loud(data_dir: Path) -> None:
    known = EVENTS[0]
    found = candidates_of(sorted((data_dir / "strain").glob(known.pattern)), MODEL)
    apart_s = [abs(c.gps_ns / 1e9 - known.gps_s) for c in found]
    event = loudest([c for c, s in zip(found, apart_s, strict=True) if s < 0.05])
    other = loudest([c for c, s in zip(found, apart_s, strict=True) if s > 1.0])
    assert event is not None
    assert set(event.snrs) == {"H1", "L1"}
    assert event.network_snr > 22.0
    assert event.statistic > 5.0
    assert other is None or other.statistic < 0.0


def test_quiet_noise_of_one_detector_is_silent(data_dir: Path) -> None:
    found = candidates_of(sorted((data_dir / "strain").glob(NOISE)), MODEL)
    heard = loudest(found)
    assert heard is None or heard.statistic < 0.0
