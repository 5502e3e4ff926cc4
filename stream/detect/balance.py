"""What all detectors of a network have in common of their sensitivity, taken out of their triggers.

Stands between the glitch term and the ranking. The ranking counts a network that is half as sensitive as nominal for an
eighth of the volume: noise then ranks lower, and a background of other days no longer fits. What one detector is better
than another is kept, which is what a coincidence is judged by; what they share is left out, so that one background
serves quiet days and loud ones. It costs what a signal of a good hour should count more than one of a bad hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stream.records import Triggers


def balanced(triggers: Sequence[Triggers]) -> list[Triggers]:
    """Return the triggers of one stretch with sensitivities over the root mean square of those that are heard.

    Parameters
    ----------
    triggers : sequence of Triggers
        One per detector, all over the same hops; each hop counts by itself.
    """
    heard = np.stack([t.valid for t in triggers])
    relative = np.where(heard, np.stack([t.relative for t in triggers]), 0.0).astype(np.float64)
    common = np.sqrt(np.sum(relative**2, axis=0) / np.maximum(heard.sum(axis=0), 1))
    common[common == 0.0] = 1.0
    return [replace(t, relative=(t.relative / common).astype(np.float32)) for t in triggers]
