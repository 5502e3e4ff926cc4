"""Joint false-alarm rates of unrelated events as a picture: how many came, over how many were expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def plot_chance(report: dict[str, Any], path: Path) -> None:
    """Draw, for each kind of search, what coincided beside what was expected, from the times and with the sky."""
    searches = report["searches"]
    columns = min(4, len(searches))
    rows = -(-len(searches) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.2 * rows), layout="constrained")
    for axes, found in zip(figure.subplots(rows, columns, squeeze=False).ravel(), searches, strict=False):
        _curve(axes, found["time"], "times alone", "C0")
        if found["sky"] is not None:
            _curve(axes, found["sky"]["joint"], "with the sky", "C1")
        axes.set(xscale="log", yscale="log", title=f"{found['kind']}: {found['years']:,.0f} years")
        axes.set_xlabel("joint FAR in Hz")
    figure.axes[0].set_ylabel("coincidences of this FAR or less")
    figure.axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=120)


def _curve(axes: Axes, rows: list[dict[str, Any]], label: str, color: str) -> None:
    far_hz, expected, observed = (np.array([row[name] for row in rows]) for name in ("far_hz", "expected", "observed"))
    low, high = np.array([row["bounds95"] for row in rows]).T
    axes.fill_between(far_hz, np.maximum(low, 0.3), np.maximum(high, 0.3), color=color, alpha=0.2)
    axes.plot(far_hz, expected, color=color, linewidth=0.8)
    axes.plot(far_hz, np.maximum(observed, 0.3), "o", color=color, markersize=3, label=label)
