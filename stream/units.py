"""The unit of strain within the stages."""

from __future__ import annotations

STRAIN_SCALE = 1e21
"""Strain is of order 1e-21: times this, it is far from the denormals that make recursive filters slow."""
