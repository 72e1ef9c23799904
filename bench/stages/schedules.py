"""Slot ``schedule``: the factor on the learning rate at each step."""

import math
from dataclasses import dataclass
from typing import ClassVar

from bench.stages.base import Stage, require


@dataclass(frozen=True)
class Schedule(Stage):
    """Base of the schedules."""

    def factor(self, step: int, steps: int) -> float:
        """Return the factor for step ``step`` (from 0) of at most ``steps``."""
        raise NotImplementedError


@dataclass(frozen=True)
class Cosine(Schedule):
    """Linear warm-up, then half a cosine from 1 down to ``final``. Source: Loshchilov and Hutter 2017, eq. 5.

    warmup: fraction of the steps; final: fraction of the rate.
    """

    kind: ClassVar[str] = "cosine"
    warmup: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        """Check the fractions."""
        require(0 <= self.warmup < 1, f"warmup must be at least 0 and below 1, got {self.warmup}")
        require(0 <= self.final <= 1, f"final must be between 0 and 1, got {self.final}")

    def factor(self, step: int, steps: int) -> float:
        """Return the factor at one step."""
        rise = self.warmup * steps
        if step < rise:
            return (step + 1) / (rise + 1)
        progress = (step - rise) / max(1.0, steps - rise)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))
