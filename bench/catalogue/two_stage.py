"""Remedies against class imbalance whose second stage works on the classifier alone."""

from bench.recipe import Technique

TWO_STAGE: tuple[Technique, ...] = ()
