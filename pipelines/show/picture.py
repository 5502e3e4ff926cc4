"""A picture of an event: whitened strain, Q-scan and ranking statistic around it."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.show.evidence import Evidence
from pipelines.show.panels import AFTER_S, BEFORE_S, qscan_panel, statistic_panel, strain_panel
from pipelines.show.theme import LIGHT
from stream.records import Candidate
from stream.timebase import NS_PER_S, gps_ns_to_iso


def draw(evidence: Evidence, candidate: Candidate, title: str, path: Path) -> None:
    """Write the picture of a candidate (PNG)."""
    heard = [segment for segment in evidence.strain if segment.detector in candidate.peak.detectors]
    with mpl.rc_context(LIGHT.figure()):
        figure = Figure(figsize=(10, 2.4 * (len(heard) * 2 + 1)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2 * len(heard) + 1, 1, sharex=True, squeeze=False)[:, 0]
        for k, segment in enumerate(heard):
            strain_panel(axes[2 * k], segment, candidate.gps_ns, LIGHT)
            mesh = qscan_panel(axes[2 * k + 1], segment, candidate.gps_ns, LIGHT)
            figure.colorbar(mesh, ax=axes[2 * k + 1], label="normalised energy")
            axes[2 * k].set_title(segment.detector)
        statistic_panel(axes[-1], evidence, LIGHT, before_s=BEFORE_S + 1, after_s=AFTER_S + 1)
        confirmed_s = (candidate.peak.confirmed_ns - candidate.gps_ns) / NS_PER_S
        axes[-1].axvline(confirmed_s, color=LIGHT.dim, ls=":", label="peak confirmed")
        axes[-1].legend(loc="upper left", handlelength=2.0)
        axes[-1].set_xlim(-BEFORE_S, AFTER_S)
        axes[-1].set_xlabel(f"time from {gps_ns_to_iso(candidate.gps_ns)} (GPS {candidate.gps_ns / NS_PER_S:.3f}) [s]")
        figure.suptitle(title)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
