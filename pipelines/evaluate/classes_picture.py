"""Reliability of what was told of binaries, as a picture: how often it was so, by the probability that was told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipelines.evaluate.classes_figures import PROPERTIES
from pipelines.evaluate.classes_population import CLASSES

_CURVES = (
    ("given", "reliability", "template given"),
    ("given", "reliability_as_heard", "the same, as often as heard"),
    ("searched", "reliability", "searched"),
)


def reliability_picture(report: dict[str, Any], path: Path) -> None:
    """Draw the reliability of each class and property of a signal, with 68 % errors.

    Of what the search found properties alone are drawn: its classes share p_astro, which an hour of noise does not try.

    Parameters
    ----------
    report : dict
        As :func:`pipelines.evaluate.classes.figures` makes it.
    path : Path
    """
    figure = Figure(figsize=(15, 9), layout="constrained")
    for panel, name in zip(figure.subplots(2, 3).ravel(), (*CLASSES, *PROPERTIES), strict=True):
        panel.plot([0, 1], [0, 1], color="0.8")
        for how, key, label in _CURVES:
            row = report[how]["probabilities"][name]
            if row["brier"] is None or (how == "searched" and name in CLASSES):
                continue
            points = [(r["told"], r["true"], r["error"]) for r in row[key]]
            score = row["brier_as_heard" if key.endswith("heard") else "brier"]
            told, true, error = zip(*points, strict=True)
            panel.errorbar(
                told, true, error, marker="o", capsize=3, label=f"{label}: {row['count']}, Brier {score:.3f}"
            )
        panel.set(title=name, xlabel="told", ylabel="true", xlim=(-0.02, 1.02), ylim=(-0.05, 1.05))
        panel.legend(fontsize="small")
    figure.savefig(path, dpi=110)
