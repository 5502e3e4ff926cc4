"""Colours of pictures and pages: light for paper, dark for a dome at night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.colors import LinearSegmentedColormap


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours, as matplotlib and CSS know them; ``heat`` goes from no probability to the most."""

    background: str
    text: str
    dim: str
    grid: str
    sky: str
    line: str
    contour: str
    second: str
    heat: tuple[str, ...]

    def figure(self) -> Any:
        """Return matplotlib's settings for a figure of these colours; its titles are strangers', and no formulas."""
        return {
            "figure.facecolor": self.background, "savefig.facecolor": self.background, "axes.facecolor": self.sky,
            "axes.edgecolor": self.dim, "axes.labelcolor": self.text, "text.color": self.text, "font.size": 11,
            "xtick.color": self.dim, "ytick.color": self.dim, "legend.frameon": False, "axes.grid": False,
            "figure.constrained_layout.w_pad": 0.1, "figure.constrained_layout.h_pad": 0.1, "text.parse_math": False,
            "axes.spines.top": False, "axes.spines.right": False,
        }  # fmt: skip

    def colours(self) -> LinearSegmentedColormap:
        """Return matplotlib's colours of ``heat``."""
        from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 - pages need the names alone

        return LinearSegmentedColormap.from_list("heat", self.heat)


LIGHT = Theme(
    background="#ffffff", text="#1b1f24", dim="#5b6470", grid="#c9d0d8", sky="#ffffff", line="#8c1d18",
    contour="#1b1f24", second="#1f5fa8", heat=("#ffffff", "#fde3c8", "#f7a35c", "#d9480f", "#7a1405"),
)  # fmt: skip
DARK = Theme(
    background="#10141a", text="#e8e4dc", dim="#9aa3ad", grid="#333c47", sky="#151b23", line="#ffb454",
    contour="#8fd0ff", second="#b8e986", heat=("#151b23", "#4a2338", "#a3384a", "#ee7b3a", "#ffe9a8"),
)  # fmt: skip
