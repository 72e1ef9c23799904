"""Slot ``optimizer``: schedule-free SGD and AdamW, by their authors' package. Source: Defazio et al. 2024.

Gradients are taken at y, between the fast weights z and their average x, and x is what is evaluated: validations,
kept weights and the end of training see x, with running statistics measured again there, as the authors say. Training
goes on from y, to the bit. The average takes the place of a schedule. A recipe with one of these should have none but a
linear warm-up, whose smaller rates weigh less in the average: ``schedule = constant(warmup=...)`` is the package's
``warmup_steps``, in a fraction of the steps. Every step works element by element. An average that fills the slot
``stopping`` (SWA, EMA) is one of y, and is kept in place of x.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import require
from bench.stages.optimizers import Optimizer, groups
from bench.stages.perturbations import Kept
from bench.stages.stepping import Stepping, Tensors

if TYPE_CHECKING:
    from schedulefree import AdamWScheduleFree, SGDScheduleFree


class _Averaging(Stepping):
    """One of the package's optimizers, whose parameters are at y but for evaluations."""

    def __init__(self, optimizer: "AdamWScheduleFree | SGDScheduleFree") -> None:
        super().__init__(optimizer)
        self._optimizer = optimizer
        self._kept = Kept([one for group in optimizer.param_groups for one in group["params"]])
        optimizer.train()

    def evaluate(self) -> bool:
        self._kept.take()
        self._optimizer.eval()
        return True

    def resume(self) -> None:
        self._optimizer.train()
        self._kept.put()  # the way there and back is not exact


@dataclass(frozen=True)
class ScheduleFreeSgd(Optimizer):
    """Schedule-free SGD. Its good rates are 10 to 50 times plain SGD's, by its authors.

    momentum: weight of x in y, above 0; weight_decay: added to the gradient at y.
    """

    kind: ClassVar[str] = "schedule-free-sgd"
    lr: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        require(self.momentum > 0, "momentum must be above 0, as x cannot be told from y otherwise, got 0")

    def begin(self, weights: Tensors, others: Tensors, alone: bool) -> Stepping:
        """Return the package's SGD at work."""
        from schedulefree import SGDScheduleFree

        grouped = groups(weights, others, self.weight_decay)
        return _Averaging(SGDScheduleFree(grouped, lr=self.lr, momentum=self.momentum, foreach=False))


@dataclass(frozen=True)
class ScheduleFreeAdamW(Optimizer):
    """Schedule-free AdamW. Its good rates are 1 to 10 times AdamW's, by its authors.

    beta1: weight of x in y, above 0; weight_decay: decoupled, taken at y.
    """

    kind: ClassVar[str] = "schedule-free-adamw"
    lr: float = 2.5e-3
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        require(self.beta1 > 0, "beta1 must be above 0, as x cannot be told from y otherwise, got 0")

    def begin(self, weights: Tensors, others: Tensors, alone: bool) -> Stepping:
        """Return the package's AdamW at work."""
        from schedulefree import AdamWScheduleFree

        grouped = groups(weights, others, self.weight_decay)
        betas = self.beta1, self.beta2
        return _Averaging(AdamWScheduleFree(grouped, lr=self.lr, betas=betas, foreach=False))
