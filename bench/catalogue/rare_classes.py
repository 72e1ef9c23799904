"""Remedies against class imbalance that mix or augment the examples of rare classes."""

from bench.recipe import Technique

RARE_CLASSES: tuple[Technique, ...] = ()
