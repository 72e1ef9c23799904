"""Slot ``targets``: labels -> soft labels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require
from bench.stages.context import Context

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LabelSmoothing(Stage):
    """Soft labels (1 - epsilon) * q + epsilon / C, where q is one-hot, or soft already.

    Source: Szegedy et al. 2016, section 7.
    """

    kind: ClassVar[str] = "label-smoothing"
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        """Check epsilon."""
        require(0 <= self.epsilon < 1, f"epsilon must be at least 0 and below 1, got {self.epsilon}")

    def begin(self, context: Context) -> "Callable[[torch.Tensor], torch.Tensor]":
        """Return the map from labels int64 [T, B], or soft labels [T, B, C], to soft labels [T, B, C]."""
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
