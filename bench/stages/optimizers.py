"""Slot ``optimizer``: torch.optim, and Lion, on stacked parameters.

Every optimizer here works element by element, so a stack of trials is as good as one; ``foreach=False`` keeps a
trial's numbers the same to the bit whatever the size of its stack. ``fused=True`` does not, so only networks that train
alone have it: a step of theirs would otherwise be a tenth slower. Rates are per step, and by default the library's.

``weight_decay`` is there where it is decoupled, apart from SGD's; added to the gradient it is the penalty L2.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require
from bench.stages.stepping import Stepping, Tensors

if TYPE_CHECKING:
    import torch


def groups(weights: Tensors, others: Tensors, decay: float) -> "list[dict[str, object]]":
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
        for name in ("momentum", "beta1", "beta2", "alpha", "rho"):
            value = getattr(self, name, 0.0)
            require(0 <= value < 1, f"{name} must be at least 0 and below 1, got {value}")

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return the optimizer over stacked weights (which decay) and other parameters (which do not).

        alone: the network trains one trial at a time.
        """
        raise NotImplementedError

    def begin(self, weights: Tensors, others: Tensors, alone: bool) -> Stepping:
        """Return the optimizer at work on weights and other parameters as ``make`` has them."""
        return Stepping(self.make(weights, others, alone))


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Stochastic gradient descent with momentum; ``weight_decay`` is torch's, added to the gradient."""

    kind: ClassVar[str] = "sgd"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check that Nesterov's momentum has some."""
        super().__post_init__()
        require(self.momentum > 0 or not self.nesterov, "nesterov needs a momentum above 0")

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return torch's SGD."""
        from torch.optim import SGD

        grouped = groups(weights, others, self.weight_decay)
        return SGD(grouped, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov, **_kernel(alone))


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam. Source: Kingma and Ba 2015, algorithm 1."""

    kind: ClassVar[str] = "adam"
    beta1: float = 0.9
    beta2: float = 0.999

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
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

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return torch's AdamW."""
        from torch.optim import AdamW as TorchAdamW

        grouped = groups(weights, others, self.weight_decay)
        return TorchAdamW(grouped, lr=self.lr, betas=(self.beta1, self.beta2), **_kernel(alone))


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Rates that fall with the sum of squared gradients of each weight. Source: Duchi et al. 2011, section 1.1."""

    kind: ClassVar[str] = "adagrad"
    lr: float = 1e-2

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return torch's Adagrad."""
        from torch.optim import Adagrad as TorchAdagrad

        return TorchAdagrad([*weights, *others], lr=self.lr, foreach=False)


@dataclass(frozen=True)
class RmsProp(Optimizer):
    """Gradients over a moving root mean square of themselves. Source: Tieleman and Hinton 2012.

    alpha: decay of the mean square.
    """

    kind: ClassVar[str] = "rmsprop"
    lr: float = 1e-2
    alpha: float = 0.99
    momentum: float = 0.0

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return torch's RMSprop."""
        from torch.optim import RMSprop

        return RMSprop([*weights, *others], lr=self.lr, alpha=self.alpha, momentum=self.momentum, foreach=False)


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Steps in units of earlier steps, so that a rate of 1 is natural. Source: Zeiler 2012, algorithm 1.

    rho: decay of the mean squares of gradients and of steps.
    """

    kind: ClassVar[str] = "adadelta"
    lr: float = 1.0
    rho: float = 0.9

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return torch's Adadelta."""
        from torch.optim import Adadelta as TorchAdadelta

        return TorchAdadelta([*weights, *others], lr=self.lr, rho=self.rho, foreach=False)


@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum. Source: Dozat 2016."""

    kind: ClassVar[str] = "nadam"
    lr: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.999

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return torch's NAdam."""
        from torch.optim import NAdam as TorchNAdam

        return TorchNAdam([*weights, *others], lr=self.lr, betas=(self.beta1, self.beta2), foreach=False)


@dataclass(frozen=True)
class RAdam(Optimizer):
    """Adam whose first steps wait for a second moment that can be trusted. Source: Liu et al. 2020, algorithm 2."""

    kind: ClassVar[str] = "radam"
    beta1: float = 0.9
    beta2: float = 0.999

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return torch's RAdam."""
        from torch.optim import RAdam as TorchRAdam

        return TorchRAdam([*weights, *others], lr=self.lr, betas=(self.beta1, self.beta2), foreach=False)


@dataclass(frozen=True)
class Adamax(Optimizer):
    """Adam with the largest recent gradient in place of the second moment. Source: Kingma and Ba 2015, algorithm 2."""

    kind: ClassVar[str] = "adamax"
    lr: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.999

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return torch's Adamax."""
        from torch.optim import Adamax as TorchAdamax

        return TorchAdamax([*weights, *others], lr=self.lr, betas=(self.beta1, self.beta2), foreach=False)


@dataclass(frozen=True)
class Lion(Optimizer):
    """The sign of an interpolated momentum, with decoupled weight decay. Source: Chen et al. 2023, algorithm 2."""

    kind: ClassVar[str] = "lion"
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def make(self, weights: Tensors, others: Tensors, alone: bool) -> "torch.optim.Optimizer":
        """Return lion-pytorch's Lion."""
        from lion_pytorch import Lion as LibraryLion

        return LibraryLion(groups(weights, others, self.weight_decay), lr=self.lr, betas=(self.beta1, self.beta2))
