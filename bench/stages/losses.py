"""Slot ``loss``: logits and targets -> one loss per trial.

``begin(context)`` returns a function (logits [T, B, C], targets) -> loss [T]. Targets are labels int64 [T, B], soft
labels float [T, B, C], or values float [T, B, K] for a regression. pi_c are the class shares that reach the loss.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.keys import added
from bench.stages.base import Stage, require
from bench.stages.class_weights import (
    BETA,
    Kind,
    Reduction,
    check_weights,
    class_weights,
    weighted,
    weighted_prior,
)
from bench.stages.context import Context

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bench.stages.class_weights import LossFunction


@dataclass(frozen=True)
class Loss(Stage):
    """Base of the losses."""

    def begin(self, context: Context) -> "LossFunction":
        """Return the function that gives one loss per trial."""
        raise NotImplementedError

    def prior(self, prior: "np.ndarray", rows: int | None = None) -> "np.ndarray":
        """Return the class shares [C] whose posterior the raw logits estimate, when so many rows have ``prior``."""
        return prior


def per_class(table: "np.ndarray", context: Context) -> "torch.Tensor":
    """Return a float64 table [T, C] as a float32 tensor on the stack's device."""
    import torch

    return torch.from_numpy(table).to(context.device, torch.float32)


def cross_entropies(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """Return -log p of each example, [T, B], for labels; for soft labels the sum of these times the labels."""
    from torch.nn import functional

    if targets.is_floating_point():
        return -(targets * logits.log_softmax(2)).sum(2)
    flat = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape)


def rivals(logits: "torch.Tensor") -> "torch.Tensor":
    """Return for every class the log of the summed exponentials of the others' logits, [T, B, C].

    Summed without the class itself, so that nothing is lost where its own logit is by far the largest.
    """
    import torch

    own = torch.eye(logits.shape[2], dtype=torch.bool, device=logits.device)
    return logits[:, :, None, :].masked_fill(own, -torch.inf).logsumexp(3)


def powered(prior: "np.ndarray", power: float) -> "np.ndarray":
    """Return shares [C] proportional to ``prior`` [C] to a power; a class without rows has none."""
    import numpy as np

    shares = np.where(prior > 0, np.power(np.maximum(prior, 1e-300), power), 0.0)
    return shares / shares.sum()


