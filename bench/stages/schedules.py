"""Slot ``schedule``: the factor on the learning rate at each step.

Fractions are of the steps that the schedule spans, so that one setting fits every budget. T trials.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import numpy as np


class Pace:
    """A schedule at work on T trials, from step ``span[0]`` on for ``span[1]`` steps."""

    def __init__(self, factor: Callable[[int, int], float], trials: int, span: tuple[int, int]) -> None:
        self._factor, self._trials, self._span = factor, trials, span

    def factors(self, step: int) -> list[float]:
        """Return each trial's factor [T] for a step of the training."""
        return [self._factor(step - self._span[0], self._span[1])] * self._trials

    def watch(self, losses: "np.ndarray") -> None:
        """Take the losses [T] of a validation."""


@dataclass(frozen=True)
class Schedule(Stage):
    """Base of the schedules: a linear warm-up, then what each of them does with the steps that are left.

    The warm-up rises from 1 / (w + 1) in w steps: torch's LinearLR. Source: Goyal et al. 2017, section 2.2.

    watches: whether it looks at the validation rows, so that each trial has factors of its own
    warmup: fraction of the steps
    """

    watches: ClassVar[bool] = False
    warmup: float = 0.0

    def __post_init__(self) -> None:
        """Check the warm-up."""
        require(0 <= self.warmup < 1, f"warmup must be at least 0 and below 1, got {self.warmup}")

    def begin(self, trials: int, span: tuple[int, int]) -> Pace:
        """Return the schedule at work on a stack of trials; span: its first step, and how many it has."""
        return Pace(self.factor, trials, span)

    def factor(self, step: int, steps: int) -> float:
        """Return the factor for step ``step`` (from 0) of at most ``steps``."""
        rise = self.warmup * steps
        return (step + 1) / (rise + 1) if step < rise else self.settled(step - rise, steps - rise)

    def settled(self, step: float, steps: float) -> float:
        """Return the factor for a step after the warm-up, counted from its end, of those that are left."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate to the end."""

    kind: ClassVar[str] = "constant"

    def settled(self, step: float, steps: float) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 down to ``final``: torch's CosineAnnealingLR. Source: Loshchilov and Hutter 2017, eq. 5.

    final: fraction of the rate.
    """

    kind: ClassVar[str] = "cosine"
    final: float = 0.0

    def __post_init__(self) -> None:
        """Check the fractions."""
        super().__post_init__()
        require(0 <= self.final <= 1, f"final must be between 0 and 1, got {self.final}")

    def settled(self, step: float, steps: float) -> float:
        """Return the factor at one step."""
        progress = step / max(1.0, steps)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class StepDecay(Schedule):
    """The rate times ``gamma`` each time that a share of the steps is over: torch's StepLR. Source: He et al. 2016.

    every: fraction of the steps after the warm-up, rounded to whole steps.
    """

    kind: ClassVar[str] = "step"
    every: float = 0.3
    gamma: float = 0.1

    def __post_init__(self) -> None:
        """Check the fraction and the factor."""
        super().__post_init__()
        require(0 < self.every <= 1, f"every must be above 0 and at most 1, got {self.every}")
        require(0 < self.gamma <= 1, f"gamma must be above 0 and at most 1, got {self.gamma}")

    def settled(self, step: float, steps: float) -> float:
        """Return the factor at one step."""
        return self.gamma ** (step // max(1, round(self.every * steps)))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up by half a cosine from 1/25 and down by another to 1/250,000: torch's OneCycleLR. Source: Smith 2018.

    Momentum is left alone (torch's ``cycle_momentum`` off), as most optimizers here have none to cycle.

    warmup: fraction of the steps that rise; torch calls it ``pct_start``.
    """

    kind: ClassVar[str] = "one-cycle"
    start: ClassVar[float] = 1 / 25
    end: ClassVar[float] = 1 / 25 / 1e4
    warmup: float = 0.3

    def factor(self, step: int, steps: int) -> float:
        """Return the factor at one step."""
        top, last = self.warmup * steps - 1, steps - 1
        if step <= top:
            return _half_cosine(self.start, 1.0, step / top if top > 0 else 1.0)
        return _half_cosine(1.0, self.end, (step - top) / (last - top))


def _half_cosine(first: float, last: float, progress: float) -> float:
    """Return a value between two, of which a half cosine has gone through the share ``progress``."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """The rate times ``gamma`` once the validation loss has not fallen for long: torch's ReduceLROnPlateau.

    Each trial has a rate of its own. The loss is the plain one on validation rows, weighted to the target prior, of at
    most ten validations a training.

    patience: validations without a lower loss (by a ten-thousandth) that are let pass; one more reduces the rate.
    """

    kind: ClassVar[str] = "reduce-on-plateau"
    watches: ClassVar[bool] = True
    gamma: float = 0.1
    patience: int = 1

    def __post_init__(self) -> None:
        """Check the factor and the patience."""
        super().__post_init__()
        require(0 < self.gamma < 1, f"gamma must be above 0 and below 1, got {self.gamma}")
        require(self.patience >= 0, f"patience must be at least 0 validations, got {self.patience}")

    def begin(self, trials: int, span: tuple[int, int]) -> Pace:
        """Return torch's scheduler for each trial, after the warm-up."""
        return _Plateau(self, trials, span)

    def settled(self, step: float, steps: float) -> float:
        """Return 1, which is reduced by what was watched."""
        return 1.0


class _Plateau(Pace):
    """Torch's ReduceLROnPlateau, one for each trial, over an optimizer of nothing at rate 1."""

    def __init__(self, schedule: ReduceOnPlateau, trials: int, span: tuple[int, int]) -> None:
        from torch import zeros
        from torch.optim import SGD
        from torch.optim.lr_scheduler import ReduceLROnPlateau

        super().__init__(schedule.factor, trials, span)
        self._idle = [SGD([zeros(1)], lr=1.0) for _ in range(trials)]
        self._schedulers = [ReduceLROnPlateau(one, "min", schedule.gamma, schedule.patience) for one in self._idle]

    def factors(self, step: int) -> list[float]:
        reduced = [one.param_groups[0]["lr"] for one in self._idle]
        return [own * common for own, common in zip(reduced, super().factors(step), strict=True)]

    def watch(self, losses: "np.ndarray") -> None:
        for scheduler, loss in zip(self._schedulers, losses.tolist(), strict=True):
            scheduler.step(loss)
