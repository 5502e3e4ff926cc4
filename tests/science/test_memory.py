"""A daemon runs for months: its memory does not grow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_is_flat_over_an_hour_and_below_a_gigabyte_and_a_half() -> None:
    """After twenty minutes nothing is added but the largest block of slides yet, whose loud glitches cost the most."""
    child = Path(__file__).parent / "memory_child.py"
    done = subprocess.run([sys.executable, str(child)], capture_output=True, text=True, check=True, timeout=900)
    result = json.loads(done.stdout.splitlines()[-1])
    settled = result["resident_mb"][4:]
    assert len(settled) == 9
    assert max(settled) < 1500
    assert settled[-1] - settled[0] < 80, result
    assert result["live_background_s"] > 3600 * 10
