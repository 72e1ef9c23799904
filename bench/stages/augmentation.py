"""Slot ``augment``: inputs -> inputs, training only, whole batches, one independent draw per example.

``begin(context)`` returns a function (x [T, B, ...], targets [T, B, ...]) -> x. Inputs are in standardised units, so
standard deviations here are in units of the input's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require
from bench.stages.context import Context
from bench.stages.rarity import rare_classes

if TYPE_CHECKING:
    import torch

    Augmenter = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Augment(Stage):
    """Base of the augmentations."""

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that augments one stacked batch."""
        raise NotImplementedError


@dataclass(frozen=True)
class Jitter(Augment):
    """Series: independent Gaussian noise on every point. sigma: in standard deviations of the input."""

    kind: ClassVar[str] = "jitter"
    sigma: float = 0.05

    def __post_init__(self) -> None:
        """Check sigma."""
        require(self.sigma >= 0, f"sigma must be at least 0, got {self.sigma}")

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that adds noise to x [T, B, L, channels]."""
        return lambda x, _: x + self.sigma * context.normal(self.kind, tuple(x.shape[1:]))


@dataclass(frozen=True)
class Scaling(Augment):
    """Series: each window times one factor ~ Normal(1, sigma)."""

    kind: ClassVar[str] = "scaling"
    sigma: float = 0.1

    def __post_init__(self) -> None:
        """Check sigma."""
        require(self.sigma >= 0, f"sigma must be at least 0, got {self.sigma}")

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that scales x [T, B, L, channels]."""

        def scale(x: "torch.Tensor", _: "torch.Tensor") -> "torch.Tensor":
            return x * (1 + self.sigma * context.normal(self.kind, (x.shape[1], 1, 1)))

        return scale


@dataclass(frozen=True)
class WindowShift(Augment):
    """Series: each window moved by up to ``points`` points in time, its edge value repeated."""

    kind: ClassVar[str] = "window-shift"
    points: int = 3

    def __post_init__(self) -> None:
        """Check the number of points."""
        require(self.points >= 0, f"points must be at least 0, got {self.points}")

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that shifts x [T, B, L, channels]."""
        import torch

        def shift(x: "torch.Tensor", _: "torch.Tensor") -> "torch.Tensor":
            trials, batch, length, channels = x.shape
            moves = context.integers(self.kind, -self.points, self.points + 1, (batch, 1))
            index = (torch.arange(length, device=x.device) + moves).clamp_(0, length - 1)
            return x.gather(2, index[..., None].expand(trials, batch, length, channels))

        return shift


@dataclass(frozen=True)
class ClassNoise(Augment):
    """Table: Gaussian noise within class.

    sigma: in units of the standard deviation of that column among training rows of the row's own class (of all
    rows for a regression). Columns that hold only zeros and ones (one-hot) are left alone.
    """

    kind: ClassVar[str] = "class-noise"
    sigma: float = 0.1

    def __post_init__(self) -> None:
        """Check sigma."""
        require(self.sigma >= 0, f"sigma must be at least 0, got {self.sigma}")

    def begin(self, context: Context) -> "Augmenter":
        """Fit the spreads on each trial's training rows; return the function that adds noise to x [T, B, F]."""
        import numpy as np
        import torch

        groups = 1 if context.regression else context.outputs
        spread = np.zeros((context.trials, groups, context.inputs[0].shape[1]), dtype=np.float32)
        for trial, (inputs, targets) in enumerate(zip(context.inputs, context.targets, strict=True)):
            indicator = ((inputs == 0) | (inputs == 1)).all(axis=0)
            for group in range(groups):
                rows = inputs if context.regression else inputs[targets == group]
                if len(rows):
                    spread[trial, group] = np.where(indicator, 0.0, rows.std(axis=0))
        table = torch.from_numpy(spread * np.float32(self.sigma)).to(context.device)
        trials = torch.arange(context.trials, device=context.device)[:, None]

        def noise(x: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
            group = torch.zeros_like(trials) if context.regression else targets
            return x + table[trials, group] * context.normal(self.kind, tuple(x.shape[1:]))

        return noise


@dataclass(frozen=True)
class RareClasses(Augment):
    """Augments the examples of rare classes by all ``stages`` in turn, and leaves the others as they are."""

    kind: ClassVar[str] = "rare-classes"
    stages: tuple[Augment, ...] = ()

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that augments x [T, B, ...] of rare classes; raise ValueError for a regression."""
        stages = [stage.begin(context) for stage in self.stages]
        rare = rare_classes(context)

        def augment(x: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
            changed = x
            for stage in stages:
                changed = stage(changed, targets)
            chosen = rare.gather(1, targets)
            return changed.where(chosen.view(*chosen.shape, *[1] * (x.dim() - 2)), x)

        return augment
