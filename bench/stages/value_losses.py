"""Slot ``loss``, for regressions: losses that grow more slowly than the square. In standardised units."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import require
from bench.stages.context import Context
from bench.stages.losses import Loss

if TYPE_CHECKING:
    import torch

    from bench.stages.class_weights import LossFunction


@dataclass(frozen=True)
class ValueLoss(Loss):
    """Base: the mean over batch and targets of a function of the error, which is predicted minus true values."""

    def each(self, errors: "torch.Tensor") -> "torch.Tensor":
        """Return the loss of every error."""
        raise NotImplementedError

    def begin(self, context: Context) -> "LossFunction":
        """Return the mean loss of this stack; raise ValueError for classes."""
        if not context.regression:
            raise ValueError(f"{self.kind} is for regressions; use cross-entropy for classes")
        return lambda predicted, targets: self.each(predicted - targets).mean((1, 2))


@dataclass(frozen=True)
class MeanAbsoluteError(ValueLoss):
    """Mean absolute error: least at the median of the targets, so that outliers pull less."""

    kind: ClassVar[str] = "mean-absolute-error"

    def each(self, errors: "torch.Tensor") -> "torch.Tensor":
        """Return the absolute errors."""
        return errors.abs()


@dataclass(frozen=True)
class Huber(ValueLoss):
    """Half the squared error up to ``delta``, beyond it linear: delta (|error| - delta / 2). Source: Huber 1964.

    delta: where the square ends, in standard deviations of the targets
    """

    kind: ClassVar[str] = "huber"
    delta: float = 1.0

    def __post_init__(self) -> None:
        """Check delta."""
        require(0 < self.delta <= 1e6, f"delta must be above 0 and at most 1e6, got {self.delta}")

    def each(self, errors: "torch.Tensor") -> "torch.Tensor":
        """Return the Huber loss of every error."""
        size = errors.abs()
        inside = size.clamp(max=self.delta)
        return inside * (size - inside / 2)
