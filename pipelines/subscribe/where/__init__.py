"""Which alerts a telescope wants, said in a language of its own: parsed, never executed.

``text ─parse→ Rule``; ``Rule, Facts ─judge→ Verdict``: matched or not, by which parts, and what is unknown and why.
"""

from pipelines.subscribe.where.names import NAMES, Kind
from pipelines.subscribe.where.parser import parse
from pipelines.subscribe.where.rule import IfUnknown, Part, Rule, Verdict
from pipelines.subscribe.where.units import UNITS
from pipelines.subscribe.where.values import Unknown

__all__ = ["NAMES", "UNITS", "IfUnknown", "Kind", "Part", "Rule", "Unknown", "Verdict", "parse"]
