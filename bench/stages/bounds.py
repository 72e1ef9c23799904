"""Sizes that a suite can ask for: wide enough for any use, and far below what no machine can hold."""

from bench.stages.base import require

MOST_VALUES = 20_000_000  # of one array that a generator draws: 160 MB, and there are about ten at a time


def within(name: str, value: float, least: float, most: float, unit: str = "") -> None:
    """Raise ValueError unless ``value`` lies between ``least`` and ``most``, both included."""
    measure = f" {unit}" if unit else ""
    require(least <= value <= most, f"{name} must be at least {least} and at most {most}{measure}, got {value}")
