"""How often compact binaries merge, by their masses: what tells a class from another where the signal cannot.

The classes are the LVK's (public alerts user guide): a body below 3 Msun counts as a neutron star. Rates are the
geometric means of GWTC-4.0's 90 % ranges (arXiv:2508.18083: binary neutron stars 7.6 to 250, neutron star and black
hole 9.1 to 84, binary black holes 14 to 26 a year and cubic gigaparsec). Masses: neutron stars uniform in 1 to 3 Msun;
black holes as Salpeter's m^-2.35 from 3 Msun (with which GWTC-1, PRX 9, 031040 (2019), gave its rates); a black hole's
lighter companion uniform up to its own mass. Densities go on beyond these ranges, so that none is zero: what is heard
there has to be of some class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.types import FloatArray

BOUNDARY_MSUN = 3.0
"""Of neutron stars and black holes, in :attr:`stream.records.followup.SourceClass.classification`."""

LIGHTEST_MSUN, HEAVIEST_MSUN = 1.0, 100.0
"""Of a neutron star, of a black hole."""

SLOPE = 2.35


@dataclass(frozen=True, slots=True)
class Population:
    """Mergers a year and cubic gigaparsec of each class."""

    bns: float = 44.0
    nsbh: float = 28.0
    bbh: float = 19.0

    def density(self, mass1_msun: FloatArray, mass2_msun: FloatArray) -> FloatArray:
        """Return mergers a year, cubic gigaparsec and square of a solar mass, at masses in the source's frame.

        Parameters
        ----------
        mass1_msun, mass2_msun : array of float64, of one shape
            Larger first.
        """
        star = 1.0 / (BOUNDARY_MSUN - LIGHTEST_MSUN)
        hole = mass1_msun**-SLOPE
        return np.where(
            mass1_msun < BOUNDARY_MSUN,
            self.bns * 2.0 * star**2,
            np.where(
                mass2_msun < BOUNDARY_MSUN,
                self.nsbh * star * hole / _ALONE,
                self.bbh * hole / mass1_msun / _WITH_LIGHTER,
            ),
        )


GWTC4 = Population()


def _integral(power: float) -> float:
    """Return the integral of m^power over black holes."""
    return float(HEAVIEST_MSUN ** (power + 1.0) - BOUNDARY_MSUN ** (power + 1.0)) / (power + 1.0)


_ALONE = _integral(-SLOPE)
_WITH_LIGHTER = _integral(-SLOPE) - BOUNDARY_MSUN * _integral(-SLOPE - 1.0)
"""Of m1^-2.35 over masses, and of m1^-2.35 (m1 - 3) / m1: companions from 3 Msun up to m1, uniform up to m1."""
