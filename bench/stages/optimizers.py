"""Slot ``optimizer``: torch.optim, and Lion, on stacked parameters.

Every optimizer here works element by element, so a stack of trials is as good as one; ``foreach=False`` keeps a
trial's numbers the same to the bit whatever the size of its stack. ``fused=True`` does not, so only networks that train
alone have it: a step of theirs would otherwise be a tenth slower. Rates are per step, and by default the library's.

``weight_decay`` is there where it is decoupled, apart from SGD's; added to the gradient it is the penalty L2.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from bench.stages.base import Stage, require
from bench.stages.stepping import Stepping, Tensors

if TYPE_CHECKING:
    import torch


def groups(weights: Tensors, others: Tensors, decay: float) -> "list[dict[str, object]]":
    """Return parameter groups in which only weights decay, not biases or norms."""
    groups: list[dict[str, object]] = [{"params": list(weights), "weight_decay": decay}]
    return [*groups, {"params": list(others), "weight_decay": 0.0}] if others else groups


@dataclass(frozen=True)
class Optimizer(Stage):
    """Base of the optimizers.

    library: the name of its class in torch.optim (others override ``make``); fuses: it has a fused kernel on a CPU.
    """

    library: ClassVar[str] = ""
    fuses: ClassVar[bool] = False
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
        import torch.optim

        settings: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        if "beta1" in settings:
            settings["betas"] = (settings.pop("beta1"), settings.pop("beta2"))
        own = (
            groups(weights, others, settings.pop("weight_decay")) if "weight_decay" in settings else [*weights, *others]
        )
        kernel = {"fused": True} if alone and self.fuses else {"foreach": False}
        return getattr(torch.optim, self.library)(own, **settings, **kernel)

    @property
    def gradients(self) -> int:
        """Return how often a step takes the gradients of its batch, at most."""
        return 1

    def begin(self, weights: Tensors, others: Tensors, alone: bool) -> Stepping:
        """Return the optimizer at work on weights and other parameters as ``make`` has them."""
        return Stepping(self.make(weights, others, alone))


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Stochastic gradient descent with momentum; ``weight_decay`` is torch's, added to the gradient."""

    kind: ClassVar[str] = "sgd"
    library: ClassVar[str] = "SGD"
    fuses: ClassVar[bool] = True
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check that Nesterov's momentum has some."""
        super().__post_init__()
        require(self.momentum > 0 or not self.nesterov, "nesterov needs a momentum above 0")


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam. Source: Kingma and Ba 2015, algorithm 1."""

    kind: ClassVar[str] = "adam"
    library: ClassVar[str] = "Adam"
    fuses: ClassVar[bool] = True
    beta1: float = 0.9
    beta2: float = 0.999


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay. Source: Loshchilov and Hutter 2019, algorithm 2."""

    kind: ClassVar[str] = "adamw"
    library: ClassVar[str] = "AdamW"
    fuses: ClassVar[bool] = True
    weight_decay: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.999


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Rates that fall with the sum of squared gradients of each weight. Source: Duchi et al. 2011, section 1.1."""

    kind: ClassVar[str] = "adagrad"
    library: ClassVar[str] = "Adagrad"
    lr: float = 1e-2


@dataclass(frozen=True)
class RmsProp(Optimizer):
    """Gradients over a moving root mean square of themselves. Source: Tieleman and Hinton 2012.

    alpha: decay of the mean square.
    """

    kind: ClassVar[str] = "rmsprop"
    library: ClassVar[str] = "RMSprop"
    lr: float = 1e-2
    alpha: float = 0.99
    momentum: float = 0.0


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Steps in units of earlier steps, so that a rate of 1 is natural. Source: Zeiler 2012, algorithm 1.

    rho: decay of the mean squares of gradients and of steps.
    """

    kind: ClassVar[str] = "adadelta"
    library: ClassVar[str] = "Adadelta"
    lr: float = 1.0
    rho: float = 0.9


@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum. Source: Dozat 2016."""

    kind: ClassVar[str] = "nadam"
    library: ClassVar[str] = "NAdam"
    lr: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.999


@dataclass(frozen=True)
class RAdam(Optimizer):
    """Adam whose first steps wait for a second moment that can be trusted. Source: Liu et al. 2020, algorithm 2."""

    kind: ClassVar[str] = "radam"
    library: ClassVar[str] = "RAdam"
    beta1: float = 0.9
    beta2: float = 0.999


@dataclass(frozen=True)
class Adamax(Optimizer):
    """Adam with the largest recent gradient in place of the second moment. Source: Kingma and Ba 2015, algorithm 2."""

    kind: ClassVar[str] = "adamax"
    library: ClassVar[str] = "Adamax"
    lr: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.999


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
