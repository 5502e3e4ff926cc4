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
    """After twenty minutes nothing is added; what a block of slides takes while it is ranked is given back.

    So the lowest readings tell: what leaks raises these too, and a block that is at work does not. Over four hours they
    are 366 to 416 MB, 679 once.
    """
    child = Path(__file__).parent / "memory_child.py"
    done = subprocess.run([sys.executable, str(child)], capture_output=True, text=True, check=True, timeout=900)
    result = json.loads(done.stdout.splitlines()[-1])
    settled = result["resident_mb"][4:]
    assert len(settled) == 9
    assert max(settled) < 1500
    assert min(settled[-4:]) - min(settled[:4]) < 120, result
    assert result["live_background_s"] > 3600 * 10
