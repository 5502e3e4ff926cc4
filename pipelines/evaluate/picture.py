"""The report of a sensitivity as a picture: fraction of the limit by false-alarm rate, efficiency by what there was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.evaluate.figures import BY
from pipelines.evaluate.searched import FARS_HZ

_TITLES = {"chirp_mass_msun": "chirp mass / Msun", "mass_ratio": "mass ratio m2/m1", "chi_eff": "chi_eff"}
_LOUDEST_SHOWN = 20.0


def sensitivity_picture(report: dict[str, Any], limit: str, path: Path) -> None:
    """Draw a report; the curves at the rarest rate that any search but the limit has an answer for.

    Parameters
    ----------
    report : dict
        As :func:`pipelines.evaluate.sensitivity.evaluate` keeps it.
    limit : str
        Name of the search that fractions are of.
    path : Path
    """
    details = report["details"]
    others = [name for name in details if name != limit] or [limit]
    known = [far for far in FARS_HZ if any(details[name][far] for name in others)]
    figure = Figure(figsize=(16, 8), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    _fractions(axes[0], report["summary"])
    if known:
        for name in details:
            if details[name][known[-1]] is not None:
                _curves(list(axes[1:]), name, details[name][known[-1]])
        axes[1].set(xlabel="network SNR", ylabel=f"efficiency at {known[-1]}")
        for panel, key in zip(axes[2:], BY, strict=False):
            panel.set(xlabel=_TITLES[key], ylabel=f"fraction of the limit at {known[-1]}")
        axes[1].legend()
    axes[5].set_axis_off()
    figure.savefig(path, dpi=120)


def _fractions(axes: Axes, summary: dict[str, Any]) -> None:
    for name, row in summary.items():
        points = [(far, value, row["error"][far] or 0.0) for far, value in row["fraction_of_limit"].items() if value]
        if points:
            fars, values, errors = zip(*points, strict=True)
            axes.errorbar(fars, values, errors, marker="o", capsize=3, label=name)
    axes.set(xlabel="false-alarm rate", ylabel="distance, fraction of the known-template limit")
    axes.legend()


def _curves(axes: list[Axes], name: str, detail: dict[str, Any]) -> None:
    rows = [row for row in detail["by_snr"] if row["snr"] <= _LOUDEST_SHOWN]
    axes[0].plot([row["snr"] for row in rows], [row["efficiency"] for row in rows], marker="o", label=name)
    for panel, key in zip(axes[1:], BY, strict=False):
        found = [row for row in detail[f"by_{key}"] if row["fraction_of_limit"] is not None]
        values, errors = [row["fraction_of_limit"] for row in found], [row["error"] or 0.0 for row in found]
        panel.errorbar([row["middle"] for row in found], values, errors, marker="o", capsize=3, label=name)
