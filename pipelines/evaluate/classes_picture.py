"""Reliability of what was told of binaries, as a picture: how often it was so, by the probability that was told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_CURVES = (
    ("given", "reliability", "template given"),
    ("given", "reliability_as_heard", "the same, as often as heard"),
    ("searched", "reliability", "searched"),
)


def reliability_picture(report: dict[str, Any], path: Path) -> None:
    """Draw the reliability of each class and property, with 68 % errors.

    Parameters
    ----------
    report : dict
        As :func:`pipelines.evaluate.classes.figures` makes it.
    path : Path
    """
    figure = Figure(figsize=(16, 8), layout="constrained")
    for panel, name in zip(figure.subplots(2, 4).ravel(), report["given"]["probabilities"], strict=False):
        panel.plot([0, 1], [0, 1], color="0.8")
        for how, key, label in _CURVES:
            row = report[how]["probabilities"][name]
            if row["brier"] is None:
                continue
            points = [(r["told"], r["true"], r["error"]) for r in row[key]]
            score = row["brier_as_heard" if key.endswith("heard") else "brier"]
            told, true, error = zip(*points, strict=True)
            panel.errorbar(
                told, true, error, marker="o", capsize=3, label=f"{label}: {row['count']}, Brier {score:.3f}"
            )
        panel.set(title=name, xlabel="told", ylabel="true", xlim=(-0.02, 1.02), ylim=(-0.05, 1.05))
        panel.legend(fontsize="small")
    figure.axes[-1].set_axis_off()
    figure.savefig(path, dpi=110)
