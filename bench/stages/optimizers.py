"""Slot ``optimizer``: torch.optim on stacked parameters.

Every optimizer here works element by element, so a stack of trials is as good as one; ``foreach=False`` keeps a
trial's numbers the same to the bit whatever the size of its stack. ``fused=True`` does not, so only networks that train
alone have it: a step of theirs would otherwise be a tenth slower. Rates are per step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import torch


def _groups(
    weights: "Sequence[torch.Tensor]", others: "Sequence[torch.Tensor]", decay: float
) -> "list[dict[str, object]]":
    """Return parameter groups in which only weights decay, not biases or norms."""
    groups: list[dict[str, object]] = [{"params": list(weights), "weight_decay": decay}]
    return [*groups, {"params": list(others), "weight_decay": 0.0}] if others else groups


def _kernel(alone: bool) -> dict[str, bool]:
    """Return which of torch's implementations to use."""
    return {"fused": True} if alone else {"foreach": False}


@dataclass(frozen=True)
class Optimizer(Stage):
    """Base of the optimizers."""

    lr: float = 1e-3

    def __post_init__(self) -> None:
        """Check the learning rate, and of the others those that the optimizer has."""
        require(self.lr > 0, f"lr must be above 0, got {self.lr}")
        decay = getattr(self, "weight_decay", 0.0)
        require(decay >= 0, f"weight_decay must be at least 0, got {decay}")
        for name in ("momentum", "beta1", "beta2"):
            value = getattr(self, name, 0.0)
            require(0 <= value < 1, f"{name} must be at least 0 and below 1, got {value}")

    def make(
        self, weights: "Sequence[torch.Tensor]", others: "Sequence[torch.Tensor]", alone: bool
    ) -> "torch.optim.Optimizer":
        """Return the optimizer over stacked weights (which decay) and other parameters (which do not).

        alone: the network trains one trial at a time.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Stochastic gradient descent with momentum; ``weight_decay`` is torch's, added to the gradient."""

    kind: ClassVar[str] = "sgd"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def make(
        self, weights: "Sequence[torch.Tensor]", others: "Sequence[torch.Tensor]", alone: bool
    ) -> "torch.optim.Optimizer":
        """Return torch's SGD."""
        from torch.optim import SGD

        groups = _groups(weights, others, self.weight_decay)
        return SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov, **_kernel(alone))


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam. Source: Kingma and Ba 2015, algorithm 1."""

    kind: ClassVar[str] = "adam"
    beta1: float = 0.9
    beta2: float = 0.999

    def make(
        self, weights: "Sequence[torch.Tensor]", others: "Sequence[torch.Tensor]", alone: bool
    ) -> "torch.optim.Optimizer":
        """Return torch's Adam."""
        from torch.optim import Adam as TorchAdam

        return TorchAdam([*weights, *others], lr=self.lr, betas=(self.beta1, self.beta2), **_kernel(alone))


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay. Source: Loshchilov and Hutter 2019, algorithm 2."""

    kind: ClassVar[str] = "adamw"
    weight_decay: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.999

    def make(
        self, weights: "Sequence[torch.Tensor]", others: "Sequence[torch.Tensor]", alone: bool
    ) -> "torch.optim.Optimizer":
        """Return torch's AdamW."""
        from torch.optim import AdamW as TorchAdamW

        groups = _groups(weights, others, self.weight_decay)
        return TorchAdamW(groups, lr=self.lr, betas=(self.beta1, self.beta2), **_kernel(alone))
