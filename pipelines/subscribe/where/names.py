"""What a rule can ask of an alert: each name with its kind, its unit and what it means.

:mod:`pipelines.subscribe.facts` finds the values; ``docs/rules.md`` lists them, and a test holds all three together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pipelines.subscribe.messenger import MESSENGERS
from pipelines.subscribe.where.units import ANGLE, AREA, DISTANCE, MASS, NONE, RATE, TIME, Dimension


class Kind(Enum):
    """What a value is; the text is what people call it."""

    NUMBER = "a number"
    TRUTH = "true or false"
    TEXT = "a text"
    SET = "a set of texts"
    TIME = "a point in time"


@dataclass(frozen=True, slots=True)
class Argument:
    """What stands between the parentheses of a name, as in ``p(BNS)``.

    Attributes
    ----------
    name : str
    kind : {Kind.TEXT, Kind.NUMBER}
    dimension : Dimension
    low, high : float
        Bounds of a number.
    words : tuple of str
        Texts that are known; another is taken in quotes only. Empty where any will do.
    optional : bool
    """

    name: str
    kind: Kind = Kind.NUMBER
    dimension: Dimension = NONE
    low: float = 0.0
    high: float = 1.0
    words: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A name of the language.

    Attributes
    ----------
    what : str
        What it means.
    kind : Kind
    dimension : Dimension
    words : tuple of str
        The texts that it can be; empty where any can be.
    closed : bool
        Whether it can be none but these.
    arguments : tuple of Argument
    cost : int
        0 what is read off the alert, 1 what the sky map must be decoded for, 2 what is computed from it.
    """

    what: str
    kind: Kind = Kind.NUMBER
    dimension: Dimension = NONE
    words: tuple[str, ...] = ()
    closed: bool = False
    arguments: tuple[Argument, ...] = ()
    cost: int = 0


TYPES = ("earlywarning", "preliminary", "initial", "update", "retraction")
GROUPS = ("CBC", "Burst")
CLASSES = ("BNS", "NSBH", "BBH", "MassGap", "Terrestrial")
PROPERTIES = ("HasNS", "HasRemnant", "HasMassGap", "HasSSM")
DETECTORS = ("H1", "L1", "V1", "K1", "G1", "A1")
_KINDS = tuple(dict.fromkeys(MESSENGERS.values()))

NAMES: dict[str, Name] = {
    "far": Name("false-alarm rate", dimension=RATE),
    "significant": Name("whether the alert is marked significant", Kind.TRUTH),
    "p": Name("probability of a class of source", arguments=(Argument("class", Kind.TEXT, words=CLASSES),)),
    "p_astro": Name("probability that it is astrophysical: 1 minus that of Terrestrial"),
    "property": Name(
        "probability of a property of the source", arguments=(Argument("property", Kind.TEXT, words=PROPERTIES),)
    ),
    "has_ns": Name("property(HasNS): one of the two is a neutron star"),
    "has_remnant": Name("property(HasRemnant): matter remains outside"),
    "has_mass_gap": Name("property(HasMassGap): one of the two is of 3 to 5 solar masses"),
    "mchirp": Name("median of the chirp mass in the source's frame", dimension=MASS),
    "duration": Name("duration of a burst", dimension=TIME),
    "central_frequency": Name("central frequency of a burst", dimension=RATE),
    "detectors": Name("detectors that took part", Kind.SET, words=DETECTORS),
    "count": Name("how many detectors took part", arguments=(Argument("set", Kind.TEXT, words=("detectors",)),)),
    "group": Name("kind of search", Kind.TEXT, words=GROUPS, closed=True),
    "search": Name("search, as in AllSky, BBH, EarlyWarning, MDC", Kind.TEXT),
    "pipeline": Name("pipeline, as in gstlal, pycbc, tocsin", Kind.TEXT),
    "type": Name("type of the alert", Kind.TEXT, words=TYPES, closed=True),
    "superevent": Name("id of the superevent", Kind.TEXT),
    "revision": Name("number of the alert among those of its event; Tocsin's tell it"),
    "test": Name("whether the event is a test or a mock one: its id does not begin with S", Kind.TRUTH),
    "time": Name("when the merger or burst was", Kind.TIME),
    "created": Name("when the alert was made", Kind.TIME),
    "now": Name("when the rule is asked", Kind.TIME),
    "age": Name("time since the merger or burst", dimension=TIME),
    "skymap": Name("whether the alert has a sky map", Kind.TRUTH),
    "area": Name(
        "smallest area that holds a probability", dimension=AREA, arguments=(Argument("probability"),), cost=1
    ),
    "area50": Name("area(50 %)", dimension=AREA, cost=1),
    "area90": Name("area(90 %)", dimension=AREA, cost=1),
    "ra": Name("right ascension of the most probable place", dimension=ANGLE, cost=1),
    "dec": Name("declination of the most probable place", dimension=ANGLE, cost=1),
    "distance": Name("mean of the distance", dimension=DISTANCE, cost=1),
    "distance_std": Name("standard deviation of the distance", dimension=DISTANCE, cost=1),
    "visible": Name(
        "part of the probability that a site (without one that of --site) sees in the dark: if not said otherwise from "
        "now on within 24 h, at an airmass of at most 2.5, the sun at most at -18 deg",
        arguments=(
            Argument("site", Kind.TEXT, optional=True),
            # So long at least that no number of hours without a unit, which is seconds, passes.
            Argument("within", dimension=TIME, low=300.0, high=240 * 3600.0, optional=True),
            Argument("airmass", low=1.0, high=40.0, optional=True),
            Argument("sun", dimension=ANGLE, low=-90.0, high=0.0, optional=True),
        ),
        cost=2,
    ),
    "field": Name(
        "probability in a circle on the sky",
        arguments=(
            Argument("ra", dimension=ANGLE, low=-360.0, high=360.0),
            Argument("dec", dimension=ANGLE, low=-90.0, high=90.0),
            Argument("radius", dimension=ANGLE, low=0.0, high=180.0),
        ),
        cost=2,
    ),
    "joint": Name("whether another messenger's event coincides", Kind.TRUTH),
    "messenger": Name("which messenger coincides", Kind.TEXT, words=_KINDS, closed=True),
    "observatory": Name("whose event coincides, as in Fermi-GBM", Kind.TEXT),
    "joint_far": Name("joint false-alarm rate, with the sky maps where both are known", dimension=RATE),
    "time_difference": Name("the other event's time minus the merger's", dimension=TIME),
    "overlap": Name("how well the two sky maps agree: 1 is chance"),
    "combined": Name("whether the alert has a sky map combined with the other event's", Kind.TRUTH),
}
"""All that a rule can ask for."""
