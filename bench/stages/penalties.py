"""Slot ``penalties``: parameters -> penalty, added to the loss. On weights only, never biases or norms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Penalty(Stage):
    """Base of the penalties."""

    def penalty(self, weights: "Sequence[torch.Tensor]") -> "torch.Tensor":
        """Return one penalty per trial, [T], from weights that are each [T, ...]."""
        raise NotImplementedError


@dataclass(frozen=True)
class L2(Penalty):
    """strength * sum of squared weights, in the loss; its gradient is 2 * strength * w.

    Under plain SGD this is decoupled weight decay of 2 * strength; under Adam it is not.
    """

    kind: ClassVar[str] = "l2"
    strength: float = 1e-4

    def __post_init__(self) -> None:
        """Check the strength."""
        require(self.strength >= 0, f"strength must be at least 0, got {self.strength}")

    def penalty(self, weights: "Sequence[torch.Tensor]") -> "torch.Tensor":
        """Return the penalty per trial."""
        import torch

        return self.strength * torch.stack([w.flatten(1).square().sum(1) for w in weights]).sum(0)


@dataclass(frozen=True)
class L1(Penalty):
    """strength * sum of absolute weights; its gradient is strength * sign(w), 0 at 0. Source: Tibshirani 1996.

    Weights come close to 0 under it, and seldom stay there: a gradient step overshoots where a proximal one would stop.
    """

    kind: ClassVar[str] = "l1"
    strength: float = 1e-4

    def __post_init__(self) -> None:
        """Check the strength."""
        require(self.strength >= 0, f"strength must be at least 0, got {self.strength}")

    def penalty(self, weights: "Sequence[torch.Tensor]") -> "torch.Tensor":
        """Return the penalty per trial."""
        import torch

        return self.strength * torch.stack([w.flatten(1).abs().sum(1) for w in weights]).sum(0)


@dataclass(frozen=True)
class ElasticNet(Penalty):
    """l1 * sum of absolute weights + l2 * sum of squared weights. Source: Zou and Hastie 2005, eq. 3."""

    kind: ClassVar[str] = "elastic-net"
    l1: float = 1e-4
    l2: float = 1e-4

    def __post_init__(self) -> None:
        """Check both strengths."""
        for name in ("l1", "l2"):
            require(getattr(self, name) >= 0, f"{name} must be at least 0, got {getattr(self, name)}")

    def penalty(self, weights: "Sequence[torch.Tensor]") -> "torch.Tensor":
        """Return the penalty per trial."""
        return L1(self.l1).penalty(weights) + L2(self.l2).penalty(weights)
