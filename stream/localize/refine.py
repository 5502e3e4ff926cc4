"""The refined follow-up: BAYESTAR's map in place of ours, all else the same, for a later revision of the alert.

It runs where ours has been told already, in a process of lower priority: ten seconds of two processors.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream.infer import ModelCard
from stream.localize.bayestar import bayestar_map, ligo_skymap
from stream.localize.followup import FollowUp
from stream.records import SkyMap, SnrSeries
from stream.settings import LocalizeSettings, Settings


def refinement(settings: Settings, card: ModelCard) -> FollowUp:
    """Return who follows candidates up with BAYESTAR's map.

    Raises
    ------
    ConfigurationError
        If ligo.skymap is not installed.
    ModelError
        If the templates cannot be read.
    """
    ligo_skymap()
    return FollowUp(settings, card, _bayestar, "bayestar")


def _bayestar(series: Sequence[SnrSeries], settings: LocalizeSettings) -> SkyMap:
    return bayestar_map(series, settings.response_factor)
