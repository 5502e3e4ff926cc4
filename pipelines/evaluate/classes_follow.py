"""The follow-up that ``tocsin evaluate classes`` measures: the live one, and one that is given a template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipelines.follow import in_line
from stream.classify import classify
from stream.errors import DataError
from stream.infer import open_model
from stream.infer.filterbank.bank import Bank
from stream.infer.filterbank.waveforms import chirp_mass_msun
from stream.localize.matched_filter import MatchedFilter
from stream.localize.skymap import localize
from stream.records import Localized, Snapshot
from stream.settings import Settings
from stream.simulate.waveforms import BinaryParameters
from stream.superevent import not_found

_SEED, _NEAR = 20, 40
_MCHIRP, _ASYMMETRY, _SPIN = 3e-4, 0.1, 0.1
"""Templates stand about a binary so far: its chirp mass (of 1.2 Msun; more of a heavier one), mass ratio, spins."""


def near(parameters: BinaryParameters, rng: np.random.Generator) -> Bank:
    """Return templates about a binary, as a bank that covers its masses would have them."""
    m1, m2 = parameters.mass1_msun, parameters.mass2_msun
    mchirp = parameters.chirp_mass_msun
    step = _MCHIRP * (mchirp / 1.2) ** (5 / 3)
    asymmetry = np.clip(np.abs((m1 - m2) / (m1 + m2) + _ASYMMETRY * rng.standard_normal(_NEAR)), 0.0, 0.88)
    total = mchirp * np.exp(np.minimum(step, 0.1) * rng.standard_normal(_NEAR)) * (0.25 * (1.0 - asymmetry**2)) ** -0.6
    spins = [
        np.clip(s + _SPIN * rng.standard_normal(_NEAR), -0.95, 0.95) for s in (parameters.spin1[2], parameters.spin2[2])
    ]
    rows = np.column_stack((total * (1.0 + asymmetry) / 2.0, total * (1.0 - asymmetry) / 2.0, *spins))
    rows = rows[np.argsort(chirp_mass_msun(rows))]
    return Bank(rows, np.zeros(_NEAR), np.ones(_NEAR))


@dataclass(frozen=True, slots=True)
class LiveFollower:
    """See :class:`pipelines.evaluate.classes_scene.Follower`."""

    settings: Settings
    live: Callable[[Snapshot], Localized]

    def searched(self, snapshot: Snapshot) -> Localized:
        """Follow what the search found."""
        return self.live(snapshot)

    def given(self, snapshot: Snapshot, parameters: BinaryParameters) -> Localized:
        """Follow a binary as if a bank that holds its template had found it."""
        rng = np.random.default_rng([_SEED, snapshot.candidate.gps_ns])
        candidate, matched = snapshot.candidate, MatchedFilter(near(parameters, rng), own=False)
        try:
            filtered = matched.filter(snapshot)
            skymap = localize(filtered.series, self.settings.localize)
        except DataError as error:
            return not_found(candidate, str(error))
        assert skymap.distmean_mpc is not None and skymap.diststd_mpc is not None, "our maps have a distance"
        distance = float(skymap.distmean_mpc), float(skymap.diststd_mpc)
        masses = filtered.masses
        return Localized(
            candidate,
            distance_mpc=distance[0],
            distance_std_mpc=distance[1],
            mchirp_msun=masses.mchirp_msun,
            mchirp_std_msun=masses.mchirp_std_msun,
            source=classify(masses, candidate.p_astro, candidate.p_astro_reason, distance),
        )


def follower(settings: Settings) -> LiveFollower:
    """Return the follow-up of a model's candidates."""
    return LiveFollower(settings, in_line(settings, open_model(settings.infer.model)))
