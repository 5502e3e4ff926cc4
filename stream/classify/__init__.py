"""What kind of source a candidate has: from its masses, its distance and p_astro to the classes that an alert tells."""

from stream.classify.population import Population
from stream.classify.source import classify

__all__ = ["Population", "classify"]
