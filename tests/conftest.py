"""Fixtures of all tests, and how hypothesis runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine, and no deadline: a slow machine is not a failure.
settings.register_profile("ci", deadline=None, derandomize=True)
# To hunt for new failures: HYPOTHESIS_PROFILE=explore pytest tests/property
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real strain, alerts and spectra; the test is skipped where there is none."""
    stated = os.environ.get("TOCSIN_TEST_DATA")
    if not stated:
        pytest.skip("TOCSIN_TEST_DATA is not set: it names the folder of real data")
    folder = Path(stated)
    if not folder.is_dir():
        pytest.fail(f"TOCSIN_TEST_DATA is {folder}, which is no folder: correct or unset it")
    return folder
