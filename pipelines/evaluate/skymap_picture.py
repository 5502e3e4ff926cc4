"""Calibration of sky maps as a picture: how often the truth lies within the region of each probability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipelines.evaluate.skymap_figures import KS_95, Rows, groups, levels


def pp_picture(rows: Rows, path: Path) -> None:
    """Draw the P-P curves of each group: ours with the factor as set and with 1, and the peer's."""
    chosen = {name: group for name, group in groups(rows).items() if name != "all"}
    figure = Figure(figsize=(5.0 * len(chosen), 5.2), layout="constrained")
    for axes, (name, group) in zip(figure.subplots(1, len(chosen), squeeze=False)[0], chosen.items(), strict=True):
        band = KS_95 / np.sqrt(len(group))
        axes.fill_between([0, 1], [-band, 1 - band], [band, 1 + band], color="0.9", label="95 %")
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        with_peer = [r for r in group if r["peer"] is not None]
        curves = {"factor as set": levels(group, "ours"), "factor 1": levels(group, "factor_1")}
        if with_peer:
            curves["BAYESTAR"] = levels(with_peer, "peer")
        for label, found in curves.items():
            axes.step(np.append(found, 1.0), np.linspace(0, 1, len(found) + 1), where="post", label=label)
        axes.set(xlim=(0, 1), ylim=(0, 1), title=f"{name}: {len(group)}", xlabel="probability of the region")
        axes.set_aspect("equal")
    figure.axes[0].set_ylabel("share of truths inside")
    figure.axes[0].legend(loc="upper left")
    figure.savefig(path, dpi=120)
