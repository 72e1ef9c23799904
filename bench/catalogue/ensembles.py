"""Remedies against class imbalance that train several networks."""

from bench.recipe import Technique

ENSEMBLES: tuple[Technique, ...] = ()