@dataclass(frozen=True, kw_only=True)
class WeightedLoss(Loss):
    """Base of the losses whose classes may have weights.

    ``class_weights.py`` says what the kinds of ``weights``, the ``reduction`` and ``beta`` are.
    """

    weights: Literal["none", "inverse", "share", "balanced", "sqrt", "effective"] = added("none")
    reduction: Literal["weighted-mean", "mean"] = added("weighted-mean")
    beta: float = added(BETA)

    def __post_init__(self) -> None:
        """Check the weights."""
        check_weights(self.weights, self.reduction, self.beta)

    def each(self, context: Context) -> "LossFunction":
        """Return the function that gives each example's loss without weights, [T, B], linear in soft labels."""
        raise NotImplementedError

    def begin(self, context: Context) -> "LossFunction":
        """Return the mean loss of this stack; raise ValueError for an empty class where weights are asked."""
        import numpy as np

        each = self.each(context)
        if self.weights == "none":
            return lambda logits, targets: each(logits, targets).mean(1)
        rows = np.array([[len(targets)] for targets in context.targets], dtype=np.float64)
        table = class_weights(self.weights, context.require_seen(), rows, self.beta)
        losses_and_weights = weighted(each, per_class(table, context))

        def mean(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
            losses, weights = losses_and_weights(logits, targets)
            return losses.mean(1) if self.reduction == "mean" else losses.sum(1) / weights.sum(1)

        return mean

    def prior(self, prior: "np.ndarray", rows: int | None = None) -> "np.ndarray":
        """Return shares proportional to the rows' own times the class weights."""
        return weighted_prior(self.weights, prior, rows, self.beta)


@dataclass(frozen=True)
class CrossEntropy(WeightedLoss):
    """Cross-entropy, with class weights if asked."""

    kind: ClassVar[str] = "cross-entropy"
    weights: Kind = "none"
    reduction: Reduction = "weighted-mean"

    def each(self, context: Context) -> "LossFunction":
        """Return the cross-entropy of each example."""
        return cross_entropies


@dataclass(frozen=True)
class Focal(WeightedLoss):
    """Focal loss alpha_c (1 - p_c)^gamma * -log p_c of the label c. Source: Lin et al. 2017, eq. 5.

    alpha: of two classes, the weight of class 1, and 1 - alpha that of class 0, in a mean over the batch; else 1
    log(1 - p_c) is taken as logsumexp over the other classes minus logsumexp over all, which is finite for finite
    logits, so that the gradient is finite for every gamma. With soft labels q the loss is the sum of q_c times the
    above. gamma flattens what the logits say without preferring a class, so the prior is left to the weights.
    """

    kind: ClassVar[str] = "focal"
    gamma: float = 2.0
    alpha: float | None = added(None)

    def __post_init__(self) -> None:
        """Check gamma, alpha and the weights."""
        super().__post_init__()
        require(self.gamma >= 0, f"gamma must be at least 0, got {self.gamma}")
        weighs = self.alpha is None or 0 < self.alpha < 1
        require(weighs, f"alpha must be above 0 and below 1, or none, got {self.alpha}")

    def each(self, context: Context) -> "LossFunction":
        """Return the focal loss of each example; raise ValueError for alpha where there are not two classes."""
        each = self._focal(context) if self.gamma > 0 else cross_entropies
        if self.alpha is None:
            return each
        if context.outputs != 2:
            raise ValueError(
                f"alpha weights one of two classes, and here are {context.outputs}; use the class weights 'weights'"
            )
        import numpy as np

        table = np.tile(self._alphas(), (context.trials, 1))
        losses_and_weights = weighted(each, per_class(table, context))
        return lambda logits, targets: losses_and_weights(logits, targets)[0]

    def _alphas(self) -> "np.ndarray":
        import numpy as np

        return np.ones(2) if self.alpha is None else np.array([1 - self.alpha, self.alpha])

    def _focal(self, context: Context) -> "LossFunction":
        """Return the focal loss of each example without alpha."""
        import torch

        diagonal = torch.eye(context.outputs, dtype=torch.bool, device=context.device)

        def focal(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
            if targets.is_floating_point():
                total = logits.logsumexp(2, keepdim=True)
                factor = (self.gamma * (rivals(logits) - total)).exp()
                return -(targets * factor * (logits - total)).sum(2)
            others = logits.masked_fill(diagonal[targets], -torch.inf).logsumexp(2)
            factor = (self.gamma * (others - logits.logsumexp(2))).exp()
            return factor * cross_entropies(logits, targets)

        return focal

    def prior(self, prior: "np.ndarray", rows: int | None = None) -> "np.ndarray":
        """Return shares proportional to the rows' own times the class weights and, if given, alpha."""
        shares = super().prior(prior, rows)
        if self.alpha is None:
            return shares
        shares = shares * self._alphas()
        return shares / shares.sum()


@dataclass(frozen=True)
class LogitAdjusted(Loss):
    """Cross-entropy of z + tau * log pi. Source: Menon et al. 2021, eq. 10; tau = 1 is balanced softmax (Ren 2020)."""

    kind: ClassVar[str] = "logit-adjusted"
    tau: float = 1.0

    def __post_init__(self) -> None:
        """Check tau."""
        require(self.tau >= 0, f"tau must be at least 0, got {self.tau}")

    def begin(self, context: Context) -> "LossFunction":
        """Return the adjusted cross-entropy of this stack; raise ValueError for an empty class."""
        import numpy as np

        if self.tau == 0:
            return CrossEntropy().begin(context)
        shift = per_class(self.tau * np.log(context.require_seen()), context)[:, None, :]
        return lambda logits, targets: cross_entropies(logits + shift, targets).mean(1)

    def prior(self, prior: "np.ndarray", rows: int | None = None) -> "np.ndarray":
        """Return shares proportional to pi^(1 - tau): at tau = 1 the raw logits are already balanced."""
        return powered(prior, 1 - self.tau)


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """Mean squared error over batch and targets, in standardised units."""

    kind: ClassVar[str] = "mean-squared-error"

    def begin(self, context: Context) -> "LossFunction":
        """Return the mean squared error of this stack."""
        if not context.regression:
            raise ValueError("mean squared error is for regressions; use cross-entropy for classes")
        return lambda predicted, targets: (predicted - targets).square().mean((1, 2))
