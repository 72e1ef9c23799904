"""Slot ``targets``: labels -> other labels, in training only.

``begin(context)`` returns a function from labels int64 [T, B], or soft labels float [T, B, C] where examples were mixed
already, to labels or soft labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require
from bench.stages.context import Context

if TYPE_CHECKING:
    import torch

    Relabeller = Callable[[torch.Tensor], torch.Tensor]

GRAIN = 2**24  # a label is drawn again with a probability in steps of 1 / GRAIN: 6e-8


@dataclass(frozen=True)
class Targets(Stage):
    """Base of what is done to labels."""

    def begin(self, context: Context) -> "Relabeller":
        """Return the function that changes the labels of one stacked batch."""
        raise NotImplementedError


@dataclass(frozen=True)
class LabelSmoothing(Targets):
    """Soft labels (1 - epsilon) * q + epsilon / C, where q is one-hot, or soft already.

    Source: Szegedy et al. 2016, section 7.
    """

    kind: ClassVar[str] = "label-smoothing"
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        """Check epsilon."""
        require(0 <= self.epsilon < 1, f"epsilon must be at least 0 and below 1, got {self.epsilon}")

    def begin(self, context: Context) -> "Relabeller":
        """Return the map to soft labels [T, B, C]."""
        import torch

        def smooth(labels: "torch.Tensor") -> "torch.Tensor":
            if self.epsilon == 0:
                return labels
            low = self.epsilon / context.outputs
            if labels.is_floating_point():
                return labels * (1 - self.epsilon) + low
            soft = torch.full((*labels.shape, context.outputs), low, device=labels.device)
            return soft.scatter_(2, labels[..., None], 1 - self.epsilon + low)

        return smooth


@dataclass(frozen=True)
class DisturbLabel(Targets):
    """With probability ``alpha`` an example's label is drawn again, uniformly out of all C classes, in every batch.

    A label so stays true with probability 1 - alpha (C - 1) / C. Labels stay labels; a soft label that is drawn again
    becomes one-hot. alpha: in steps of 6e-8. Source: Xie et al. 2016 (DisturbLabel).
    """

    kind: ClassVar[str] = "disturb-label"
    alpha: float = 0.1

    def __post_init__(self) -> None:
        """Check alpha."""
        require(0 <= self.alpha <= 1, f"alpha must be a probability between 0 and 1, got {self.alpha}")

    def begin(self, context: Context) -> "Relabeller":
        """Return the function that draws labels; raise ValueError for a regression."""
        import torch
        from torch.nn import functional

        if context.regression:
            raise ValueError("disturb-label draws class labels; the task is a regression")
        if self.alpha == 0:
            return lambda labels: labels
        cut = round(self.alpha * GRAIN)

        def disturb(labels: "torch.Tensor") -> "torch.Tensor":
            batch = (labels.shape[1],)
            disturbed = context.integers("disturb-label", 0, GRAIN, batch) < cut
            drawn = context.integers("disturb-label classes", 0, context.outputs, batch)
            if labels.is_floating_point():
                return torch.where(disturbed[..., None], functional.one_hot(drawn, context.outputs).to(labels), labels)
            return torch.where(disturbed, drawn, labels)

        return disturb
